//! The registry client as what the converter asks, and its failures as what the engine understands.

use std::sync::Arc;

use rowtide_api::Error;
use rowtide_registry::client::{Class, ClientError, Peek, RegistryClient};

use super::ids::{Known, SchemaIds};

impl SchemaIds for RegistryClient {
    fn id_of(&self, subject: &str, text: &str) -> Option<i32> {
        self.cached_id(subject, text)
    }

    fn schema_of(&self, id: i32) -> Known {
        match self.peek(id) {
            Peek::Known(schema) if schema.is_avro() => Known::Schema {
                text: schema.text.clone(),
                references: schema
                    .references
                    .iter()
                    .map(|reference| reference.text.clone())
                    .collect(),
            },
            Peek::Known(schema) => {
                let reason = format!(
                    "schema id {id} is {}, not Avro: choose the converter of its language",
                    schema.schema_type
                );
                Known::Absent(reason.into())
            }
            Peek::Absent(error) if is_of_the_record(&error) => Known::Absent(error.to_string().into()),
            Peek::Absent(_) | Peek::Unknown => Known::Nothing,
        }
    }

    async fn fetch_id(&self, subject: &str, text: &str, register: bool) -> Result<(), Error> {
        let fetched = if register {
            self.register(subject, text, &[]).await.map(|_| ())
        } else {
            self.lookup(subject, text, &[]).await.map(|_| ())
        };
        fetched.map_err(|error| match error.class() {
            Class::NotFound if !register => failed(&error)
                .hint("with auto.register.schemas=false the schema must be there: register it, or set auto.register.schemas=true"),
            _ => failed(&error),
        })
    }

    async fn fetch_schema(&self, id: i32) -> Result<(), Error> {
        match self.by_id(id).await {
            Ok(_) => Ok(()),
            // What the next look into memory tells.
            Err(error) if is_of_the_record(&error) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Whether the record that names an id is at fault, not the registry (AV-129).
fn is_of_the_record(error: &ClientError) -> bool {
    matches!(error.class(), Class::NotFound | Class::Invalid)
}

/// An outage passes by itself (AV-128); all else needs someone to act (AV-130, AV-131).
fn failed(error: &ClientError) -> Error {
    let context: Arc<str> = error.context().into();
    let failure = match error.class() {
        Class::Retriable => Error::retriable(context),
        Class::Fatal | Class::Incompatible | Class::NotFound | Class::Invalid => {
            Error::fatal(context).java_class("org.apache.kafka.connect.errors.DataException")
        }
    };
    match error.next_step() {
        Some(step) => failure.hint(step),
        None => failure,
    }
}
