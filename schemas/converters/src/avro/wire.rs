//! Sans-I/O: Confluent's wire format: a magic byte and the schema's id before the body, or in a header (AV-001).

use rowtide_api::{Headers, RecordError, Value};

use super::subject::Side;

/// The first byte of the form with an id of four bytes.
const MAGIC_ID: u8 = 0;
/// The first byte of the form with the schema's GUID.
const MAGIC_GUID: u8 = 1;
/// Magic byte and id.
pub(super) const PREFIX_BYTES: usize = 5;

/// Appends magic byte and id.
#[inline]
pub(super) fn write_prefix(out: &mut Vec<u8>, id: i32) {
    let [a, b, c, d] = id.to_be_bytes();
    out.extend_from_slice(&[MAGIC_ID, a, b, c, d]);
}

/// The schema's id and where the body begins: the header says so, else the prefix.
///
/// # Errors
/// The payload is not in this format, or names its schema by GUID.
pub(super) fn read_prefix(
    side: Side,
    payload: &[u8],
    headers: &Headers,
) -> Result<(i32, usize), RecordError> {
    if headers.is_empty() {
        return Ok((read_id(payload)?, PREFIX_BYTES));
    }
    let header = match side {
        Side::Key => "__key_schema_id",
        Side::Value => "__value_schema_id",
    };
    match headers.last(header).map(|datum| &datum.value) {
        Some(Value::Bytes(bytes)) => Ok((read_id(bytes)?, 0)),
        Some(Value::Text(text)) => Ok((read_id(text.as_bytes())?, 0)),
        Some(Value::Null | Value::Absent) | None => Ok((read_id(payload)?, PREFIX_BYTES)),
        Some(other) => Err(RecordError::new(format!(
            "header {header} holds {} instead of the bytes of a schema id",
            other.type_name()
        ))),
    }
}

fn read_id(bytes: &[u8]) -> Result<i32, RecordError> {
    match bytes {
        [MAGIC_ID, a, b, c, d, ..] => Ok(i32::from_be_bytes([*a, *b, *c, *d])),
        [MAGIC_GUID, ..] if bytes.len() >= 17 => Err(RecordError::new(
            "the record names its schema by GUID (magic byte 1), which is not supported yet: let the producer write \
             schema ids (value.schema.id.serializer of the prefix form)",
        )),
        _ => Err(RecordError::new(
            "unknown magic byte: the payload does not begin with 0 and a schema id of 4 bytes; if it is not Avro in \
             Confluent's wire format, choose another converter",
        )
        .at("payload")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::{Blob, Datum};

    fn header(bytes: &[u8]) -> Headers {
        let mut headers = Headers::default();
        headers.push(
            "__value_schema_id",
            Datum::schemaless(Value::Bytes(Blob::copy(bytes))),
        );
        headers
    }

    /// AV-001.
    #[test]
    fn the_header_wins_over_the_prefix() {
        let payload = [0, 0, 0, 1, 2, 9];
        assert_eq!(
            read_prefix(Side::Value, &payload, &Headers::default()),
            Ok((258, 5))
        );
        assert_eq!(
            read_prefix(Side::Value, &payload, &header(&[0, 0, 0, 0, 7])),
            Ok((7, 0))
        );
        assert_eq!(
            read_prefix(Side::Key, &payload, &header(&[0, 0, 0, 0, 7])),
            Ok((258, 5))
        );
    }

    /// AV-001.
    #[test]
    fn what_is_not_the_format_is_a_data_error() {
        for bytes in [
            &[][..],
            &[0],
            &[0, 0, 0, 0],
            &[2, 0, 0, 0, 1],
            b"{\"a\":1}",
            &[1; 5],
        ] {
            let error = read_prefix(Side::Value, bytes, &Headers::default()).unwrap_err();
            assert!(error.reason.contains("unknown magic byte"), "{error}");
        }
        let error = read_prefix(Side::Value, &[1; 17], &Headers::default()).unwrap_err();
        assert!(error.reason.contains("GUID"), "{error}");
    }
}
