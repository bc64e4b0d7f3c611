//! Sans-I/O: the preset `randomuser`: a user becomes a record with key `{id}` and twelve strings (EC-162).

use std::sync::{Arc, LazyLock};

use rowtide_api::{Datum, Headers, Record, RecordError, Schema, Struct, Value};

use crate::decode::{Scalar, User};

/// The fields of the value, in order.
pub const FIELDS: [&str; 12] = [
    "id",
    "first_name",
    "last_name",
    "gender",
    "address",
    "post_code",
    "email",
    "username",
    "dob",
    "registered_date",
    "phone",
    "picture",
];

/// Struct `dev.rowtide.randomuser.Key` of the string `id`.
pub fn key_schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        Schema::structure([("id", Schema::text())])
            .name("dev.rowtide.randomuser.Key")
            .build()
    });
    SCHEMA.clone()
}

/// Struct `dev.rowtide.randomuser.User` of twelve strings.
pub fn value_schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        Schema::structure(FIELDS.map(|field| (field, Schema::text())))
            .name("dev.rowtide.randomuser.User")
            .build()
    });
    SCHEMA.clone()
}

/// The record of a user. `id` is `login.uuid`: it comes out of the seed, so that a repeated run repeats it (EC-156).
///
/// # Errors
/// Names the part of the user that is missing or no scalar.
pub fn record(topic: &Arc<str>, user: &User) -> Result<Record, RecordError> {
    let place = &user.location;
    let address = format!(
        "{} {}, {}, {}, {}",
        text(&place.street.number, "location.street.number")?,
        text(&place.street.name, "location.street.name")?,
        text(&place.city, "location.city")?,
        text(&place.state, "location.state")?,
        text(&place.country, "location.country")?
    );
    let id = text(&user.login.uuid, "login.uuid")?;
    let fields = [
        id.clone(),
        text(&user.name.first, "name.first")?,
        text(&user.name.last, "name.last")?,
        text(&user.gender, "gender")?,
        address,
        text(&place.postcode, "location.postcode")?,
        text(&user.email, "email")?,
        text(&user.login.username, "login.username")?,
        text(&user.dob.date, "dob.date")?,
        text(&user.registered.date, "registered.date")?,
        text(&user.phone, "phone")?,
        text(&user.picture.medium, "picture.medium")?,
    ];
    Ok(Record {
        topic: topic.clone(),
        partition: None,
        // The producer's clock: a slot of long ago would put the record outside the topic's retention.
        timestamp_ms: None,
        key: Datum::of(Struct::new(key_schema(), [Value::from(id)])),
        value: Datum::of(Struct::new(value_schema(), fields.map(Value::from))),
        headers: Headers::default(),
    })
}

fn text(scalar: &Scalar, part: &'static str) -> Result<String, RecordError> {
    scalar.text().ok_or_else(|| {
        RecordError::new(format!("{} where a string or number is due", scalar.kind())).at(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Page, page};

    const USER: &str = r#"{"gender":"female","name":{"title":"Ms","first":"Ганна","last":"Бойко"},
        "location":{"street":{"number":417,"name":"Хрещатик"},"city":"Київ","state":"Сумська","country":"Ukraine",
        "postcode":POSTCODE,"coordinates":{"latitude":"1.0","longitude":"2.0"}},"email":"g@example.com",
        "login":{"uuid":"7a0eed16-9430-4d68-901f-c0d4c1c3bf00","username":"bluecat1"},
        "dob":{"date":"1992-03-08T15:13:16.688Z","age":33},"registered":{"date":"2011-01-02T03:04:05.006Z","age":14},
        "phone":"(096) 1","cell":"x","id":{"name":"","value":null},
        "picture":{"large":"l","medium":"https://m.jpg","thumbnail":"t"},"nat":"UA"}"#;

    fn user(json: &str) -> User {
        match page(format!(r#"{{"results":[{json}]}}"#).as_bytes()) {
            Page::Users { mut users, .. } => users.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// EC-162, EC-155: the golden record; a postcode is a number in most nations and a string in some.
    #[test]
    fn a_user_becomes_twelve_strings_under_its_login_uuid() {
        for (postcode, text) in [
            ("21730", "21730"),
            ("\"0042\"", "0042"),
            ("\"A1B 2C3\"", "A1B 2C3"),
        ] {
            let record = record(
                &"users_created".into(),
                &user(&USER.replace("POSTCODE", postcode)),
            )
            .unwrap();
            let key = record.key.value.as_struct().unwrap();
            assert_eq!(
                key.get("id").unwrap().as_str(),
                Some("7a0eed16-9430-4d68-901f-c0d4c1c3bf00")
            );
            let value = record.value.value.as_struct().unwrap();
            let texts: Vec<_> = value.fields.iter().map(|field| field.as_str().unwrap()).collect();
            assert_eq!(
                texts,
                [
                    "7a0eed16-9430-4d68-901f-c0d4c1c3bf00",
                    "Ганна",
                    "Бойко",
                    "female",
                    "417 Хрещатик, Київ, Сумська, Ukraine",
                    text,
                    "g@example.com",
                    "bluecat1",
                    "1992-03-08T15:13:16.688Z",
                    "2011-01-02T03:04:05.006Z",
                    "(096) 1",
                    "https://m.jpg",
                ]
            );
            assert_eq!((record.timestamp_ms, record.partition), (None, None));
        }
    }

    #[test]
    fn a_user_without_a_part_is_refused_by_the_name_of_that_part() {
        let json = USER.replace("POSTCODE", "null");
        let error = record(&"t".into(), &user(&json)).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("location.postcode"));
        let error = record(&"t".into(), &user("{}")).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("location.street.number"));
    }
}
