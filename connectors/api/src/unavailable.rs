//! Sans-I/O: how a record says that it does not hold all of its row's values (PG-077).
//!
//! A database can leave a large value out of a change that does not touch it. The source then puts a placeholder into the
//! record and names the fields in the header [`UNAVAILABLE`]. A sink leaves those columns as they are. For a record that
//! begins a row the header [`GONE`] beside it says that the row was gone when its values were read again: what removed it
//! follows.

/// Header: names of the fields whose values are not known, separated by commas; a name that holds a comma or a double quote
/// stands in double quotes, as in CSV.
pub const UNAVAILABLE: &str = "rowtide.unavailable";

/// Header: `true` on the first record of a row that is gone by then.
pub const GONE: &str = "rowtide.gone";

/// The header's text for these fields.
pub fn list<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if field.contains([',', '"']) {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(field);
        }
    }
    text
}

/// Whether the header's text names a field.
pub fn names(text: &str, field: &str) -> bool {
    if !text.contains('"') {
        return text.split(',').any(|name| name == field);
    }
    let mut rest = text;
    loop {
        let (name, behind) = first(rest);
        if name == field {
            return true;
        }
        match behind {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
}

/// The first name, and what follows its comma.
fn first(text: &str) -> (String, Option<&str>) {
    let Some(mut rest) = text.strip_prefix('"') else {
        return match text.split_once(',') {
            Some((name, behind)) => (name.to_owned(), Some(behind)),
            None => (text.to_owned(), None),
        };
    };
    let mut name = String::new();
    loop {
        let Some((part, behind)) = rest.split_once('"') else {
            name.push_str(rest);
            return (name, None);
        };
        name.push_str(part);
        match behind.strip_prefix('"') {
            Some(behind) => {
                name.push('"');
                rest = behind;
            }
            None => return (name, behind.strip_prefix(',')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_named_and_nothing_else() {
        let fields = ["a", "b,c", "d\"e", "", "\"", "f"];
        let text = list(fields);
        assert_eq!(text, "a,\"b,c\",\"d\"\"e\",,\"\"\"\",f");
        for field in fields {
            assert!(names(&text, field), "{field}");
        }
        for field in ["b", "c", "d", "e", "a,b", "g", "a,\"b,c\""] {
            assert!(!names(&text, field), "{field}");
        }
        assert!(names("a,b", "b") && !names("a,b", "a,b"));
        // Written by hand, and wrong: it ends, and names what it can.
        assert!(names("\"a", "a") && names("\"a\"b,c", "a"));
    }
}
