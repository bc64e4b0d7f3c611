//! Sans-I/O: one-dimensional arrays from their text, `{1,NULL,"a \"quoted\" one"}`.

use std::ops::Range;

use rowtide_api::Value;
use rowtide_api::data::Buffer;

use super::{Op, Unfit};

const BROKEN: Unfit = Unfit("an array in no known form");
/// PG-134.
const NESTED: Unfit = Unfit("an array of more than one dimension");

/// Decodes an array; elements without escapes are slices of `buffer`.
pub(super) fn decode(element: &Op, buffer: &Buffer, range: Range<usize>) -> Result<Value, Unfit> {
    let text = &buffer[range.clone()];
    // Lower bounds (`[0:1]={…}`) are dropped (PG-134).
    let open = match text.first() {
        Some(b'[') => text.iter().position(|byte| *byte == b'{').ok_or(BROKEN)?,
        _ => 0,
    };
    if text[..open].iter().filter(|byte| **byte == b'[').count() > 1 {
        return Err(NESTED);
    }
    let inner = text.get(open..).ok_or(BROKEN)?;
    let [b'{', inner @ .., b'}'] = inner else {
        return Err(BROKEN);
    };
    let start = range.start + open + 1;
    if inner.is_empty() {
        return Ok(Value::Array(Box::default()));
    }
    let mut items = Vec::with_capacity(1 + memchr::memchr_iter(b',', inner).count());
    let mut at = 0;
    loop {
        let (item, next) = item(element, buffer, start, inner, at)?;
        items.push(item);
        match inner.get(next) {
            None => return Ok(Value::Array(items.into_boxed_slice())),
            Some(b',') => at = next + 1,
            Some(_) => return Err(BROKEN),
        }
    }
}

/// The element that begins at `at` of `inner`, and where it ends.
fn item(
    element: &Op,
    buffer: &Buffer,
    start: usize,
    inner: &[u8],
    at: usize,
) -> Result<(Value, usize), Unfit> {
    let rest = inner.get(at..).ok_or(BROKEN)?;
    match rest.first() {
        None => Err(BROKEN),
        Some(b'{') => Err(NESTED),
        Some(b'"') => {
            let mut end = 1;
            let mut escaped = false;
            loop {
                match rest.get(end).ok_or(BROKEN)? {
                    b'"' => break,
                    b'\\' => {
                        escaped = true;
                        end += 2;
                    }
                    _ => end += 1,
                }
            }
            let content = &rest[1..end];
            let value = if escaped {
                unescaped(element, content)?
            } else {
                let from = start + at + 1;
                element.decode_value(buffer, from..from + content.len())?
            };
            Ok((value, at + end + 1))
        }
        Some(_) => {
            let length = memchr::memchr(b',', rest).unwrap_or(rest.len());
            if length == 0 {
                return Err(BROKEN);
            }
            if rest[..length].eq_ignore_ascii_case(b"NULL") {
                return Ok((Value::Null, at + length));
            }
            let from = start + at;
            Ok((element.decode_value(buffer, from..from + length)?, at + length))
        }
    }
}

fn unescaped(element: &Op, content: &[u8]) -> Result<Value, Unfit> {
    let mut bytes = Vec::with_capacity(content.len());
    let mut rest = content.iter();
    while let Some(byte) = rest.next() {
        let byte = if *byte == b'\\' {
            rest.next().ok_or(BROKEN)?
        } else {
            byte
        };
        bytes.push(*byte);
    }
    element.decode_str(std::str::from_utf8(&bytes).map_err(|_| Unfit("text that is not UTF-8"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Result<Vec<Option<String>>, Unfit> {
        match Op::Array(Box::new(Op::Text)).decode_str(text)? {
            Value::Array(items) => Ok(items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect()),
            other => panic!("{other:?}"),
        }
    }

    /// PG-132, PG-134.
    #[test]
    fn elements_nulls_quotes_and_bounds() {
        let owned = |items: &[Option<&str>]| Ok(items.iter().map(|item| item.map(str::to_owned)).collect());
        assert_eq!(texts("{}"), owned(&[]));
        assert_eq!(
            texts("{a,NULL,\"NULL\",\"\"}"),
            owned(&[Some("a"), None, Some("NULL"), Some("")])
        );
        assert_eq!(
            texts(r#"{"a \"b\" \\","c,d"}"#),
            owned(&[Some("a \"b\" \\"), Some("c,d")])
        );
        assert_eq!(texts("[0:1]={x,y}"), owned(&[Some("x"), Some("y")]));
        assert_eq!(texts("{{a},{b}}"), Err(NESTED));
        assert_eq!(texts("[1:1][1:2]={{a,b}}"), Err(NESTED));
        for text in [
            "", "{", "{a", "a}", "{a,}", "{,}", "{\"a}", "{\"a\"b}", "[", "{\"a\\",
        ] {
            assert_eq!(texts(text), Err(BROKEN), "{text}");
        }
    }

    /// PG-144 V24: padded elements keep their blanks.
    #[test]
    fn padding_stays() {
        assert_eq!(texts("{\"cone      \"}"), Ok(vec![Some("cone      ".to_owned())]));
    }

    #[test]
    fn numbers_are_decoded_by_their_element() {
        assert_eq!(
            Op::Array(Box::new(Op::Int32)).decode_str("{1,-2,NULL}"),
            Ok(Value::Array(
                [Value::Int32(1), Value::Int32(-2), Value::Null].into()
            ))
        );
        assert!(Op::Array(Box::new(Op::Int32)).decode_str("{x}").is_err());
    }

    proptest! {
        #[test]
        fn quoted_text_reads_back(items in proptest::collection::vec(any::<String>(), 1..6)) {
            let quoted: Vec<_> = items.iter()
                .map(|item| format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\"")))
                .collect();
            let read = texts(&format!("{{{}}}", quoted.join(","))).unwrap();
            prop_assert_eq!(read, items.into_iter().map(Some).collect::<Vec<_>>());
        }

        #[test]
        fn random_text_never_panics(text: String) {
            let _ = texts(&text);
        }
    }
}
