//! The schemas that a schema refers to, fetched in the order to parse them (AV-132).

use std::collections::HashSet;

use schema_registry_converter::schema_registry_common::{RegisteredReference, SrCall};

use super::attempt::Failure;
use super::schema::ResolvedReference;
use super::settings::path_step;
use super::transport::{Patience, Transport};

/// References in references are followed this deep.
const DEPTH_MAX: usize = 64;
/// Schemas that one schema may draw in.
const COUNT_MAX: usize = 1_000;
/// Their texts together.
const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why references could not be resolved.
pub(super) enum Unresolved {
    /// A call failed.
    Call(Failure),
    /// They break a limit, in words.
    Limit(String),
}

/// Fetches what `references` name, directly and further on; each comes after those it refers to itself.
pub(super) async fn resolve(
    transport: &Transport,
    references: Vec<RegisteredReference>,
) -> Result<Vec<ResolvedReference>, Unresolved> {
    let mut resolved: Vec<ResolvedReference> = Vec::new();
    let mut seen = HashSet::new();
    let mut bytes = 0;
    // Per level: the references still to visit, and the schema to add once they are.
    let mut levels = vec![(references.into_iter(), None)];
    while let Some((rest, _)) = levels.last_mut() {
        let Some(reference) = rest.next() else {
            resolved.extend(levels.pop().and_then(|(_, done)| done));
            continue;
        };
        if !seen.insert((reference.subject.clone(), reference.version)) {
            continue;
        }
        if levels.len() > DEPTH_MAX || seen.len() > COUNT_MAX {
            let limit = format!("more than {DEPTH_MAX} levels or {COUNT_MAX} schemas of references");
            return Err(Unresolved::Limit(limit));
        }
        let subject = path_step(&reference.subject);
        let call = SrCall::GetBySubjectAndVersion(&subject, reference.version);
        let found = transport
            .call(call, Patience::Full)
            .await
            .map_err(Unresolved::Call)?;
        let text = found.schema.unwrap_or_default();
        bytes += text.len();
        let version = i32::try_from(reference.version)
            .ok()
            .filter(|_| bytes <= TEXT_BYTES_MAX);
        let Some(version) = version else {
            return Err(Unresolved::Limit(format!(
                "references with more than {TEXT_BYTES_MAX} bytes of text"
            )));
        };
        let done = ResolvedReference {
            name: reference.name.into(),
            subject: reference.subject.into(),
            version,
            text: text.into(),
        };
        levels.push((found.references.unwrap_or_default().into_iter(), Some(done)));
    }
    Ok(resolved)
}
