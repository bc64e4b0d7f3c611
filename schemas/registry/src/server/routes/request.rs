//! Requests: path and query values, and bodies.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::BODY_BYTES_MAX;
use super::answer::{Format, refuse};
use crate::server::Server;
use crate::server::content::{Reference, SchemaType};
use crate::server::error::ApiError;
use crate::server::register::Submission;
use crate::server::subject::Shown;

/// The values of a request: its path (percent-decoded, `/` included), its query, and the form of its answer.
pub(super) struct Call<P> {
    pub(super) path: P,
    pub(super) query: Queried,
    pub(super) format: Format,
}

impl<P: DeserializeOwned + Send> FromRequestParts<Arc<Server>> for Call<P> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<Server>) -> Result<Self, Response> {
        let Ok(format) = Format::from_request_parts(parts, state).await;
        let bad = |what: &str| refuse(format, &ApiError::new(400, what));
        let Path(path) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| bad("The path cannot be decoded"))?;
        let Query(query) = Query::from_request_parts(parts, state)
            .await
            .map_err(|_| bad("The query cannot be decoded"))?;
        Ok(Self {
            path,
            query: Queried(query),
            format,
        })
    }
}

/// The values of a query, by name; the last of equal names counts.
pub(super) struct Queried(HashMap<String, String>);

impl Queried {
    /// A text; empty when absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A boolean, in any case: Python clients send `True`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).eq_ignore_ascii_case("true")
    }

    /// Which versions are asked for, by `deleted` and `deletedOnly`.
    pub(super) fn shown(&self) -> Shown {
        if self.flag("deletedOnly") {
            Shown::OnlyDeleted
        } else if self.flag("deleted") {
            Shown::WithDeleted
        } else {
            Shown::Live
        }
    }

    /// The part of a list that `offset` and `limit` ask for; a negative limit means all.
    pub(super) fn page<T>(&self, all: Vec<T>) -> Vec<T> {
        let offset = self.text("offset").parse().unwrap_or(0);
        let limit = self.text("limit").parse().unwrap_or(usize::MAX);
        all.into_iter().skip(offset).take(limit).collect()
    }

    /// Refuses, by name, what would change the answer and is not built yet.
    pub(super) fn refuse_unsupported(&self) -> Result<(), ApiError> {
        for name in ["normalize", "findTags", "force", "deletedAsNegative"] {
            if self.flag(name) {
                return Err(ApiError::unsupported(format!(
                    "The query parameter '{name}=true'"
                )));
            }
        }
        for name in ["format", "referenceFormat"] {
            if !matches!(self.text(name), "" | "default" | "DEFAULT") {
                return Err(ApiError::unsupported(format!("The query parameter '{name}'")));
            }
        }
        Ok(())
    }
}

/// A body that is a JSON object, whatever its media type says.
pub(super) struct Body(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(format) = Format::from_request_parts(&mut parts, state).await;
        let bytes = Bytes::from_request(Request::from_parts(parts, body), state)
            .await
            .map_err(|rejection| match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => refuse(format, &ApiError::too_large(BODY_BYTES_MAX)),
                _ => refuse(format, &ApiError::new(400, "The body cannot be read")),
            })?;
        match serde_json::from_slice(&bytes) {
            Ok(body) => Ok(Self(body)),
            Err(error) => Err(refuse(
                format,
                &ApiError::new(400, format!("The body is not a JSON object: {error}")),
            )),
        }
    }
}

impl Body {
    /// The schema in the body. Unknown properties are ignored; known ones that are not supported are refused by name.
    pub(super) fn submission(self) -> Result<Submission, ApiError> {
        let mut body = self.0;
        for name in ["metadata", "ruleSet", "schemaTagsToAdd", "schemaTagsToRemove"] {
            if body.get(name).is_some_and(|value| !value.is_null()) {
                return Err(ApiError::unsupported(format!(
                    "The property '{name}' of a schema"
                )));
            }
        }
        for name in ["id", "version"] {
            if body
                .get(name)
                .and_then(Value::as_i64)
                .is_some_and(|number| number > 0)
            {
                return Err(ApiError::not_permitted(format!(
                    "An explicit {name} needs IMPORT mode"
                )));
            }
        }
        let schema_type = match body.get("schemaType") {
            None | Some(Value::Null) => SchemaType::Avro,
            Some(word) => word
                .as_str()
                .and_then(SchemaType::of)
                .ok_or_else(|| ApiError::invalid_schema(format!("unknown schema type {word}")))?,
        };
        let references = match body.get("references") {
            None | Some(Value::Null) => Vec::new(),
            Some(list) => Reference::read_all(list).map_err(ApiError::invalid_schema)?,
        };
        let Some(Value::String(text)) = body.remove("schema") else {
            return Err(ApiError::invalid_schema("the body has no text 'schema'"));
        };
        Ok(Submission {
            schema_type,
            text,
            references,
        })
    }
}
