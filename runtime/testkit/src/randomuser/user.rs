//! Sans-I/O: users out of a seeded generator (EC-154 to EC-156).

use serde_json::{Map, Value, json};

use super::pools::{NATIONS, pool};
use super::query::Query;

const DAY_MS: i64 = 86_400_000;
/// A year on average, as ages count it.
const YEAR_MS: i64 = 31_556_952_000;
/// 1944-01-01, the oldest birthday.
const OLDEST_BIRTHDAY_MS: i64 = -9_497 * DAY_MS;

/// The users of a request. `now_ms` decides their ages and nothing else.
pub(super) fn generate(version: &str, query: &Query, now_ms: i64) -> Vec<Value> {
    // Everything the contract makes users depend on, `results` too: a client that resumes with another number of
    // results meets other users here.
    let identity = format!(
        "{version}|{}|{}|{}|{:?}|{:?}|{:?}",
        query.seed, query.page, query.results, query.parts, query.nations, query.gender
    );
    let mut random = Random::seeded(&identity);
    (0..query.results)
        .map(|_| user(&mut random, query, now_ms))
        .collect()
}

fn user(random: &mut Random, query: &Query, now_ms: i64) -> Value {
    let nations: &[&str] = if query.nations.is_empty() {
        &NATIONS
    } else {
        &query.nations
    };
    let nation = random.pick(nations);
    let female = match query.gender.as_deref() {
        Some(gender) => gender == "female",
        None => random.below(2) == 0,
    };
    let words = pool(nation);
    let first = random.pick(if female { words.female } else { words.male });
    let last = random.pick(words.last);
    let folder = if female { "women" } else { "men" };
    let portrait = random.below(100);
    let picture = |size: &str| format!("https://randomuser.me/api/portraits/{size}{folder}/{portrait}.jpg");
    let born_ms = OLDEST_BIRTHDAY_MS + random.between(0, 57 * YEAR_MS);
    let registered_ms = 1_017_619_200_000 + random.between(0, 20 * YEAR_MS);
    let handle = format!(
        "{}.{}",
        ascii(first, random.below(1000)),
        ascii(last, random.below(1000))
    );
    let whole = json!({
        "gender": if female { "female" } else { "male" },
        "name": { "title": if female { "Ms" } else { "Mr" }, "first": first, "last": last },
        "location": location(random, nation),
        "email": format!("{handle}@example.com"),
        "login": login(random),
        "registered": date(registered_ms, now_ms),
        "dob": date(born_ms, now_ms),
        "phone": phone(random),
        "cell": phone(random),
        "id": identity(random, nation),
        "picture": { "large": picture(""), "medium": picture("med/"), "thumbnail": picture("thumb/") },
        "nat": nation,
    });
    let Value::Object(mut whole) = whole else {
        return Value::Null;
    };
    let chosen: Map<_, _> = query
        .parts
        .iter()
        .filter_map(|part| Some(((*part).to_owned(), whole.remove(*part)?)))
        .collect();
    Value::Object(chosen)
}

fn location(random: &mut Random, nation: &str) -> Value {
    let words = pool(nation);
    let (digit, letter) = (random.below(10), char::from(b'A' + random.below(26) as u8));
    let postcode = match nation {
        "CA" => json!(format!("{letter}{digit}B {digit}{letter}{digit}")),
        "GB" => json!(format!("{letter}{digit} {digit}{letter}X")),
        "NO" => json!(format!("{:04}", random.between(1, 9999))),
        "AU" => json!(random.between(200, 9999)),
        "CH" => json!(random.between(1000, 9999)),
        _ => json!(random.between(10_000, 99_999)),
    };
    let degrees = |random: &mut Random, limit: i64| {
        format!(
            "{}.{:04}",
            random.between(-limit + 1, limit - 1),
            random.below(10_000)
        )
    };
    json!({
        "street": { "number": random.between(1, 9999), "name": random.pick(words.streets) },
        "city": random.pick(words.cities),
        "state": random.pick(words.states),
        "country": words.country,
        "postcode": postcode,
        "coordinates": { "latitude": degrees(random, 90), "longitude": degrees(random, 180) },
        "timezone": { "offset": "+1:00", "description": "Brussels, Copenhagen, Madrid, Paris" },
    })
}

/// The digests are random text of the right length: nobody hashes a made-up password for a test.
fn login(random: &mut Random) -> Value {
    const ANIMALS: [&str; 8] = ["bear", "cat", "dog", "duck", "goose", "lion", "panda", "rabbit"];
    const COLOURS: [&str; 6] = ["black", "blue", "green", "orange", "silver", "white"];
    let hex = random.hex(32);
    let uuid = format!(
        "{}-{}-4{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    );
    json!({
        "uuid": uuid,
        "username": format!("{}{}{}", random.pick(&COLOURS), random.pick(&ANIMALS), random.between(100, 999)),
        "password": random.hex(8),
        "salt": random.hex(8),
        "md5": random.hex(32),
        "sha1": random.hex(40),
        "sha256": random.hex(64),
    })
}

fn identity(random: &mut Random, nation: &str) -> Value {
    if matches!(nation, "IR" | "NZ" | "TR" | "UA") {
        return json!({ "name": "", "value": null });
    }
    json!({ "name": format!("{nation}ID"), "value": format!("{:09}", random.below(1_000_000_000)) })
}

fn phone(random: &mut Random) -> String {
    format!(
        "({:03}) {:03}-{:04}",
        random.below(1000),
        random.below(1000),
        random.below(10_000)
    )
}

fn date(ms: i64, now_ms: i64) -> Value {
    json!({ "date": instant(ms), "age": (now_ms - ms).div_euclid(YEAR_MS) })
}

/// `1992-03-08T15:13:16.688Z`.
fn instant(ms: i64) -> String {
    let (days, time) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    // Days since 0000-03-01 in 400-year cycles: leap days fall at the end of a shifted year.
    let shifted = days + 719_468;
    let (cycle, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_cycle = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day_of_month:02}T{:02}:{:02}:{:02}.{:03}Z",
        time / 3_600_000,
        time / 60_000 % 60,
        time / 1000 % 60,
        time % 1000
    )
}

/// E-mail addresses are ASCII whatever the script of the name.
fn ascii(name: &str, fallback: u64) -> String {
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    if letters.is_empty() {
        format!("user{fallback}")
    } else {
        letters
    }
}

/// SplitMix64: enough for made-up people, and the same everywhere.
struct Random(u64);

impl Random {
    fn seeded(text: &str) -> Self {
        // FNV-1a, 64 bits.
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Both ends included.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = high.abs_diff(low) + 1;
        low + i64::try_from(self.below(width)).unwrap_or(0)
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let index = self.below(words.len().max(1) as u64) as usize;
        words.get(index).copied().unwrap_or_default()
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text.truncate(digits);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(query: &str, now_ms: i64) -> Vec<Value> {
        generate("1.4", &Query::parse(query), now_ms)
    }

    #[test]
    fn ec_156_the_same_request_yields_the_same_users_but_for_their_age() {
        let query = "seed=2026-01-05T10:00:00Z&results=20";
        assert_eq!(users(query, 0), users(query, 0));
        let (young, old) = (users(query, 0), users(query, 50 * YEAR_MS));
        assert_eq!(young[3]["login"], old[3]["login"]);
        assert_ne!(young[3]["dob"]["age"], old[3]["dob"]["age"]);
        assert_ne!(users("seed=other&results=20", 0), young);
    }

    #[test]
    fn ec_155_postcodes_ids_and_scripts_follow_the_nation() {
        for (nation, text) in [
            ("CA", true),
            ("GB", true),
            ("NO", true),
            ("US", false),
            ("AU", false),
        ] {
            let user = &users(&format!("seed=a&nat={nation}"), 0)[0];
            assert_eq!(user["location"]["postcode"].is_string(), text, "{nation}");
        }
        for nation in ["IR", "NZ", "TR", "UA"] {
            assert!(users(&format!("seed=a&nat={nation}"), 0)[0]["id"]["value"].is_null());
        }
        for nation in ["IR", "RS", "UA"] {
            let user = &users(&format!("seed=a&nat={nation}"), 0)[0];
            let first = user["name"]["first"].as_str().unwrap();
            assert!(first.chars().all(|letter| !letter.is_ascii()), "{first}");
            assert!(user["email"].as_str().unwrap().is_ascii());
        }
    }

    #[test]
    fn ec_154_dates_are_instants_with_milliseconds_and_uuids_have_36_characters() {
        assert_eq!(instant(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(instant(700_067_596_688), "1992-03-08T15:13:16.688Z");
        assert_eq!(instant(OLDEST_BIRTHDAY_MS), "1944-01-01T00:00:00.000Z");
        assert_eq!(instant(1_709_164_800_000), "2024-02-29T00:00:00.000Z");
        let user = &users("seed=a", 0)[0];
        assert_eq!(user["login"]["uuid"].as_str().unwrap().len(), 36);
    }

    #[test]
    fn ec_152_only_the_chosen_parts_are_answered() {
        let user = &users("seed=a&inc=login,nat", 0)[0];
        let names: Vec<_> = user.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["login", "nat"]);
    }
}
