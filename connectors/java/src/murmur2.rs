//! Sans-I/O. Kafka's default partitioner: murmur2 of the key's bytes, as the Java producer computes it.
//!
//! librdkafka's own default is another hash, so a topic written by both would spread one key over two partitions.

const SEED: u32 = 0x9747_b28c;
const MIX: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The 32-bit murmur2 hash of `key`, with the seed Kafka uses.
pub fn murmur2(key: &[u8]) -> i32 {
    // The hash takes the length modulo 2^32, as Java's arrays cannot be longer anyway.
    let mut hash = SEED ^ (key.len() as u32);
    let mut words = key.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(MIX);
        k ^= k >> SHIFT;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^= hash >> 15;
    hash as i32
}

/// Clears the sign bit. Kafka's `toPositive`: not the absolute value.
pub fn to_positive(hash: i32) -> i32 {
    hash & i32::MAX
}

/// The partition a record with this serialised key goes to, in `0..partitions`.
///
/// A topic has at least one partition: a count below 1 is taken as 1.
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    to_positive(murmur2(key)) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// CN-151: the vectors of Kafka's own unit test.
    #[test]
    fn hashes_equal_those_of_the_java_client() {
        let golden: [(&str, i32); 6] = [
            ("21", -973932308),
            ("foobar", -790332482),
            ("a-little-bit-long-string", -985981536),
            ("a-little-bit-longer-string", -1486304829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
            ("abc", 479470107),
        ];
        for (key, hash) in golden {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn the_sign_bit_is_cleared_and_not_negated() {
        assert_eq!(to_positive(-1), i32::MAX);
        assert_eq!(to_positive(i32::MIN), 0);
        assert_eq!(to_positive(7), 7);
    }

    #[test]
    fn a_partition_count_below_one_reads_as_one() {
        assert_eq!(partition_for_key(b"abc", 0), 0);
        assert_eq!(partition_for_key(b"abc", -3), 0);
        assert_eq!(partition_for_key(b"abc", 10), 479470107 % 10);
    }

    proptest! {
        #[test]
        fn a_partition_is_always_one_of_the_topic(key in proptest::collection::vec(any::<u8>(), 0..64), partitions in 1..5000i32) {
            let partition = partition_for_key(&key, partitions);
            prop_assert!((0..partitions).contains(&partition));
        }
    }
}
