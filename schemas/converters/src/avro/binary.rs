//! Sans-I/O: the numbers and lengths of Avro's binary form.

use rowtide_api::Blob;

/// Appends a zig-zag varint: Avro's int and long.
#[inline]
pub(crate) fn write_long(out: &mut Vec<u8>, value: i64) {
    let rest = zigzag(value);
    if rest < 0x80 {
        // Invariant of this branch: seven bits.
        return out.push(rest as u8);
    }
    write_wide(out, rest);
}

/// More than one group. The groups of the lower 56 bits are spread over eight bytes at once: each step doubles how many
/// parts the number is in, from two of 28 bits to eight of 7.
#[inline]
fn write_wide(out: &mut Vec<u8>, rest: u64) {
    const ALL_CONTINUE: u64 = 0x8080_8080_8080_8080;
    let mut low = (rest & 0x0000_0000_0fff_ffff) | (rest & 0x00ff_ffff_f000_0000) << 4;
    low = (low & 0x0000_3fff_0000_3fff) | (low & 0x0fff_c000_0fff_c000) << 2;
    low = (low & 0x007f_007f_007f_007f) | (low & 0x3f80_3f80_3f80_3f80) << 1;
    let groups = (70 - rest.leading_zeros() as usize) / 7;
    // All but the last group say that another follows; what stands beyond the last is cut off.
    let end = out.len() + groups;
    if groups <= 8 {
        let last = 0x80 << (8 * (groups - 1));
        out.extend_from_slice(&((low | ALL_CONTINUE) & !last).to_le_bytes());
        out.truncate(end);
    } else {
        let high = (rest >> 56) as u8;
        out.extend_from_slice(&(low | ALL_CONTINUE).to_le_bytes());
        if groups == 9 {
            out.push(high);
        } else {
            out.extend_from_slice(&[high | 0x80, high >> 7]);
        }
    }
}

/// Appends a length and the bytes.
#[inline]
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Invariant: no allocation is longer than isize::MAX, so the cast is exact.
    write_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Appends the length and the bytes of a blob.
#[inline]
pub(crate) fn write_blob(out: &mut Vec<u8>, blob: &Blob) {
    // Invariant: no allocation is longer than isize::MAX, so the cast is exact.
    write_long(out, blob.len() as i64);
    blob.append_to(out);
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
        // Both sides of every change of length.
        let lengths = (0..63).flat_map(|bits| [(1 << bits) - 1, 1 << bits, -(1 << bits), -(1 << bits) - 1]);
        for value in lengths.chain([8191, i64::MAX, i64::MIN]) {
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
