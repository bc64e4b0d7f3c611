//! `rowtide plugins`.

use std::fmt::Write;

use rowtide_api::convert::Serves;
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
        let _ = writeln!(text, "{kind:<16} {}{aliases}", row.class);
    };
    all.sources.iter().for_each(|plugin| add("source", &plugin.row));
    all.sinks.iter().for_each(|plugin| add("sink", &plugin.row));
    all.transforms
        .iter()
        .for_each(|plugin| add("transformation", &plugin.row));
    for plugin in &all.converters {
        let kind = match plugin.serves {
            Serves::Data | Serves::Both => "converter",
            Serves::Headers => "header_converter",
        };
        add(kind, &plugin.row);
    }
    text
}
