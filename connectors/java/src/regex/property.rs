//! Sans-I/O. `\p{…}`: POSIX classes of ASCII, general categories, scripts and some binary properties.

use super::Problem;
use super::class::SPACE;
use super::syntax::Parser;

/// The POSIX classes, which are of ASCII alone.
const POSIX: [(&str, &str); 13] = [
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", r"\x{0}-\x{7F}"),
    ("Alpha", "A-Za-z"),
    ("Digit", "0-9"),
    ("Alnum", "0-9A-Za-z"),
    ("Punct", r"\x{21}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{7E}"),
    ("Graph", r"\x{21}-\x{7E}"),
    ("Print", r"\x{20}-\x{7E}"),
    ("Blank", r"\x{9}\x{20}"),
    ("Cntrl", r"\x{0}-\x{1F}\x{7F}"),
    ("XDigit", "0-9A-Fa-f"),
    ("Space", SPACE),
];

/// General categories that both sides define alike.
const CATEGORIES: [&str; 34] = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps",
    "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "Cc", "Cf", "Co",
];

/// Binary properties behind `Is`.
const BINARY: [&str; 5] = [
    "Alphabetic",
    "Ideographic",
    "Lowercase",
    "Uppercase",
    "White_Space",
];

/// Reads a property behind `\p` or `\P`; the answer is a member of a class.
pub(super) fn parse(parser: &mut Parser, negated: bool, ignore_case: bool) -> Result<String, Problem> {
    let name = name(parser)?;
    let members = members(&name, ignore_case).ok_or_else(|| {
        let letter = if negated { 'P' } else { 'p' };
        parser.unsupported(format!("the property \\{letter}{{{name}}}"))
    })?;
    Ok(if negated { format!("[^{members}]") } else { members })
}

fn name(parser: &mut Parser) -> Result<String, Problem> {
    if !parser.take('{') {
        let letter = parser.next().map(|token| token.char.to_string());
        return letter.ok_or_else(|| parser.malformed("a property without a name"));
    }
    let mut name = String::new();
    loop {
        match parser.next() {
            Some(token) if token.char == '}' && !token.quoted => break,
            Some(token) => name.push(token.char),
            None => return Err(parser.malformed("unclosed character family")),
        }
    }
    if name.is_empty() {
        return Err(parser.malformed("empty character family"));
    }
    Ok(name)
}

fn members(name: &str, ignore_case: bool) -> Option<String> {
    if let Some((_, value)) = name.split_once('=') {
        let key = name[..name.len() - value.len() - 1].to_ascii_lowercase();
        return match key.as_str() {
            "gc" | "general_category" => category(value, ignore_case),
            "sc" | "script" => script(value),
            _ => None,
        };
    }
    if let Some((_, set)) = POSIX.iter().find(|(known, _)| *known == name) {
        let cased = ignore_case && matches!(name, "Lower" | "Upper");
        return Some(if cased {
            "A-Za-z".to_owned()
        } else {
            (*set).to_owned()
        });
    }
    if let Some(category) = category(name, ignore_case) {
        return Some(category);
    }
    let name = name.strip_prefix("Is")?;
    if let Some(property) = BINARY.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        let cased = ignore_case && matches!(*property, "Lowercase" | "Uppercase");
        return Some(if cased {
            r"\p{Lowercase}\p{Uppercase}\p{Lt}".to_owned()
        } else {
            format!(r"\p{{{property}}}")
        });
    }
    category(name, ignore_case).or_else(|| script(name))
}

fn category(name: &str, ignore_case: bool) -> Option<String> {
    let known = CATEGORIES.contains(&name);
    known.then(|| {
        if ignore_case && matches!(name, "Lu" | "Ll" | "Lt") {
            // Ignoring case, Java makes one set of the three.
            r"\p{Lu}\p{Ll}\p{Lt}".to_owned()
        } else {
            format!(r"\p{{gc={name}}}")
        }
    })
}

/// Unknown names are found out by the compiler of the pattern.
fn script(name: &str) -> Option<String> {
    let plain = name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    (plain && !name.is_empty()).then(|| format!(r"\p{{sc={name}}}"))
}
