//! Sans-I/O: the keys of the HTTP source. `schedule.*` is not among them: the engine owns it.

use std::time::Duration;

use rowtide_api::config::{Config, Definition, Importance, Reader, Width};
use rowtide_api::{Key, Plugin as _, setting_enum};

use crate::HttpSource;

setting_enum! {
    /// What is fetched and how it becomes records.
    pub enum Preset {
        /// Users of randomuser.me or of a server that answers as it does.
        RandomUser = "randomuser",
    }
}

/// The nations randomuser knows (EC-152); it would ignore the whole filter for one it does not know.
const NATIONS: [&str; 21] = [
    "AU", "BR", "CA", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IN", "IR", "MX", "NL", "NO", "NZ",
    "RS", "TR", "UA", "US",
];

/// The API's limit: above it one user is answered, silently (EC-152).
const RESULTS_MAX: u32 = 5000;

const PRESET: Key<Preset> = Key::required(
    "preset",
    "What is fetched and how it becomes records. So far only randomuser, which the class RandomUserSource implies.",
);
const URL: Key<String> = Key::new(
    "http.url",
    "The address to fetch, http or https, without query: the preset adds its parameters.",
)
.default("https://randomuser.me/api/1.4/")
.group("HTTP")
.importance(Importance::High)
.width(Width::Long)
.validator(plain_url);
const RESULTS: Key<u32> = Key::new("results", "Users to fetch in each run, 1 to 5000.")
    .default("100")
    .importance(Importance::High)
    .width(Width::Short)
    .validator(|text| match text.parse() {
        Ok(1..=RESULTS_MAX) => Ok(()),
        _ => Err(format!(
            "Value must be between 1 and {RESULTS_MAX}: the API answers anything else with a single user"
        )),
    });
const TOPIC: Key<String> = Key::new("topic", "The topic the records go to.")
    .default("users_created")
    .importance(Importance::High)
    .validator(topic_name);
const NAT: Key<Vec<String>> = Key::new(
    "nat",
    "Only users of these nations, such as gb,no; empty for all.",
)
.default("")
.validator(nations);
const TIMEOUT_MS: Key<u64> = Key::new(
    "http.timeout.ms",
    "How long one request may take, from connecting to the last byte.",
)
// Five thousand users are 6 MB; a slow line brings them well within this.
.default("30000")
.group("HTTP")
.width(Width::Short)
.validator(|text| at_least(text, 100));
const BACKOFF_MS: Key<u64> = Key::new(
    "http.retry.backoff.ms",
    "The pause before a request that follows a failed one; it doubles with each further failure. Failed requests are \
     repeated without limit.",
)
.default("1000")
.group("HTTP")
.width(Width::Short)
.validator(|text| at_least(text, 1));
const BACKOFF_MAX_MS: Key<u64> = Key::new(
    "http.retry.backoff.max.ms",
    "The longest such pause. A Retry-After of the server is honoured up to ten minutes all the same.",
)
// A fifth of the API's window of five minutes, after which requests succeed again.
.default("60000")
.group("HTTP")
.width(Width::Short)
.validator(|text| at_least(text, 1));
const GENDER: Key<String> = Key::new("gender", "Not supported.").default_only(
    "the API ignores it with a seed, and every run has one; filter by the field gender in a transform or downstream",
);
const SEED: Key<String> = Key::new("seed", "Not supported.")
    .default_only("the seed is the slot of the run, so that a repeated run yields the same users");
const INC: Key<String> =
    Key::new("inc", "Not supported.").default_only("the preset maps twelve fields and needs them all");
const EXC: Key<String> =
    Key::new("exc", "Not supported.").default_only("the preset maps twelve fields and needs them all");
const PAGE: Key<String> = Key::new("page", "Not supported.")
    .default_only("a run is one page; for more users raise results or shorten schedule.interval");

/// A parsed configuration.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The preset.
    pub preset: Preset,
    /// Where and how to ask.
    pub http: Http,
    /// Users per run, 1 to 5000.
    pub results: u32,
    /// Where records go.
    pub topic: String,
    /// Nations in upper case; empty for all.
    pub nations: Vec<String>,
}

/// Where and how to ask.
#[derive(Debug, Clone)]
pub struct Http {
    /// http or https, without user, query or fragment.
    pub url: String,
    /// Bound of one request.
    pub timeout: Duration,
    /// Pause after the first failure.
    pub backoff: Duration,
    /// Bound of the doubled pauses.
    pub backoff_max: Duration,
}

impl Config for HttpConfig {
    fn definitions() -> Vec<&'static Definition> {
        vec![
            PRESET.definition(),
            URL.definition(),
            RESULTS.definition(),
            TOPIC.definition(),
            NAT.definition(),
            TIMEOUT_MS.definition(),
            BACKOFF_MS.definition(),
            BACKOFF_MAX_MS.definition(),
            GENDER.definition(),
            SEED.definition(),
            INC.definition(),
            EXC.definition(),
            PAGE.definition(),
        ]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        for key in [&GENDER, &SEED, &INC, &EXC, &PAGE] {
            // Read, so that they count as known; `finish` refuses them by name.
            reader.text(key.name());
        }
        for (key, _) in reader.prefixed("http.header.") {
            reader.error(
                key,
                format!("{key} is not supported: preset=randomuser sends no headers of its own; remove it"),
            );
        }
        // The alias names the preset.
        let class = reader.text("connector.class");
        let implied = class.is_some_and(|class| HttpSource::ALIASES.contains(&class));
        let preset = if implied && !reader.is_set(PRESET.name()) {
            Some(Preset::RandomUser)
        } else {
            reader.get(&PRESET)
        };
        let (url, results, topic) = (reader.get(&URL), reader.get(&RESULTS), reader.get(&TOPIC));
        let nations = reader.get(&NAT);
        let timeout = reader.get(&TIMEOUT_MS).map(Duration::from_millis);
        let backoff = reader.get(&BACKOFF_MS).map(Duration::from_millis);
        let backoff_max = reader.get(&BACKOFF_MAX_MS).map(Duration::from_millis);
        Some(Self {
            preset: preset?,
            http: Http {
                url: url?,
                timeout: timeout?,
                backoff: backoff?,
                backoff_max: backoff_max?,
            },
            results: results?,
            topic: topic?,
            nations: nations?.into_iter().map(|nation| nation.to_uppercase()).collect(),
        })
    }
}

fn at_least(text: &str, least: u64) -> Result<(), String> {
    match text.parse::<u64>() {
        Ok(number) if number >= least => Ok(()),
        _ => Err(format!("Value must be at least {least}")),
    }
}

/// No user in it (that would be a secret in every log line), no query (the preset writes it).
fn plain_url(text: &str) -> Result<(), String> {
    let Some(rest) = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
    else {
        return Err("It must begin with http:// or https://".into());
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() || authority.starts_with(':') {
        return Err("It names no host".into());
    }
    if authority.contains('@') {
        return Err("It must not contain a user or password".into());
    }
    if text.contains(['?', '#']) {
        return Err("It must have no query and no fragment: the preset adds its parameters".into());
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("It must not contain blanks".into());
    }
    Ok(())
}

/// Kafka's own rule.
fn topic_name(text: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 249 || matches!(text, "." | "..") || !text.chars().all(legal) {
        return Err("A topic has 1 to 249 letters, digits, '.', '_' or '-', and is not '.' or '..'".into());
    }
    Ok(())
}

fn nations(text: &str) -> Result<(), String> {
    let unknown: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|nation| !nation.is_empty() || text.contains(','))
        .filter(|nation| !NATIONS.iter().any(|known| known.eq_ignore_ascii_case(nation)))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "Unknown nation {}; the API would ignore the whole filter. Known: {}",
        unknown.join(", "),
        NATIONS.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::{ConfigReport, Properties};

    fn read(pairs: &[(&str, &str)]) -> (Option<HttpConfig>, ConfigReport) {
        let mut properties = Properties::from_iter([("preset", "randomuser")]);
        for (key, value) in pairs {
            properties.set(*key, *value);
        }
        ConfigReport::read(&properties)
    }

    #[test]
    fn the_preset_alone_is_a_whole_configuration() {
        let (config, report) = read(&[]);
        assert!(report.is_ok(), "{report:?}");
        let config = config.unwrap();
        assert_eq!(config.http.url, "https://randomuser.me/api/1.4/");
        assert_eq!((config.results, config.topic.as_str()), (100, "users_created"));
        assert!(config.nations.is_empty());
    }

    #[test]
    fn no_preset_or_another_one_is_refused_by_name() {
        let (config, report) = ConfigReport::read::<HttpConfig>(&Properties::new());
        assert!(config.is_none());
        assert_eq!(report.errors_on("preset").count(), 1);
        for class in ["RandomUserSource", "dev.rowtide.RandomUserSource"] {
            let named = Properties::from_iter([("connector.class", class)]);
            let (config, _) = ConfigReport::read::<HttpConfig>(&named);
            assert!(config.is_some(), "{class} names its preset");
        }
        let (_, report) = read(&[("preset", "github")]);
        assert!(report.errors_on("preset").next().unwrap().contains("randomuser"));
    }

    /// EC-152: the API would silently answer one user.
    #[test]
    fn results_outside_1_to_5000_are_refused() {
        for (text, legal) in [
            ("0", false),
            ("1", true),
            ("5000", true),
            ("5001", false),
            ("-1", false),
            ("ten", false),
        ] {
            let (_, report) = read(&[("results", text)]);
            assert_eq!(report.errors_on("results").count(), usize::from(!legal), "{text}");
        }
    }

    #[test]
    fn what_the_api_would_ignore_or_the_connector_lacks_is_refused_by_name() {
        for (key, value) in [
            ("gender", "female"),
            ("seed", "abc"),
            ("inc", "name"),
            ("exc", "login"),
            ("page", "2"),
            ("nat", "gb,xx"),
            ("nat", "gb,"),
            ("http.header.Authorization", "Bearer x"),
            ("http.url", "ftp://host/"),
            ("http.url", "https://user:pw@host/"),
            ("http.url", "https://host/?results=3"),
            ("http.url", "https:///api"),
            ("topic", "a b"),
            ("http.timeout.ms", "0"),
        ] {
            let (config, report) = read(&[(key, value)]);
            assert!(config.is_none(), "{key}={value}");
            assert_eq!(report.errors_on(key).count(), 1, "{key}={value}");
        }
        assert_eq!(read(&[("nat", "gb, No")]).0.unwrap().nations, ["GB", "NO"]);
    }
}
