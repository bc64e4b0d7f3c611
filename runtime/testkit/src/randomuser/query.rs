//! Sans-I/O: the parameters of a request, forgiving as the real API is (EC-152).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pools::NATIONS;

/// The parts of a user that `inc` and `exc` select.
pub(super) const PARTS: [&str; 12] = [
    "gender",
    "name",
    "location",
    "email",
    "login",
    "registered",
    "dob",
    "phone",
    "cell",
    "id",
    "picture",
    "nat",
];

/// A request after every leniency was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) results: u32,
    pub(super) page: u32,
    pub(super) seed: String,
    /// `None` with a seed, which makes the API ignore it.
    pub(super) gender: Option<String>,
    /// Empty: all nations.
    pub(super) nations: Vec<&'static str>,
    /// The parts to answer with, in the API's order.
    pub(super) parts: Vec<&'static str>,
    pub(super) noinfo: bool,
    pub(super) format: String,
}

impl Query {
    /// Reads a query string. Nothing is refused: what is wrong counts as absent.
    pub(super) fn parse(text: &str) -> Self {
        // A repeated parameter: the last one wins.
        let parameters: BTreeMap<String, String> = text
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(name), decoded(value))
            })
            .collect();
        let text_of = |name: &str| parameters.get(name).filter(|value| !value.is_empty());
        let number = |name: &str, max: u32| match text_of(name).and_then(|value| value.parse().ok()) {
            Some(value) if (1..=max).contains(&value) => value,
            _ => 1,
        };
        let seed = text_of("seed").cloned();
        let gender = text_of("gender")
            .filter(|gender| seed.is_none() && ["male", "female"].contains(&gender.as_str()))
            .cloned();
        let nations = seed
            .as_deref()
            .and_then(nation_of_seed)
            .map_or_else(|| nations(text_of("nat")), |nation| vec![nation]);
        Self {
            results: number("results", 5000),
            page: number("page", 10_000),
            seed: seed.unwrap_or_else(fresh_seed),
            gender,
            nations,
            parts: parts(text_of("inc"), text_of("exc")),
            noinfo: parameters.contains_key("noinfo"),
            format: text_of("format")
                .or_else(|| text_of("fmt"))
                .map_or_else(|| "json".to_owned(), |format| format.to_lowercase()),
        }
    }
}

/// A seed of exactly 18 characters names the nation by its last two hexadecimal digits.
fn nation_of_seed(seed: &str) -> Option<&'static str> {
    if seed.len() != 18 {
        return None;
    }
    let index = usize::from_str_radix(seed.get(16..)?, 16).ok()?;
    NATIONS.get(index).copied()
}

/// One invalid nation voids the whole filter.
fn nations(list: Option<&String>) -> Vec<&'static str> {
    let Some(list) = list else { return Vec::new() };
    let chosen: Option<Vec<_>> = list
        .split(',')
        .map(|wanted| {
            NATIONS
                .into_iter()
                .find(|nation| nation.eq_ignore_ascii_case(wanted.trim()))
        })
        .collect();
    chosen.unwrap_or_default()
}

/// `exc` wins over `inc`.
fn parts(inc: Option<&String>, exc: Option<&String>) -> Vec<&'static str> {
    let lists = |list: Option<&String>, part: &str| {
        list.is_some_and(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(part)))
    };
    PARTS
        .into_iter()
        .filter(|part| inc.is_none() || exc.is_some() || lists(inc, part))
        .filter(|part| !lists(exc, part))
        .collect()
}

/// At most 16 hexadecimal digits, another one per request.
fn fresh_seed() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ec_152_results_and_page_out_of_range_become_one_and_the_last_of_a_name_wins() {
        for (text, results, page) in [
            ("", 1, 1),
            ("results=5000&page=10000", 5000, 10_000),
            ("results=5001&page=10001", 1, 1),
            ("results=0&page=0", 1, 1),
            ("results=x&page=-1", 1, 1),
            ("results=7&results=9", 9, 1),
        ] {
            let query = Query::parse(text);
            assert_eq!((query.results, query.page), (results, page), "{text}");
        }
    }

    #[test]
    fn ec_152_gender_is_ignored_with_a_seed_and_one_bad_nation_voids_the_filter() {
        assert_eq!(Query::parse("gender=female").gender.as_deref(), Some("female"));
        assert_eq!(Query::parse("gender=female&seed=a").gender, None);
        assert_eq!(Query::parse("nat=gb,ua").nations, ["GB", "UA"]);
        assert!(Query::parse("nat=gb,xx").nations.is_empty());
        assert_eq!(Query::parse("seed=0123456789abcdef00").nations, ["AU"]);
    }

    #[test]
    fn ec_152_exc_wins_over_inc_and_escapes_are_decoded() {
        assert_eq!(Query::parse("inc=login,nat").parts, ["login", "nat"]);
        assert!(!Query::parse("inc=login,nat&exc=login").parts.contains(&"login"));
        assert_eq!(
            Query::parse("seed=2026-01-05T10%3A00%3A00Z").seed,
            "2026-01-05T10:00:00Z"
        );
    }
}
