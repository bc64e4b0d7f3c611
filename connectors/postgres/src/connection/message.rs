//! Sans-I/O: the few messages a session reads besides its stream.

use super::frame::Malformed;
use crate::errors::ServerError;

/// A row of a simple query: text or null per column.
pub type Row = Vec<Option<String>>;

/// What the server wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthRequest {
    Ok,
    Cleartext,
    Md5([u8; 4]),
    Sasl { scram_sha_256: bool },
    Unsupported,
}

const CUT: Malformed = Malformed("a message ends too early");

pub(crate) fn auth_request(body: &[u8]) -> Result<AuthRequest, Malformed> {
    let rest = body.get(4..).ok_or(CUT)?;
    Ok(match sasl_code(body) {
        Some(0) => AuthRequest::Ok,
        Some(3) => AuthRequest::Cleartext,
        Some(5) => AuthRequest::Md5(rest.try_into().map_err(|_| CUT)?),
        Some(10) => AuthRequest::Sasl {
            scram_sha_256: rest.split(|byte| *byte == 0).any(|name| name == b"SCRAM-SHA-256"),
        },
        _ => AuthRequest::Unsupported,
    })
}

/// The number that says which authentication message this is.
pub(crate) fn sasl_code(body: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(body.get(..4)?.try_into().ok()?))
}

/// Process id and secret of the session, for cancel requests.
pub(crate) fn backend_key(body: &[u8]) -> Option<(i32, i32)> {
    Some((sasl_code(body)?, sasl_code(body.get(4..)?)?))
}

pub(crate) fn server_error(body: &[u8]) -> ServerError {
    let (mut code, mut text) = ("", "");
    for field in body.split(|byte| *byte == 0) {
        let Some((tag, value)) = field.split_first() else {
            continue;
        };
        let value = std::str::from_utf8(value).unwrap_or("(a message that is not UTF-8)");
        match tag {
            b'C' => code = value,
            b'M' => text = value,
            _ => {}
        }
    }
    ServerError::new(code, text)
}

pub(crate) fn row(body: &[u8]) -> Result<Row, Malformed> {
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or(CUT)?;
    let mut columns = Vec::with_capacity(usize::from(u16::from_be_bytes(*count)));
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(CUT)?;
        let length = i32::from_be_bytes(*length);
        if length < 0 {
            columns.push(None);
            rest = after;
            continue;
        }
        let (value, after) = after
            .split_at_checked(length.unsigned_abs() as usize)
            .ok_or(CUT)?;
        let text = std::str::from_utf8(value).map_err(|_| Malformed("a value is not UTF-8"))?;
        columns.push(Some(text.to_owned()));
        rest = after;
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_error_gives_code_and_message_and_no_detail() {
        let error = server_error(b"SERROR\0VERROR\0C42P01\0Mno such table\0DKey (id)=(5)\0\0");
        assert_eq!(error, ServerError::new("42P01", "no such table"));
    }

    #[test]
    fn a_row_has_texts_and_nulls() {
        let body = b"\0\x02\0\0\0\x01a\xff\xff\xff\xff";
        assert_eq!(row(body).unwrap(), [Some("a".to_owned()), None]);
        for cut in 0..body.len() {
            assert!(row(&body[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn scram_is_found_among_the_mechanisms() {
        let body = b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
        assert_eq!(auth_request(body), Ok(AuthRequest::Sasl { scram_sha_256: true }));
        assert_eq!(auth_request(b"\0\0\0\x05abcd"), Ok(AuthRequest::Md5(*b"abcd")));
        assert_eq!(auth_request(b"\0\0\0\x05abc"), Err(CUT));
    }

    proptest! {
        /// PG-045.
        #[test]
        fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (auth_request(&body), backend_key(&body), server_error(&body), row(&body));
        }
    }
}
