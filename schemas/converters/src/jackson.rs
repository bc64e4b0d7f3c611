//! Sans-I/O: JSON as Jackson prints it, the library under Connect's converters and Avro's Java schemas (AV-061, CN-332).

use rowtide_java::number;

/// Appends a quoted text. Only what JSON demands is escaped; control characters get upper-case hexadecimal digits.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        write_escape(out, *byte);
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends `true` or `false`.
pub(crate) fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a whole number.
pub(crate) fn write_int(out: &mut Vec<u8>, value: i64) {
    // 20 digits hold u64::MAX; the sign goes first.
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        // Invariant: a remainder of ten fits a byte.
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a double; NaN and the infinities as quoted words.
pub(crate) fn write_f64(out: &mut Vec<u8>, value: f64) {
    write_float(out, &number::f64_text(value), value.is_finite());
}

/// Appends a float; NaN and the infinities as quoted words.
pub(crate) fn write_f32(out: &mut Vec<u8>, value: f32) {
    write_float(out, &number::f32_text(value), value.is_finite());
}

fn write_float(out: &mut Vec<u8>, text: &str, finite: bool) {
    if finite {
        out.extend_from_slice(text.as_bytes());
    } else {
        write_text(out, text);
    }
}

/// The bytes one of these functions wrote, as text.
pub(crate) fn into_text(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("invariant: only whole texts and ASCII were appended")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        into_text(out)
    }

    #[test]
    fn texts_escape_only_what_json_demands() {
        assert_eq!(
            written(|out| write_text(out, "a\"b\\c/dé\u{7}\n\u{1f}\u{7f}😀")),
            "\"a\\\"b\\\\c/dé\\u0007\\n\\u001F\u{7f}😀\""
        );
    }

    #[test]
    fn numbers_print_as_java_prints_them() {
        for value in [0, 1, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(written(|out| write_int(out, value)), value.to_string());
        }
        assert_eq!(written(|out| write_f64(out, 1e7)), "1.0E7");
        assert_eq!(written(|out| write_f32(out, 0.1)), "0.1");
        assert_eq!(written(|out| write_f64(out, f64::NAN)), "\"NaN\"");
    }
}
