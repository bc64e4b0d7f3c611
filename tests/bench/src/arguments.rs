//! Sans-I/O: the command line of `cargo bench-limits`.

/// Every metric, in the order they are measured.
pub const METRICS: [&str; 8] = [
    "encode",
    "stream_null_tx100",
    "stream_null_tx1",
    "stream_null_tx1m",
    "stream_kafka",
    "latency_record",
    "idle_rss",
    "start",
];

/// How to use it.
pub const USAGE: &str = "\
usage: cargo bench-limits [--json] [--only METRIC[,METRIC…]] [--pairs N] [--rows N]

Measures ours beside the machine's limit, in turns, on servers of its own (compose/stack), and prints both.

--json        one line of JSON per metric instead of text
--only LIST   encode, stream_null_tx100, stream_null_tx1, stream_null_tx1m, stream_kafka, latency_record, idle_rss, start
--pairs N     rounds that count, besides the first one, which is left out; 5 unless told otherwise
--rows N      rows per run, 1000 at least; 300000 unless told otherwise; stream_null_tx1 takes a third

ROWTIDE_STACK, the path of a stack's env file: measures on that stack instead (its settings are printed)
";

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// Lines of JSON.
    pub json: bool,
    /// The metrics, in the order of [`METRICS`].
    pub metrics: Vec<&'static str>,
    /// Rounds that count.
    pub pairs: usize,
    /// Rows per run.
    pub rows: u64,
}

impl Arguments {
    /// Reads what follows `limits`.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let mut parsed = Self {
            json: false,
            metrics: METRICS.to_vec(),
            pairs: 5,
            rows: 300_000,
        };
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let mut value = || {
                value
                    .clone()
                    .or_else(|| arguments.next())
                    .ok_or(format!("{name} wants a value"))
            };
            match name.as_str() {
                "--json" => parsed.json = true,
                "--only" => parsed.metrics = metrics(&value()?)?,
                "--pairs" => parsed.pairs = at_least(&name, &value()?, 1)? as usize,
                "--rows" => parsed.rows = at_least(&name, &value()?, 1000)?,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(parsed)
    }

    /// Whether one of these metrics was asked for.
    pub fn wants(&self, metrics: &[&str]) -> bool {
        metrics.iter().any(|metric| self.metrics.contains(metric))
    }
}

fn metrics(list: &str) -> Result<Vec<&'static str>, String> {
    let wanted: Vec<_> = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if let Some(unknown) = wanted.iter().find(|name| !METRICS.contains(name)) {
        return Err(format!(
            "unknown metric {unknown}; there are: {}",
            METRICS.join(", ")
        ));
    }
    Ok(METRICS.into_iter().filter(|name| wanted.contains(name)).collect())
}

fn at_least(name: &str, text: &str, least: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("{name} wants a whole number of at least {least}, not {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(ToOwned::to_owned))
    }

    #[test]
    fn options_are_read_in_both_spellings() {
        let all = parse("").unwrap();
        assert_eq!(
            (all.pairs, all.metrics.len(), all.json),
            (5, METRICS.len(), false)
        );
        let some = parse("--json --only start,encode --pairs=2 --rows 1000").unwrap();
        assert_eq!(
            (some.metrics, some.pairs, some.rows),
            (vec!["encode", "start"], 2, 1000)
        );
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (line, word) in [
            ("--fast", "--fast"),
            ("--only encode,sink", "sink"),
            ("--pairs 0", "--pairs"),
            ("--rows x", "--rows"),
            ("--rows", "--rows"),
        ] {
            assert!(parse(line).unwrap_err().contains(word), "{line}");
        }
    }
}
