//! Sans-I/O: the seed of a run, and the URL that asks for its users.

use jiff::Timestamp;
use rowtide_api::Error;

use crate::config::HttpConfig;

/// The seed of a run: its slot as `2026-01-05T10:00:00Z`.
///
/// 20 characters at least, so never the 18 with which randomuser reads a nation out of the seed (EC-152).
///
/// # Errors
/// Fatal for an instant no calendar has.
pub fn seed(slot_ms: i64) -> Result<String, Error> {
    Timestamp::from_millisecond(slot_ms)
        .map(|slot| slot.to_string())
        .map_err(|cause| Error::fatal(format!("the run's slot {slot_ms} is no instant")).because(cause))
}

/// What is asked, without the seed: it tells whether an interrupted run still asks for the same users.
pub fn identity(config: &HttpConfig) -> String {
    let mut url = format!("{}?results={}", config.http.url, config.results);
    if !config.nations.is_empty() {
        url.push_str("&nat=");
        url.push_str(&config.nations.join(","));
    }
    url
}

/// The whole URL. Nothing in it needs escaping: the seed is digits, `-`, `:`, `.`, `T` and `Z`, nations are letters.
pub fn url(identity: &str, seed: &str) -> String {
    format!("{identity}&seed={seed}")
}

/// The URL that asks for one user, to see whether anyone answers.
pub fn probe(config: &HttpConfig) -> String {
    format!("{}?results=1&seed=rowtide", config.http.url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::{ConfigReport, Properties};

    #[test]
    fn a_slot_is_its_own_seed() {
        assert_eq!(seed(1_767_607_200_000).unwrap(), "2026-01-05T10:00:00Z");
        assert_eq!(seed(1_767_607_200_500).unwrap(), "2026-01-05T10:00:00.5Z");
        assert!(seed(i64::MAX).is_err());
    }

    #[test]
    fn the_url_carries_results_nations_and_seed() {
        let properties =
            Properties::from_iter([("preset", "randomuser"), ("results", "7"), ("nat", "gb,no")]);
        let config: HttpConfig = ConfigReport::read(&properties).0.unwrap();
        assert_eq!(
            url(&identity(&config), "2026-01-05T10:00:00Z"),
            "https://randomuser.me/api/1.4/?results=7&nat=GB,NO&seed=2026-01-05T10:00:00Z"
        );
    }
}
