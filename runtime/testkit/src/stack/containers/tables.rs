//! Files of `sql`, and what cqlsh prints.

use super::root;

/// The texts of a folder's files, in the order of their names.
pub(super) fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("the folder of the tables can be read");
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let text = |path| std::fs::read_to_string(path).expect("a file of the tables can be read");
    paths.iter().map(text).collect()
}

/// The rows of the tables that cqlsh draws, one a line with tabs between the cells. A cell's own ` | ` would end it.
pub(super) fn rows(printed: &str) -> String {
    let mut rows = String::new();
    let mut inside = false;
    for line in printed.lines() {
        if inside && !line.trim().is_empty() {
            let cells: Vec<_> = line.split(" | ").map(str::trim).collect();
            rows.push_str(&cells.join("\t"));
            rows.push('\n');
        } else {
            // A heading is underlined: `----+----`, or dashes alone.
            inside = line.starts_with('-') && line.chars().all(|c| matches!(c, '-' | '+'));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn rows_are_what_stands_below_each_heading() {
        let printed = "Disabled Query paging.\n\n id | name\n----+------\n  1 |   a-\n  2 | null\n\n(2 rows)\n\n w\n---\n 7\n\n(1 rows)\n";
        assert_eq!(rows(printed), "1\ta-\n2\tnull\n7\n");
        assert_eq!(rows("\n id\n----\n\n(0 rows)\n"), "");
    }
}
