//! Sans-I/O: bytes and text of a record, inline when short, else a slice of a shared buffer.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytes::Bytes;

/// Up to this many bytes live inside the value itself: a [`Blob`] is then 24 bytes, and a `Value` 32.
pub const INLINE_BYTES_MAX: usize = 22;

/// A receive buffer that many [`Blob`]s share. Up to 4 GiB.
///
/// A blob pins its whole buffer: what outlives its batch copies ([`Blob::detached`]).
#[derive(Clone, Debug)]
pub struct Buffer(Arc<Bytes>);

impl Buffer {
    /// Wraps received bytes; one allocation for the buffer, none per slice.
    ///
    /// # Panics
    /// Above 4 GiB: a slice's position is 32 bits wide, and no receive buffer comes near.
    pub fn new(bytes: Bytes) -> Self {
        assert!(
            u32::try_from(bytes.len()).is_ok(),
            "a receive buffer stays below 4 GiB"
        );
        Self(Arc::new(bytes))
    }

    /// The bytes of `range`: copied when short, else shared.
    ///
    /// # Panics
    /// When `range` lies outside the buffer, as slicing does.
    #[inline]
    pub fn slice(&self, range: Range<usize>) -> Blob {
        let whole: &[u8] = &self.0;
        let bytes = &whole[range.clone()];
        if bytes.len() <= INLINE_BYTES_MAX
            && let Some(data) = whole[range.start..].first_chunk()
        {
            // A copy of fixed size is a few instructions; what it takes beyond `len` is never read.
            return Blob(Repr::Inline {
                len: bytes.len() as u8,
                data: *data,
            });
        }
        match Repr::inline(bytes) {
            Some(inline) => Blob(inline),
            // Invariant: the buffer is below 4 GiB and the range lies inside it, so both casts are exact.
            None => Blob(Repr::Slice {
                buffer: self.clone(),
                start: range.start as u32,
                len: bytes.len() as u32,
            }),
        }
    }

    /// Text of `range`, checked.
    ///
    /// # Errors
    /// When the bytes are not UTF-8.
    #[inline]
    pub fn text(&self, range: Range<usize>) -> Result<Text, std::str::Utf8Error> {
        check(&self.0[range.clone()])?;
        Ok(Text(self.slice(range)))
    }
}

/// A [`Buffer`] that is text as a whole, so that its slices need no check.
#[derive(Clone, Debug)]
pub struct TextBuffer(Buffer);

impl TextBuffer {
    /// Takes over the text, checked as a whole; one allocation for the buffer, none per slice.
    ///
    /// # Errors
    /// When the bytes are not UTF-8.
    ///
    /// # Panics
    /// As [`Buffer::new`].
    pub fn checked(text: Vec<u8>) -> Result<Self, std::str::Utf8Error> {
        check(&text)?;
        Ok(Self(Buffer::new(text.into())))
    }

    /// The text of `range`: copied when short, else shared.
    ///
    /// # Panics
    /// When an end of `range` lies outside the text or inside a character, as slicing does.
    #[inline]
    pub fn slice(&self, range: Range<usize>) -> Text {
        let between = |at| at == self.0.len() || !matches!(self.0[at], 0x80..0xc0);
        assert!(
            between(range.start) && between(range.end),
            "a slice of text lies between characters"
        );
        Text(self.0.slice(range))
    }
}

/// Most text is short and ASCII, which is cheaper to ask for than UTF-8.
#[inline]
fn check(bytes: &[u8]) -> Result<(), std::str::Utf8Error> {
    if bytes.is_ascii() {
        return Ok(());
    }
    std::str::from_utf8(bytes).map(|_| ())
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Clone)]
enum Repr {
    Inline { len: u8, data: [u8; INLINE_BYTES_MAX] },
    Slice { buffer: Buffer, start: u32, len: u32 },
}

impl Repr {
    fn inline(bytes: &[u8]) -> Option<Self> {
        let len = u8::try_from(bytes.len()).ok()?;
        let mut data = [0; INLINE_BYTES_MAX];
        data.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self::Inline { len, data })
    }
}

/// Immutable bytes, cheap to clone.
#[derive(Clone)]
pub struct Blob(Repr);

impl Blob {
    /// No bytes.
    pub const EMPTY: Self = Self(Repr::Inline {
        len: 0,
        data: [0; INLINE_BYTES_MAX],
    });

    /// Copies `bytes`.
    pub fn copy(bytes: &[u8]) -> Self {
        match Repr::inline(bytes) {
            Some(inline) => Self(inline),
            None => Buffer::new(Bytes::copy_from_slice(bytes)).slice(0..bytes.len()),
        }
    }

    /// Takes over bytes that already have a buffer of their own.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let len = bytes.len();
        Buffer::new(bytes).slice(0..len)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, data } => &data[..usize::from(*len)],
            Repr::Slice { buffer, start, len } => &buffer[*start as usize..(*start + *len) as usize],
        }
    }

    /// Appends the bytes.
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Repr::Inline { len, data } => {
                // A copy of fixed size is a few instructions, one of varying size a call.
                let end = out.len() + usize::from(*len);
                out.extend_from_slice(data);
                out.truncate(end);
            }
            Repr::Slice { .. } => out.extend_from_slice(self.as_bytes()),
        }
    }

    /// The bytes of `range`: copied when short, else in the same buffer.
    ///
    /// # Panics
    /// When `range` lies outside, as slicing does.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        match &self.0 {
            Repr::Inline { .. } => Self::copy(&self.as_bytes()[range]),
            Repr::Slice { buffer, start, len } => {
                assert!(range.end <= *len as usize, "a slice lies inside its blob");
                let start = *start as usize;
                buffer.slice(start + range.start..start + range.end)
            }
        }
    }

    /// The same bytes without the buffer they were received in, for what outlives its batch.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::copy(self.as_bytes())
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Blob {}

impl std::hash::Hash for Blob {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.len())
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Self {
        Self::copy(bytes)
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_bytes(bytes.into())
    }
}

/// A [`Blob`] that is UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text(Blob);

impl Text {
    /// The empty text.
    pub const EMPTY: Self = Self(Blob::EMPTY);

    /// Checks a blob.
    ///
    /// # Errors
    /// When the bytes are not UTF-8.
    pub fn checked(blob: Blob) -> Result<Self, std::str::Utf8Error> {
        check(&blob)?;
        Ok(Self(blob))
    }

    /// The text.
    #[allow(
        unsafe_code,
        reason = "checking the bytes again at every look would cost every row"
    )]
    pub fn as_str(&self) -> &str {
        // SAFETY: every constructor of `Text` takes a `str`, checks the bytes, or cuts checked text between characters, and a
        // blob never changes.
        unsafe { std::str::from_utf8_unchecked(self.0.as_bytes()) }
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The bytes as a blob.
    pub fn as_blob(&self) -> &Blob {
        &self.0
    }

    /// The bytes as a blob.
    pub fn into_blob(self) -> Blob {
        self.0
    }

    /// The same text without the buffer it was received in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(self.0.detached())
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Blob::copy(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Blob::from(text.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_bytes_live_inside_and_long_ones_share_their_buffer() {
        let buffer = Buffer::new(Bytes::from(vec![b'x'; 100]));
        let short = buffer.slice(0..INLINE_BYTES_MAX);
        let long = buffer.slice(10..90);
        assert!(matches!(short.0, Repr::Inline { .. }));
        assert_eq!(long.as_bytes().as_ptr(), buffer[10..].as_ptr());
        assert_eq!(long.len(), 80);
        assert_ne!(long.detached().as_bytes().as_ptr(), long.as_bytes().as_ptr());
        assert_eq!(long.detached(), long);
        assert_eq!(size_of::<Blob>(), 24);
        assert_eq!(long.slice(5..60).as_bytes().as_ptr(), buffer[15..].as_ptr());
        assert_eq!(short.slice(1..3).as_bytes(), b"xx");
        let mut out = b"<".to_vec();
        for blob in [&short, &long, &Blob::EMPTY, &Blob::copy(b"y")] {
            blob.append_to(&mut out);
        }
        assert_eq!(out, format!("<{}y", "x".repeat(INLINE_BYTES_MAX + 80)).as_bytes());
    }

    #[test]
    fn a_buffer_of_text_is_cut_between_characters_only() {
        let text = format!("ü{}", "x".repeat(30));
        let buffer = TextBuffer::checked(text.clone().into_bytes()).unwrap();
        assert_eq!(buffer.slice(0..2).as_str(), "ü");
        assert_eq!(buffer.slice(0..text.len()).as_str(), text);
        assert_eq!(buffer.slice(text.len()..text.len()).as_str(), "");
        assert!(TextBuffer::checked(vec![b'x', 0xff]).is_err());
        for torn in [1..2, 0..1] {
            let cut = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| buffer.slice(torn)));
            assert!(cut.is_err());
        }
    }

    #[test]
    fn text_is_checked_once_and_debug_shows_no_value() {
        assert!(Buffer::new(Bytes::from_static(b"\xff")).text(0..1).is_err());
        assert_eq!(Text::from("grüße").as_str(), "grüße");
        assert_eq!(format!("{:?}", Text::from("secret")), "Text(6 bytes)");
    }
}
