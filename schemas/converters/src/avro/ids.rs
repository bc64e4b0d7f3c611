//! What the converter asks a registry: looks into memory, and requests that fill it.

use std::future::Future;
use std::sync::Arc;

use rowtide_api::Error;

/// A registry's memory and its requests.
pub(crate) trait SchemaIds: Send + Sync + 'static {
    /// The id of this schema text in a subject, if known without asking.
    fn id_of(&self, subject: &str, text: &str) -> Option<i32>;

    /// The schema under an id, as far as known without asking.
    fn schema_of(&self, id: i32) -> Known;

    /// Asks for the id, once for all who wait for the same; registers the text if `register`.
    ///
    /// # Errors
    /// Retriable: an outage. Fatal: the registry refuses.
    fn fetch_id(
        &self,
        subject: &str,
        text: &str,
        register: bool,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Asks for the schema, once for all who wait for the same. That there is none for certain is an answer too.
    ///
    /// # Errors
    /// Retriable: an outage. Fatal: the registry refuses.
    fn fetch_schema(&self, id: i32) -> impl Future<Output = Result<(), Error>> + Send;
}

/// What is known of an id.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// The schema, with the texts of those it refers to first.
    Schema {
        /// The text.
        text: Arc<str>,
        /// Referenced texts, each after those it refers to itself.
        references: Vec<Arc<str>>,
    },
    /// The registry has no schema of that id, for the reason given.
    Absent(Arc<str>),
    /// Nothing yet: fetch.
    Nothing,
}
