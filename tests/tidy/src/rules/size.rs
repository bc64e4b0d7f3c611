//! Sans-I/O. Sizes: files a reader can hold, functions that fit a screen.

use crate::finding::Finding;
use crate::source::Source;

/// Lines of a file without its inline tests: the size at which the better code bases still read well.
pub const FILE_LINES_MAX: usize = 800;

/// Lines of a function from `fn` to its closing brace: one screen.
pub const FUNCTION_LINES_MAX: usize = 70;

/// Functions that are longer, each with its reason: (file, function, why one piece reads better).
pub const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[(
    "connectors/postgres/src/types/mapping.rs",
    "column_type",
    "a table: one arm per type of Postgres",
)];

/// A file over the cap.
pub fn long_file(source: &Source) -> Option<Finding> {
    let lines = source.lines_without_tests();
    let what = format!("{lines} lines without inline tests, the cap is {FILE_LINES_MAX}");
    let fix = "split it by what its parts are called in the domain";
    (lines > FILE_LINES_MAX).then(|| Finding::new(&source.path, 0, what, fix))
}

/// Functions over the cap, and entries of `listed` that no function needs any more. Test code is free.
pub fn long_functions(sources: &[Source], listed: &[(&str, &str, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut used = vec![false; listed.len()];
    for source in sources {
        let long = source
            .functions()
            .into_iter()
            .filter(|f| !f.test && f.lines > FUNCTION_LINES_MAX);
        for function in long {
            let entry = listed
                .iter()
                .position(|(path, name, _)| *path == source.path && *name == function.name);
            if let Some(entry) = entry {
                used[entry] = true;
                continue;
            }
            let what = format!(
                "`fn {}` has {} lines, the cap is {FUNCTION_LINES_MAX}",
                function.name, function.lines
            );
            let fix = "take a step out and name it, or list it with a reason in LONG_FUNCTIONS of \
                       tests/tidy/src/rules/size.rs";
            found.push(Finding::new(&source.path, function.line, what, fix));
        }
    }
    for ((path, name, reason), _) in listed.iter().zip(&used).filter(|(_, used)| !**used) {
        let what = format!("LONG_FUNCTIONS lists `fn {name}` ({reason}), which is short or gone");
        found.push(Finding::new(*path, 0, what, "remove the entry"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::parse(path, text).unwrap()
    }

    fn function(lines: usize) -> String {
        format!("fn long() {{{}}}\n", "\n".repeat(lines - 1))
    }

    #[test]
    fn a_file_over_the_cap_is_found_unless_its_tests_make_the_length() {
        let long = "// A.\n".repeat(FILE_LINES_MAX + 1);
        assert!(long_file(&source("a/src/b.rs", &long)).is_some());
        let tested = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(long_file(&source("a/src/b.rs", &tested)).is_none());
    }

    #[test]
    fn a_function_over_the_cap_is_found_unless_listed() {
        let files = [source("a/src/b.rs", &function(FUNCTION_LINES_MAX + 1))];
        assert_eq!(long_functions(&files, &[]).len(), 1);
        assert_eq!(long_functions(&files, &[("a/src/b.rs", "long", "a table")]), []);
        let fits = [source("a/src/b.rs", &function(FUNCTION_LINES_MAX))];
        assert_eq!(long_functions(&fits, &[]), []);
    }

    #[test]
    fn an_entry_nobody_needs_is_found() {
        let fits = [source("a/src/b.rs", &function(3))];
        assert_eq!(
            long_functions(&fits, &[("a/src/b.rs", "long", "a table")]).len(),
            1
        );
    }
}
