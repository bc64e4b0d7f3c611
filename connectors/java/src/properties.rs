//! Sans-I/O. `java.util.Properties` text: what worker and connector files are written in (CN-100).
//!
//! ```text
//! # a comment            ! also one
//! name = randomuser      separators: '=', ':' or a blank
//! topics: users, \
//!         orders         a trailing backslash continues the line, leading blanks of the next one fall away
//! password=\u00e9t\u00e9
//! ```
//!
//! Differences from Java, both towards the operator: UTF-8 is read as UTF-8 (Java reads every byte as ISO-8859-1; here
//! that is the fall-back for bytes that are not UTF-8), and a lone half of a surrogate pair is an error.

use std::collections::HashMap;
use std::fmt;

/// A line that is no properties text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertiesError {
    /// The line on which the entry begins, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with an entry. Everything else is some key and some value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// `\u` without four hexadecimal digits.
    MalformedEscape,
    /// `\uD800` to `\uDFFF` without its other half.
    LoneSurrogate,
}

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::MalformedEscape => {
                "a \\u escape without four hexadecimal digits; write a backslash of a value twice (\\\\)"
            }
            Problem::LoneSurrogate => "half of a surrogate pair; write both halves, as in \\ud83d\\ude00",
        };
        write!(f, "line {}: {problem}", self.line)
    }
}

impl std::error::Error for PropertiesError {}

/// Reads properties text into its entries, in the order of the file. Of a key that appears twice the last value
/// counts, as in Java; it keeps the first place.
///
/// # Errors
/// The first malformed `\u` escape, with its line.
pub fn parse(file: &[u8]) -> Result<Vec<(String, String)>, PropertiesError> {
    let text = decode(file);
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (line, logical) in logical_lines(&text) {
        let (key, value) = split_entry(&logical);
        let key = unescape(key).map_err(|problem| PropertiesError { line, problem })?;
        let value = unescape(value).map_err(|problem| PropertiesError { line, problem })?;
        match places.get(&key) {
            Some(place) => entries[*place].1 = value,
            None => {
                places.insert(key.clone(), entries.len());
                entries.push((key, value));
            }
        }
    }
    Ok(entries)
}

/// Writes entries in the escapes of `Properties.store`, one a line, all ASCII, without a date comment.
pub fn write<'e>(entries: impl IntoIterator<Item = (&'e str, &'e str)>) -> String {
    let mut out = String::new();
    for (key, value) in entries {
        escape(key, true, &mut out);
        out.push('=');
        escape(value, false, &mut out);
        out.push('\n');
    }
    out
}

fn decode(file: &[u8]) -> String {
    match std::str::from_utf8(file) {
        // Editors on Windows begin a file with a byte order mark; it belongs to no key.
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
        Err(_) => file.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Joins continued lines, drops blank ones and comments; each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in natural_lines(text).enumerate() {
        let line = line.trim_start_matches(is_blank);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
        let continues = backslashes % 2 == 1;
        let content = if continues { &line[..line.len() - 1] } else { line };
        let (first, mut logical) = open.take().unwrap_or_else(|| (index + 1, String::new()));
        logical.push_str(content);
        if continues {
            open = Some((first, logical));
        } else if !logical.is_empty() {
            lines.push((first, logical));
        }
    }
    // A backslash at the very end of the file continues into nothing.
    lines.extend(open.filter(|(_, logical)| !logical.is_empty()));
    lines
}

/// Lines end at LF, CR or CR LF.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let Some(end) = current.find(['\n', '\r']) else {
            rest = None;
            return Some(current);
        };
        let width = if current[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&current[end + width..]);
        Some(&current[..end])
    })
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Cuts a logical line at its first separator that no backslash precedes: `=`, `:` or blanks, with blanks around.
fn split_entry(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (c == '=' || c == ':' || is_blank(c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let Some(end) = end else { return (line, "") };
    let rest = line[end..].trim_start_matches(is_blank);
    let value = rest
        .strip_prefix(['=', ':'])
        .map_or(rest, |value| value.trim_start_matches(is_blank));
    (&line[..end], value)
}

fn unescape(text: &str) -> Result<String, Problem> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('u') => out.push(unicode_escape(&mut rest)?),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    Ok(out)
}

/// Reads the digits after `\u`, and the second escape of a surrogate pair with its first.
fn unicode_escape(rest: &mut std::str::Chars<'_>) -> Result<char, Problem> {
    let first = four_digits(rest)?;
    if let Some(c) = char::from_u32(first) {
        return Ok(c);
    }
    if !rest.as_str().starts_with("\\u") {
        return Err(Problem::LoneSurrogate);
    }
    rest.nth(1);
    let second = four_digits(rest)?;
    let pair = [first as u16, second as u16];
    match char::decode_utf16(pair).next() {
        Some(Ok(c)) => Ok(c),
        _ => Err(Problem::LoneSurrogate),
    }
}

fn four_digits(rest: &mut std::str::Chars<'_>) -> Result<u32, Problem> {
    let mut value = 0;
    for _ in 0..4 {
        let digit = rest
            .next()
            .and_then(|c| c.to_digit(16))
            .ok_or(Problem::MalformedEscape)?;
        value = value * 16 + digit;
    }
    Ok(value)
}

fn escape(text: &str, is_key: bool, out: &mut String) {
    for (index, c) in text.chars().enumerate() {
        match c {
            ' ' if is_key || index == 0 => out.push_str("\\ "),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '\\' | '=' | ':' | '#' | '!' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(file: &[u8], expected: &[(&str, &str)]) {
        let entries = parse(file).unwrap();
        let entries: Vec<(&str, &str)> = entries.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(entries, expected, "{}", String::from_utf8_lossy(file));
    }

    /// CN-100
    #[test]
    fn the_three_separators_and_blanks_around_them() {
        check(
            b"a=1\nb:2\nc 3\n  d  =  4  \ne\t:\t5\nf\n=6\ng = = 7\nh:=8",
            &[
                ("a", "1"),
                ("b", "2"),
                ("c", "3"),
                ("d", "4  "),
                ("e", "5"),
                ("f", ""),
                ("", "6"),
                ("g", "= 7"),
                ("h", "=8"),
            ],
        );
    }

    /// CN-100
    #[test]
    fn comments_and_blank_lines_are_no_entries() {
        check(
            b"# a=1\n ! b=2\n\n \t \nc=3#4 !\n#ends with \\\nd=5",
            &[("c", "3#4 !"), ("d", "5")],
        );
    }

    /// CN-100
    #[test]
    fn a_backslash_continues_the_line_and_two_do_not() {
        check(
            b"a=1,\\\n   2,\\\r\n\t3\nb=x\\\\\nc=y",
            &[("a", "1,2,3"), ("b", "x\\"), ("c", "y")],
        );
        check(
            b"a=1\\\n# not a comment\nb=2\\",
            &[("a", "1# not a comment"), ("b", "2")],
        );
        check(b"a=1\\\n   \nb=2\n\\\n\n#c\n", &[("a", "1"), ("b", "2")]);
    }

    /// CN-100
    #[test]
    fn escapes_are_resolved_in_keys_and_values() {
        check(
            b"a\\ b\\=c\\:d=\\t\\n\\r\\f\\q\\\\\nk=\\u00e9\\uD83D\\uDE00",
            &[("a b=c:d", "\t\n\r\u{c}q\\"), ("k", "\u{e9}\u{1f600}")],
        );
    }

    /// CN-100
    #[test]
    fn bytes_that_are_not_utf_8_are_latin_1() {
        check(b"name=\xe9t\xe9", &[("name", "\u{e9}t\u{e9}")]);
        check(
            "name=\u{e9}t\u{e9} \u{4e2d}".as_bytes(),
            &[("name", "\u{e9}t\u{e9} \u{4e2d}")],
        );
        check(b"\xef\xbb\xbfname=x", &[("name", "x")]);
    }

    #[test]
    fn carriage_returns_end_lines_too() {
        check(b"a=1\rb=2\r\nc=3", &[("a", "1"), ("b", "2"), ("c", "3")]);
    }

    #[test]
    fn the_last_value_of_a_key_counts_in_the_first_place() {
        check(b"a=1\nb=2\na=3", &[("a", "3"), ("b", "2")]);
    }

    #[test]
    fn malformed_escapes_name_their_line() {
        let problem = |file: &[u8]| parse(file).unwrap_err();
        assert_eq!(
            problem(b"a=1\n\nb=\\u12"),
            PropertiesError {
                line: 3,
                problem: Problem::MalformedEscape
            }
        );
        assert_eq!(
            problem(b"# \\u12\na=1\\\n \\u12g4"),
            PropertiesError {
                line: 2,
                problem: Problem::MalformedEscape
            }
        );
        assert_eq!(
            problem(b"a=\\uD83D!"),
            PropertiesError {
                line: 1,
                problem: Problem::LoneSurrogate
            }
        );
        assert_eq!(
            problem(b"a=\\uD83D\\u0041"),
            PropertiesError {
                line: 1,
                problem: Problem::LoneSurrogate
            }
        );
        assert!(problem(b"a=\\uXYZW").to_string().starts_with("line 1: "));
    }

    #[test]
    fn the_writer_escapes_as_java_does() {
        let entries = [("a b:c", " x y "), ("k", "#!=:\\\t\u{e9}\u{1f600}\u{7f}")];
        assert_eq!(
            write(entries),
            "a\\ b\\:c=\\ x y \nk=\\#\\!\\=\\:\\\\\\t\\u00E9\\uD83D\\uDE00\\u007F\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(entries in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..8)) {
            let entries: Vec<(String, String)> = entries.into_iter().collect();
            let text = write(entries.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            prop_assert!(text.is_ascii());
            prop_assert_eq!(parse(text.as_bytes()).unwrap(), entries);
        }

        #[test]
        fn no_file_panics(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&file);
        }

        #[test]
        fn no_text_panics(file in "[\\\\u0-9a-f=: \t\n\r#!é]{0,60}") {
            let _ = parse(file.as_bytes());
        }
    }
}
