//! Sans-I/O. Which files the `mod` declarations of a file point to.

use crate::source::Source;
use crate::token::{Kind, string_content};

/// A module declared in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Where its file may be, from the repository's root; the first that exists is it.
    pub candidates: Vec<String>,
    /// Whether only test builds declare it.
    pub test: bool,
}

/// The files that `source` declares. `root` says whether it is the root of a target, whose modules lie beside it.
pub fn declared(source: &Source, root: bool) -> Vec<Declared> {
    let (folder, stem) = split(&source.path);
    let beside = root || stem == "mod";
    let own = if beside {
        folder.to_owned()
    } else {
        join(folder, stem)
    };
    let mut out = Vec::new();
    let mut inline: Vec<(usize, String)> = Vec::new(); // where an inline module ends, and its folder
    for (at, token) in source.tokens.iter().enumerate() {
        inline.retain(|(end, _)| at < *end);
        if let Some(path) = included(source, at) {
            out.push(Declared {
                candidates: vec![join(folder, &path)],
                test: token.test,
            });
        }
        let Some(name) = source.tokens.get(at + 1) else {
            break;
        };
        if !token.is_ident("mod") || name.kind != Kind::Ident {
            continue;
        }
        let here = inline.last().map_or(own.as_str(), |(_, folder)| folder);
        let inside = join(here, &name.text);
        match source.tokens.get(at + 2) {
            Some(open) if open.is_mark("{") => inline.push((open.mate, inside)),
            Some(end) if end.is_mark(";") => out.push(Declared {
                candidates: match path_attribute(source, at) {
                    Some(path) => vec![join(folder, &path)],
                    None => vec![format!("{inside}.rs"), format!("{inside}/mod.rs")],
                },
                test: token.test,
            }),
            _ => {}
        }
    }
    out
}

/// The file of `include!("…")` at an index.
fn included(source: &Source, at: usize) -> Option<String> {
    let tokens = &source.tokens;
    let call = tokens[at].is_ident("include") && tokens.get(at + 1)?.is_mark("!");
    let name = string_content(tokens.get(at + 3)?)?;
    (call && name.ends_with(".rs")).then(|| name.to_owned())
}

/// The value of `#[path = "…"]` right before the `mod` at an index.
fn path_attribute(source: &Source, at: usize) -> Option<String> {
    let tokens = &source.tokens;
    let mut at = at;
    while at > 0 && (tokens[at - 1].is_ident("pub") || tokens[at - 1].is_mark(")")) {
        at = if tokens[at - 1].is_mark(")") {
            tokens[at - 1].mate
        } else {
            at - 1
        };
    }
    let close = tokens.get(at.checked_sub(1)?)?;
    let inside = tokens.get(close.mate + 1).filter(|_| close.is_mark("]"))?;
    let value = tokens.get(close.mate + 3)?;
    if inside.is_ident("path") {
        string_content(value).map(ToOwned::to_owned)
    } else {
        None
    }
}

fn split(path: &str) -> (&str, &str) {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    (folder, file.strip_suffix(".rs").unwrap_or(file))
}

/// Joins a folder and a relative path, resolving `..`.
pub fn join(folder: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_candidates(path: &str, text: &str, root: bool) -> Vec<(String, bool)> {
        let source = Source::parse(path, text).unwrap();
        let all = declared(&source, root).into_iter();
        all.map(|d| (d.candidates[0].clone(), d.test)).collect()
    }

    #[test]
    fn modules_of_a_root_lie_beside_it_others_in_the_folder_of_their_name() {
        assert_eq!(
            first_candidates("a/src/lib.rs", "pub mod b;", true),
            [("a/src/b.rs".to_owned(), false)]
        );
        assert_eq!(
            first_candidates("a/src/b.rs", "mod c;", false),
            [("a/src/b/c.rs".to_owned(), false)]
        );
        assert_eq!(
            first_candidates("a/src/b/mod.rs", "mod c;", false),
            [("a/src/b/c.rs".to_owned(), false)]
        );
    }

    #[test]
    fn inline_modules_test_modules_path_attributes_and_includes_are_followed() {
        let text = "mod a { mod b; } #[cfg(test)] mod c; #[path = \"../d.rs\"] pub(crate) mod e; include!(\"f.rs\");";
        let seen = first_candidates("x/src/lib.rs", text, true);
        let want = [
            ("x/src/a/b.rs", false),
            ("x/src/c.rs", true),
            ("x/d.rs", false),
            ("x/src/f.rs", false),
        ];
        assert_eq!(seen, want.map(|(path, test)| (path.to_owned(), test)));
    }
}
