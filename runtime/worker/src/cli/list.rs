//! `rowtide plugins`.

use std::fmt::Write;

use rowtide_api::erased::PluginRow;

use crate::plugins::plugins;

/// One line per plugin: kind, class, aliases.
pub(super) fn text() -> String {
    let all = plugins();
    let mut text = String::new();
    let mut add = |kind: &str, row: &PluginRow| {
        let aliases = if row.aliases.is_empty() {
            String::new()
        } else {
            format!("  (also {})", row.aliases.join(", "))
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{kind:<14} {}{aliases}", row.class);
    };
    all.sources.iter().for_each(|plugin| add("source", &plugin.row));
    all.sinks.iter().for_each(|plugin| add("sink", &plugin.row));
    all.transforms
        .iter()
        .for_each(|plugin| add("transformation", &plugin.row));
    all.converters
        .iter()
        .for_each(|plugin| add("converter", &plugin.row));
    text
}
