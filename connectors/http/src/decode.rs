//! Sans-I/O: the JSON of a page (EC-153, EC-154), all of it or nothing (RS-182).

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What a body says.
#[derive(Debug)]
pub enum Page {
    /// Users, and the seed the server says it used.
    Users {
        /// In the server's order.
        users: Vec<User>,
        /// `info.seed`.
        seed: Option<String>,
    },
    /// `{"error":…}`.
    Error(String),
    /// Neither; the reason, without a value of the body.
    Other(String),
}

/// Reads a body.
pub fn page(body: &[u8]) -> Page {
    let body: Body = match serde_json::from_slice(body) {
        Ok(body) => body,
        // Category and place only: the message of serde_json can quote a value.
        Err(error) => {
            return Page::Other(format!(
                "{} at line {} column {}",
                match error.classify() {
                    serde_json::error::Category::Eof => "the JSON is cut short",
                    serde_json::error::Category::Data => "the JSON has another shape",
                    _ => "it is not JSON",
                },
                error.line(),
                error.column()
            ));
        }
    };
    match (body.error, body.results) {
        (Some(error), _) => Page::Error(error.text().unwrap_or_else(|| "without a message".into())),
        (None, Some(users)) => Page::Users {
            users,
            seed: body.info.and_then(|info| info.seed).and_then(|seed| seed.text()),
        },
        (None, None) => Page::Other("the JSON has neither results nor error".into()),
    }
}

#[derive(Deserialize)]
struct Body {
    results: Option<Vec<User>>,
    info: Option<Info>,
    error: Option<Scalar>,
}

#[derive(Deserialize)]
struct Info {
    seed: Option<Scalar>,
}

/// A JSON value where a scalar is due. Kept as JSON: a number stays as it was written.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Scalar(Json);

impl Scalar {
    /// The text of a string or number: numbers become strings. `None` for anything else.
    pub fn text(&self) -> Option<String> {
        match &self.0 {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// What is there, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.0 {
            Json::Null => "null or missing",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }
}

/// The parts of a user that become a record; what is missing shows as null and rejects that user alone.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
#[allow(missing_docs, reason = "The names are those of the API (EC-154)")]
pub struct User {
    pub gender: Scalar,
    pub name: Name,
    pub location: Location,
    pub email: Scalar,
    pub login: Login,
    pub dob: Dated,
    pub registered: Dated,
    pub phone: Scalar,
    pub picture: Picture,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the API")]
pub struct Name {
    pub first: Scalar,
    pub last: Scalar,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the API")]
pub struct Location {
    pub street: Street,
    pub city: Scalar,
    pub state: Scalar,
    pub country: Scalar,
    pub postcode: Scalar,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the API")]
pub struct Street {
    pub number: Scalar,
    pub name: Scalar,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the API")]
pub struct Login {
    pub uuid: Scalar,
    pub username: Scalar,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the API")]
pub struct Dated {
    pub date: Scalar,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the API")]
pub struct Picture {
    pub medium: Scalar,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RS-182, EC-157: nothing of a bad page becomes a record.
    #[test]
    fn a_body_is_users_or_an_error_or_nothing_at_all() {
        for (body, expected) in [
            (
                r#"{"results":[{"gender":"male"}],"info":{"seed":"s"}}"#,
                "1 users seed s",
            ),
            (r#"{"results":[]}"#, "0 users seed -"),
            (r#"{"error":"slow down"}"#, "error slow down"),
            (r#"{"error":"slow down","results":[]}"#, "error slow down"),
            (
                r#"{"results":[{"gender":"ma"#,
                "other the JSON is cut short at line 1 column 25",
            ),
            ("<html>", "other it is not JSON at line 1 column 1"),
            ("", "other the JSON is cut short at line 1 column 0"),
            ("{}", "other the JSON has neither results nor error"),
            (
                r#"{"results":"secret"}"#,
                "other the JSON has another shape at line 1 column 19",
            ),
        ] {
            let found = match page(body.as_bytes()) {
                Page::Users { users, seed } => {
                    format!("{} users seed {}", users.len(), seed.as_deref().unwrap_or("-"))
                }
                Page::Error(message) => format!("error {message}"),
                Page::Other(reason) => format!("other {reason}"),
            };
            assert_eq!(found, expected, "{body}");
        }
    }
}
