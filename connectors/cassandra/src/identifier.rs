//! Sans-I/O: CQL identifiers: how a configuration names them, how a statement quotes them.

/// The identifier as CQL text that names exactly this, whatever its case and characters.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Reads a name of a configuration key: literal, unless it begins with a double quote; then it is a CQL identifier in
/// quotes (CS-012).
///
/// # Errors
/// When the text is empty, a quote is missing, or a bare name has characters that need quotes.
pub(crate) fn parsed(text: &str) -> Result<String, String> {
    if let Some(rest) = text.strip_prefix('"') {
        let inner = rest
            .strip_suffix('"')
            .ok_or_else(|| format!("the quote of {text} does not end"))?;
        if inner.replace("\"\"", "").contains('"') {
            return Err(format!("a quote inside {text} must be doubled"));
        }
        return nonempty(inner.replace("\"\"", "\""));
    }
    if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return nonempty(text.to_owned());
    }
    Err(format!(
        "{text} has characters that need double quotes around the name"
    ))
}

fn nonempty(name: String) -> Result<String, String> {
    if name.is_empty() {
        return Err("a name is empty".to_owned());
    }
    Ok(name)
}

/// Splits the last dot-separated segment off, where a segment in double quotes may hold dots.
pub(crate) fn split_last(text: &str) -> Option<(&str, &str)> {
    if !text.ends_with('"') {
        return text.rsplit_once('.');
    }
    let bytes = text.as_bytes();
    let mut at = bytes.len() - 1;
    while at > 0 {
        at -= 1;
        if bytes[at] != b'"' {
            continue;
        }
        if at > 0 && bytes[at - 1] == b'"' {
            // A doubled quote stands for one inside the name.
            at -= 1;
            continue;
        }
        return Some((text[..at].strip_suffix('.')?, &text[at..]));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CS-012.
    #[test]
    fn a_name_is_literal_unless_it_begins_with_a_quote() {
        assert_eq!(parsed("Users").unwrap(), "Users");
        assert_eq!(parsed("\"my \"\"t.able\"").unwrap(), "my \"t.able");
        assert!(parsed("my table").is_err());
        assert!(parsed("\"open").is_err());
        assert!(parsed("\"\"").is_err());
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn the_last_segment_may_hold_dots_inside_quotes() {
        assert_eq!(split_last("a.b.c"), Some(("a.b", "c")));
        assert_eq!(split_last("a.b.\"c.\"\"d\""), Some(("a.b", "\"c.\"\"d\"")));
        assert_eq!(split_last("a"), None);
        assert_eq!(split_last("\"a\""), None);
    }
}
