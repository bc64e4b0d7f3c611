//! Sans-I/O: what an answer that is no page of users means, one table; and how long to wait before asking again.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use rowtide_api::Error;

/// A `Retry-After` beyond this is cut: twice the API's window of five minutes (EC-157). The engine keeps showing why.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// The error for a status; `None` for 2xx, whose body decides.
///
/// Retriable: the server may answer otherwise later. Fatal: the same request would fail for ever.
pub fn of_status(status: u16, url: &str, location: Option<&str>) -> Option<Error> {
    let answered = format!("{url} answered {status}");
    Some(match status {
        200..=299 => return None,
        300..=399 => Error::fatal(answered).hint(format!(
            "redirects are not followed; set http.url to the final address{}",
            location.map_or_else(String::new, |location| format!(", here {location}"))
        )),
        408 | 425 => Error::retriable(answered).hint("the server asks to try again"),
        429 => Error::retriable(answered).hint(
            "too many users were fetched from this address; lower results or lengthen schedule.interval",
        ),
        401 | 403 | 407 => Error::fatal(answered)
            .hint("the server refuses this client; randomuser needs no login, so check http.url"),
        404 | 410 => Error::fatal(answered)
            .hint("check path and version in http.url, such as https://randomuser.me/api/1.4/"),
        400..=499 => Error::fatal(answered).hint("the server refuses the request; check http.url"),
        _ => Error::retriable(answered).hint("the server is in trouble; nothing to do here but wait"),
    })
}

/// The body of a 2xx answer is no page of users.
pub fn not_users(url: &str, reason: &str) -> Error {
    Error::retriable(format!("{url} answered no users: {reason}"))
        .hint("if it stays, check that http.url is a randomuser API and no proxy's page")
}

/// `{"error":…}`, which may come with any status (EC-157).
pub fn reported(url: &str, message: &str) -> Error {
    // A message of the other side: enough to recognise it, not enough to flood a log.
    let short: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
    Error::retriable(format!("{url} reported an error: {short}"))
        .hint("the API asks to come back later; lower results or lengthen schedule.interval if it stays")
}

/// The pause after `failures` failures in a row: doubled each time, never above `longest`.
pub fn backoff(failures: u32, first: Duration, longest: Duration) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    first.saturating_mul(doubled).min(longest.max(first))
}

/// A `Retry-After` header, seconds or an HTTP date, as a pause from `now_ms` on; at most [`RETRY_AFTER_MAX`].
pub fn retry_after(header: &str, now_ms: i64) -> Option<Duration> {
    let header = header.trim();
    let pause = match header.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            // HTTP writes the zone as GMT, the mail format as an offset.
            let date = header.replace("GMT", "+0000");
            let until: Timestamp = rfc2822::DateTimeParser::new().parse_timestamp(&date).ok()?;
            Duration::from_millis(u64::try_from(until.as_millisecond().saturating_sub(now_ms)).unwrap_or(0))
        }
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RS-181, EC-157.
    #[test]
    fn every_status_has_a_class_and_a_next_step() {
        for (status, retriable) in [
            (301, false),
            (302, false),
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (410, false),
            (422, false),
            (425, true),
            (429, true),
            (500, true),
            (502, true),
            (503, true),
            (504, true),
            (599, true),
        ] {
            let error = of_status(status, "http://h/", None).unwrap();
            assert_eq!(error.is_retriable(), retriable, "{status}");
            assert!(error.next_step().is_some(), "{status}");
            assert!(error.to_string().contains(&status.to_string()));
        }
        assert!(of_status(200, "http://h/", None).is_none());
    }

    #[test]
    fn the_pause_doubles_up_to_its_bound() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(60));
        let pauses: Vec<_> = [1, 2, 3, 7, 40]
            .map(|failures| backoff(failures, first, longest).as_secs())
            .into();
        assert_eq!(pauses, [1, 2, 4, 60, 60]);
    }

    /// RS-181: seconds and dates.
    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now_ms = 1_445_412_420_000; // 2015-10-21T07:27:00Z
        assert_eq!(retry_after("90", now_ms), Some(Duration::from_secs(90)));
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now_ms),
            Some(Duration::from_secs(60))
        );
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:00:00 GMT", now_ms),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("86400", now_ms), Some(RETRY_AFTER_MAX));
        assert_eq!(retry_after("soon", now_ms), None);
    }
}
