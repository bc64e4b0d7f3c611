//! Sans-I/O: the numbers and lengths of Avro's binary form.

/// Appends a zig-zag varint: Avro's int and long.
#[inline]
pub(crate) fn write_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    if rest < 0x80 {
        // Invariant of this branch: seven bits.
        return out.push(rest as u8);
    }
    // Ten groups of seven bits hold 64.
    let mut bytes = [0; 10];
    let mut len = 0;
    while rest >= 0x80 {
        bytes[len] = rest as u8 | 0x80;
        rest >>= 7;
        len += 1;
    }
    bytes[len] = rest as u8;
    out.extend_from_slice(&bytes[..=len]);
}

/// Appends a length and the bytes.
#[inline]
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Invariant: no allocation is longer than isize::MAX, so the cast is exact.
    write_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Small numbers onto small unsigned ones, whatever their sign.
#[inline]
fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// Reads a zig-zag varint at the start of `bytes`; the number and how many bytes it took. `None` when the bytes end
/// inside it or it has more than 64 bits.
#[inline]
pub(crate) fn read_long(bytes: &[u8]) -> Option<(i64, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((unzigzag(first.into()), 1));
    }
    let mut value = u64::from(first & 0x7f);
    for (index, byte) in bytes.iter().enumerate().skip(1).take(9) {
        let group = u64::from(byte & 0x7f);
        if index == 9 && group > 1 {
            return None;
        }
        value |= group << (7 * index);
        if *byte < 0x80 {
            return Some((unzigzag(value), index + 1));
        }
    }
    None
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_round_trip_in_the_bytes_of_the_specification() {
        let written = |value| {
            let mut out = Vec::new();
            write_long(&mut out, value);
            out
        };
        for (value, bytes) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
        ] {
            assert_eq!(written(value), bytes, "{value}");
        }
        for value in [0, 1, -1, 63, -65, 8191, 1 << 40, i64::MAX, i64::MIN] {
            let bytes = written(value);
            assert_eq!(read_long(&bytes), Some((value, bytes.len())), "{value}");
            assert_eq!(read_long(&bytes[..bytes.len() - 1]), None, "{value}");
        }
    }

    /// AV-050.
    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        assert_eq!(read_long(&[0x80; 11]), None);
        assert_eq!(
            read_long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
            None
        );
        assert!(read_long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).is_some());
    }
}
