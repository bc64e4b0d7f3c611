//! Sans-I/O. Character classes: Java's brackets and escapes, written in fancy-regex's text.
//!
//! Every set is spelt out in escaped characters, positive properties and brackets of its own, so that nothing of the
//! target's own meaning of `\w`, case folding or operator signs comes in.

use super::Problem;
use super::property;
use super::syntax::{Flags, Parser};

/// Line ends of Java: a dot does not match them. `\r\n` counts as one.
pub(super) const LINE_ENDS: &str = r"\x{A}\x{D}\x{85}\x{2028}\x{2029}";
const VERTICAL: &str = r"\x{A}-\x{D}\x{85}\x{2028}\x{2029}";
const HORIZONTAL: &str = r"\x{9}\x{20}\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
pub(super) const WORD: &str = "0-9A-Z_a-z";
pub(super) const SPACE: &str = r"\x{9}-\x{D}\x{20}";

/// There Java takes `\v` for U+000B alone.
const VERTICAL_RANGE: &str = "\\v at an end of a range";

/// What an escape stands for.
pub(super) enum Escape {
    Char(char),
    /// Members of a class, without brackets around.
    Set(String),
}

/// Reads a class behind its opening bracket, to its closing one. Brackets are part of the text.
pub(super) fn parse(parser: &mut Parser, flags: Flags) -> Result<String, Problem> {
    parser.descend()?;
    let negated = parser.take('^');
    let mut operands = vec![union(parser, flags, true)?];
    while parser.operator() == Some('&') {
        parser.next();
        parser.next();
        operands.push(union(parser, flags, false)?);
    }
    parser.next();
    parser.ascend();
    let sign = if negated { "^" } else { "" };
    Ok(match operands.as_slice() {
        [only] => format!("[{sign}{only}]"),
        several => {
            let several: Vec<String> = several.iter().map(|operand| format!("[{operand}]")).collect();
            format!("[{sign}{}]", several.join("&&"))
        }
    })
}

/// The members up to `&&` or the closing bracket, neither of them read.
fn union(parser: &mut Parser, flags: Flags, first: bool) -> Result<String, Problem> {
    let mut out = String::new();
    loop {
        let operator = parser.operator();
        let and = operator == Some('&') && parser.operator_after(1) == Some('&');
        match operator {
            None if parser.peek().is_none() => return Err(parser.malformed("unclosed character class")),
            // A bracket in the first place is a member.
            Some(']') if !(first && out.is_empty()) => break,
            _ if and => break,
            Some('[') => {
                parser.next();
                out.push_str(&parse(parser, flags)?);
            }
            _ => member(parser, flags, &mut out)?,
        }
    }
    // Java reads an operand that is missing, or a third '&', in a way of its own.
    let third = parser.operator() == Some('&') && parser.operator_after(2) == Some('&');
    if out.is_empty() || third {
        return Err(parser.unsupported("an intersection '&&' with an empty side"));
    }
    Ok(out)
}

/// A character, a range, or an escape that is a set.
fn member(parser: &mut Parser, flags: Flags, out: &mut String) -> Result<(), Problem> {
    let low = match single(parser, flags)? {
        Escape::Char(char) => char,
        Escape::Set(set) => {
            out.push_str(&set);
            return Ok(());
        }
    };
    // A hyphen before a bracket, or at the end, is a member itself.
    let ends = parser.peek_after(1).is_none() || matches!(parser.operator_after(1), Some('[' | ']'));
    if parser.operator() != Some('-') || ends {
        push_range(low, low, flags, out);
        return Ok(());
    }
    parser.next();
    if parser.operator() == Some('\\') && parser.operator_after(1) == Some('v') {
        return Err(parser.unsupported(VERTICAL_RANGE));
    }
    match single(parser, flags)? {
        Escape::Char(high) if low <= high => {
            push_range(low, high, flags, out);
            Ok(())
        }
        _ => Err(parser.malformed("illegal character range")),
    }
}

fn single(parser: &mut Parser, flags: Flags) -> Result<Escape, Problem> {
    match parser.next() {
        Some(token) if token.char == '\\' && !token.quoted => {
            let vertical = parser.operator() == Some('v');
            let escape = escape(parser, flags)?;
            if vertical && parser.operator() == Some('-') {
                return Err(parser.unsupported(VERTICAL_RANGE));
            }
            Ok(escape)
        }
        Some(token) => Ok(Escape::Char(token.char)),
        None => Err(parser.malformed("unclosed character class")),
    }
}

/// Appends a range, with the other case of its ASCII letters when case is ignored.
fn push_range(low: char, high: char, flags: Flags, out: &mut String) {
    push_bounds(low, high, out);
    if !flags.ignore_case {
        return;
    }
    for (first, last, shift) in [('A', 'Z', 32i32), ('a', 'z', -32)] {
        let (low, high) = (low.max(first), high.min(last));
        if low <= high {
            // ASCII letters and their other case.
            let other = |letter: char| char::from((letter as i32 + shift) as u8);
            push_bounds(other(low), other(high), out);
        }
    }
}

fn push_bounds(low: char, high: char, out: &mut String) {
    push_char(low, out);
    if low < high {
        out.push('-');
        push_char(high, out);
    }
}

/// Appends a character so that it is a literal in fancy-regex, inside and outside classes.
pub(super) fn push_char(char: char, out: &mut String) {
    if char.is_ascii_alphanumeric() {
        out.push(char);
    } else {
        out.push_str(&format!("\\x{{{:X}}}", char as u32));
    }
}

/// Behind a backslash: the escapes that classes have too.
pub(super) fn escape(parser: &mut Parser, flags: Flags) -> Result<Escape, Problem> {
    let Some(token) = parser.next() else {
        return Err(parser.malformed("unescaped trailing backslash"));
    };
    let set = |set: &str| Ok(Escape::Set(set.to_owned()));
    let none_of = |set: &str| Ok(Escape::Set(format!("[^{set}]")));
    match token.char {
        'd' => set("0-9"),
        'D' => none_of("0-9"),
        'w' => set(WORD),
        'W' => none_of(WORD),
        's' => set(SPACE),
        'S' => none_of(SPACE),
        'h' => set(HORIZONTAL),
        'H' => none_of(HORIZONTAL),
        'v' => set(VERTICAL),
        'V' => none_of(VERTICAL),
        'p' => property::parse(parser, false, flags.ignore_case).map(Escape::Set),
        'P' => property::parse(parser, true, flags.ignore_case).map(Escape::Set),
        't' => Ok(Escape::Char('\t')),
        'n' => Ok(Escape::Char('\n')),
        'r' => Ok(Escape::Char('\r')),
        'f' => Ok(Escape::Char('\u{c}')),
        'a' => Ok(Escape::Char('\u{7}')),
        'e' => Ok(Escape::Char('\u{1b}')),
        '0' => octal(parser).map(Escape::Char),
        'x' => hexadecimal(parser).map(Escape::Char),
        'u' => unicode(parser).map(Escape::Char),
        'c' => control(parser).map(Escape::Char),
        'N' => Err(parser.unsupported("\\N{…} (characters by name)")),
        char if char.is_ascii_alphanumeric() => Err(parser.malformed("illegal/unsupported escape sequence")),
        char => Ok(Escape::Char(char)),
    }
}

/// One to three octal digits, up to 0377.
fn octal(parser: &mut Parser) -> Result<char, Problem> {
    let mut value = 0;
    for index in 0..3 {
        let Some(digit) = parser.operator().and_then(|c| c.to_digit(8)) else {
            if index == 0 {
                return Err(parser.malformed("illegal octal escape sequence"));
            }
            break;
        };
        if value * 8 + digit > 0o377 {
            break;
        }
        value = value * 8 + digit;
        parser.next();
    }
    // At most 0377.
    Ok(char::from(value as u8))
}

fn hexadecimal(parser: &mut Parser) -> Result<char, Problem> {
    if !parser.take('{') {
        return digits(parser, 2, "illegal hexadecimal escape sequence")
            .and_then(|value| scalar(parser, value));
    }
    let mut value = 0u32;
    let mut len = 0;
    while let Some(digit) = parser.operator().and_then(|c| c.to_digit(16)) {
        value = value.saturating_mul(16).saturating_add(digit);
        len += 1;
        parser.next();
    }
    if len == 0 || !parser.take('}') {
        return Err(parser.malformed("unclosed hexadecimal escape sequence"));
    }
    scalar(parser, value)
}

/// Four digits; the two halves of a surrogate pair make one character.
fn unicode(parser: &mut Parser) -> Result<char, Problem> {
    const ILLEGAL: &str = "illegal Unicode escape sequence";
    let first = digits(parser, 4, ILLEGAL)?;
    let pair = (0xd800..0xdc00).contains(&first)
        && parser.operator() == Some('\\')
        && parser.operator_after(1) == Some('u');
    if !pair {
        return scalar(parser, first);
    }
    parser.next();
    parser.next();
    let second = digits(parser, 4, ILLEGAL)?;
    // Both come from four digits.
    let decoded = char::decode_utf16([first as u16, second as u16]).next();
    decoded
        .and_then(Result::ok)
        .ok_or_else(|| parser.unsupported("half of a surrogate pair"))
}

fn digits(parser: &mut Parser, count: usize, illegal: &'static str) -> Result<u32, Problem> {
    let mut value = 0;
    for _ in 0..count {
        let Some(digit) = parser.operator().and_then(|c| c.to_digit(16)) else {
            return Err(parser.malformed(illegal));
        };
        value = value * 16 + digit;
        parser.next();
    }
    Ok(value)
}

fn scalar(parser: &Parser, value: u32) -> Result<char, Problem> {
    match char::from_u32(value) {
        Some(char) => Ok(char),
        None if value > 0x10_ffff => Err(parser.malformed("hexadecimal codepoint is too big")),
        None => Err(parser.unsupported("half of a surrogate pair")),
    }
}

fn control(parser: &mut Parser) -> Result<char, Problem> {
    match parser.next() {
        // ASCII stays ASCII when bit 6 is turned.
        Some(token) if token.char.is_ascii() => Ok(char::from(token.char as u8 ^ 64)),
        Some(_) => Err(parser.unsupported("a control escape beyond ASCII")),
        None => Err(parser.malformed("illegal control escape sequence")),
    }
}
