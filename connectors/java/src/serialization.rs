//! Sans-I/O. Telling apart a file that a Java program wrote with `ObjectOutputStream`.
//!
//! Connect's standalone offset file is such a file. It is never overwritten (CN-135): the worker asks here first.

/// Stream magic `AC ED` and stream version 5, the only one Java has written since 1.2.
const STREAM_HEADER: [u8; 4] = [0xac, 0xed, 0x00, 0x05];

/// Whether `head`, the first bytes of a file, begins a Java serialisation stream. Four bytes suffice.
pub fn is_java_stream(head: &[u8]) -> bool {
    head.starts_with(&STREAM_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-135: what `FileOffsetBackingStore` writes begins like this: header, object, class descriptor.
    #[test]
    fn a_serialised_hash_map_is_recognised() {
        let file = b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1";
        assert!(is_java_stream(file));
        assert!(is_java_stream(&STREAM_HEADER));
    }

    #[test]
    fn other_files_are_not() {
        assert!(!is_java_stream(b""));
        assert!(!is_java_stream(b"\xac\xed\x00"));
        assert!(!is_java_stream(b"\xac\xed\x00\x04"));
        assert!(!is_java_stream(b"{\"offset\":1}"));
    }
}
