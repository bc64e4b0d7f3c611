//! Sans-I/O. UUIDs as sixteen bytes and as lower-case text, and the name-based one of `UUID.nameUUIDFromBytes`.

use md5::{Digest, Md5};

/// Length of the canonical text: 32 hexadecimal digits and 4 hyphens.
pub const TEXT_LEN: usize = 36;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Where the hyphens stand in the canonical text.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// The canonical lower-case text of `bytes`, all ASCII.
pub fn to_text(bytes: &[u8; 16]) -> [u8; TEXT_LEN] {
    let mut text = [b'-'; TEXT_LEN];
    let mut at = 0;
    for byte in bytes {
        if HYPHENS.contains(&at) {
            at += 1;
        }
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    text
}

/// The sixteen bytes of a canonical text, hexadecimal digits of either case. `None` for anything else: Java's
/// shortened groups (`1-1-1-1-1`), braces and missing hyphens are not what databases print.
pub fn from_text(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut bytes = [0; 16];
    let mut at = 0;
    for byte in &mut bytes {
        if HYPHENS.contains(&at) {
            if text[at] != b'-' {
                return None;
            }
            at += 1;
        }
        *byte = (hex(text[at])? << 4) | hex(text[at + 1])?;
        at += 2;
    }
    Some(bytes)
}

/// The name-based UUID (version 3, MD5) of `name`, as `UUID.nameUUIDFromBytes` makes it: without a namespace.
pub fn from_name(name: &[u8]) -> [u8; 16] {
    let mut bytes: [u8; 16] = Md5::digest(name).into();
    bytes[6] = (bytes[6] & 0x0f) | 0x30;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_lower_case_and_hyphenated() {
        let bytes = [
            0xA0, 0xEE, 0xBC, 0x99, 0x9C, 0x0B, 0x4E, 0xF8, 0xBB, 0x6D, 0x6B, 0xB9, 0xBD, 0x38, 0x0A, 0x11,
        ];
        assert_eq!(&to_text(&bytes), b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        assert_eq!(from_text(b"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), Some(bytes));
    }

    /// PG-076: the placeholder of an unchanged uuid[] is the name-based UUID of the placeholder's bytes.
    #[test]
    fn name_based_uuids_equal_those_of_java() {
        assert_eq!(
            &to_text(&from_name(b"__debezium_unavailable_value")),
            b"b68a35a7-17ad-35b3-af2a-ae46edb4545a"
        );
        assert_eq!(&to_text(&from_name(b"")), b"d41d8cd9-8f00-3204-a980-0998ecf8427e");
        assert_eq!(
            &to_text(&from_name("h\u{e9}".as_bytes())),
            b"33fcd012-58e6-3a07-af40-5dc9e721f3a7"
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "1-1-1-1-1",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1}",
        ] {
            assert_eq!(from_text(text.as_bytes()), None, "{text}");
        }
        assert_eq!(from_text(b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g"), None);
        assert_eq!(from_text(b"a0eebc99+9c0b-4ef8-bb6d-6bb9bd380a11"), None);
    }

    proptest! {
        #[test]
        fn text_and_bytes_are_one(bytes in any::<[u8; 16]>()) {
            prop_assert_eq!(from_text(&to_text(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = from_text(&text);
        }
    }
}
