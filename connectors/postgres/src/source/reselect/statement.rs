//! Sans-I/O: the statements that read values again, and how their answer is read.
//!
//! One call holds three statements, which the server runs in one transaction of READ COMMITTED:
//!
//! 1. which transactions run: a change can be received before its transaction has ended for others (the server sends it once
//!    its commit is in the log; with a synchronous standby, others see it later), and then a read would miss it;
//! 2. the rows, each by its key;
//! 3. which table bears the name: the second statement has locked the table it read, so the name cannot pass to another one
//!    in between.

use std::collections::BTreeSet;

use crate::connection::Row;
use crate::identifier::{TableName, literal, quoted};
use crate::source::record::missing::{Found, Missing};

/// How a table is addressed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Its name; `None`: it does not exist any more.
    pub(super) name: Option<TableName>,
    /// Its rows lie in partitions.
    pub(super) partitioned: bool,
    /// Columns it does not have any more.
    pub(super) lost: BTreeSet<String>,
}

/// What the answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// One for each record that was asked for.
    Found(Vec<Found>),
    /// A transaction is not over yet: ask again.
    Early,
    /// The name belongs to another table by now.
    Renamed,
    /// A key has several rows.
    Ambiguous,
    /// The answer has an unexpected form.
    Odd,
}

/// Asks for records of one table, whose plan they share.
pub(super) struct Question<'a> {
    missing: &'a [&'a Missing],
    /// The columns that are asked for, by their places in the relation.
    columns: Vec<usize>,
    name: &'a TableName,
    partitioned: bool,
}

impl<'a> Question<'a> {
    /// `None`: there is nothing to ask for, the table is gone or has lost every column.
    pub(super) fn new(missing: &'a [&'a Missing], address: &'a Address) -> Option<Self> {
        let plan = &missing.first()?.plan;
        let name_of = |place: &usize| plan.columns.get(*place)?.as_ref().map(|column| &*column.name);
        let wanted: BTreeSet<usize> = missing.iter().flat_map(|of| of.columns.iter().copied()).collect();
        let columns: Vec<_> = wanted
            .into_iter()
            .filter(|place| name_of(place).is_some_and(|name| !address.lost.contains(name)))
            .collect();
        Some(Self {
            missing,
            columns,
            name: address.name.as_ref()?,
            partitioned: address.partitioned,
        })
    }

    fn name_of(&self, place: usize) -> String {
        let plan = &self.missing[0].plan;
        let column = plan.columns.get(place).and_then(Option::as_ref);
        quoted(column.map_or("", |column| &*column.name))
    }

    /// The three statements.
    pub(super) fn sql(&self) -> String {
        // The children of an inheritance parent are tables of their own.
        let only = if self.partitioned { "" } else { "ONLY " };
        let mut columns = String::new();
        for place in &self.columns {
            columns.push_str(", ");
            columns.push_str(&self.name_of(*place));
        }
        let selects: Vec<_> = self
            .missing
            .iter()
            .enumerate()
            .map(|(index, missing)| {
                format!(
                    "(SELECT {index}{columns} FROM {only}{} WHERE {})",
                    self.name.quoted(),
                    self.by_key(missing)
                )
            })
            .collect();
        format!(
            "SELECT pg_catalog.txid_current_snapshot(); {}; SELECT pg_catalog.to_regclass({})::oid",
            selects.join(" UNION ALL "),
            literal(&self.name.quoted())
        )
    }

    /// A literal takes the type of the column it is compared with.
    fn by_key(&self, missing: &Missing) -> String {
        let places = missing.plan.key.iter().flat_map(|key| key.columns.iter());
        let terms: Vec<_> = places
            .zip(&missing.key)
            .map(|(place, text)| match text {
                Some(text) => format!("{} = {}", self.name_of(*place), literal(text)),
                None => format!("{} IS NULL", self.name_of(*place)),
            })
            .collect();
        terms.join(" AND ")
    }

    /// Reads the answer.
    pub(super) fn read(&self, rows: &[Row]) -> Answer {
        let [first, found @ .., last] = rows else {
            return Answer::Odd;
        };
        let text = |row: &'_ Row, index: usize| row.get(index).cloned().flatten();
        let Some(snapshot) = text(first, 0) else {
            return Answer::Odd;
        };
        for xid in self
            .missing
            .iter()
            .map(|missing| missing.xid)
            .collect::<BTreeSet<_>>()
        {
            match is_over(&snapshot, xid) {
                None => return Answer::Odd,
                Some(false) => return Answer::Early,
                Some(true) => {}
            }
        }
        let oid = self.missing[0].plan.oid.to_string();
        if text(last, 0).as_deref() != Some(oid.as_str()) {
            return Answer::Renamed;
        }
        let mut answers = vec![Found::Gone; self.missing.len()];
        for row in found {
            let index = text(row, 0).and_then(|index| index.parse::<usize>().ok());
            let Some((missing, answer)) =
                index.and_then(|index| Some((self.missing.get(index)?, answers.get_mut(index)?)))
            else {
                return Answer::Odd;
            };
            if *answer != Found::Gone {
                return Answer::Ambiguous;
            }
            let value = |place: &usize| {
                let at = self.columns.iter().position(|column| column == place)?;
                Some(text(row, at + 1))
            };
            *answer = Found::Row(missing.columns.iter().map(value).collect());
        }
        Answer::Found(answers)
    }
}

/// Whether a transaction had ended when a snapshot (`xmin:xmax:running,…`) was taken. The stream tells the lower 32 bits of
/// its id.
fn is_over(snapshot: &str, xid: u32) -> Option<bool> {
    let mut parts = snapshot.splitn(3, ':');
    let (oldest, next): (u64, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let running = parts.next()?;
    // Ids that are compared lie within half of 32 bits.
    let distance = xid.wrapping_sub(next as u32).cast_signed();
    let full = next.checked_add_signed(i64::from(distance))?;
    if full < oldest {
        return Some(true);
    }
    let is_running = running.split(',').any(|id| id.parse() == Ok(full));
    Some(full < next && !is_running)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::catalogue::Structures;
    use crate::source::filter::{Filter, FilterLists};
    use crate::source::replication::pgoutput::{Relation, RelationColumn};
    use crate::source::replication::relations::{Compiler, Schemas, TablePlan};
    use crate::source::replication::transaction::tests::settings;

    fn plan() -> Arc<TablePlan> {
        let compiler = Compiler {
            filter: Arc::new(Filter::new(&FilterLists::default()).unwrap()),
            records: settings(|_| {}),
            schemas: Schemas::default(),
        };
        let column = |name: &str, type_oid, identity| RelationColumn {
            identity,
            name: name.into(),
            type_oid,
            modifier: -1,
        };
        let relation = Relation {
            id: 77,
            name: TableName::new("public", "t"),
            identity: b'd',
            columns: vec![
                column("id", 23, true),
                column("k", 25, true),
                column("a", 25, false),
                column("b\"x", 17, false),
            ],
        };
        Arc::new(compiler.compile(&relation, &Structures::default()).unwrap())
    }

    fn address(lost: &[&str]) -> Address {
        Address {
            name: Some(TableName::new("public", "t")),
            partitioned: false,
            lost: lost.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn row(cells: &[Option<&str>]) -> Row {
        cells.iter().map(|cell| cell.map(str::to_owned)).collect()
    }

    /// RS-131.
    #[test]
    fn rows_are_asked_for_by_their_keys_in_one_call() {
        let plan = plan();
        let one = Missing::of(plan.clone(), 5, &[Some("1"), Some("it's")], &[2]);
        let two = Missing::of(plan, 6, &[Some("2"), None], &[2, 3]);
        let (missing, at) = ([&one, &two], address(&[]));
        let question = Question::new(&missing, &at).unwrap();
        assert_eq!(
            question.sql(),
            "SELECT pg_catalog.txid_current_snapshot(); \
             (SELECT 0, \"a\", \"b\"\"x\" FROM ONLY \"public\".\"t\" WHERE \"id\" = '1' AND \"k\" = 'it''s') UNION ALL \
             (SELECT 1, \"a\", \"b\"\"x\" FROM ONLY \"public\".\"t\" WHERE \"id\" = '2' AND \"k\" IS NULL); \
             SELECT pg_catalog.to_regclass('\"public\".\"t\"')::oid"
        );
        let (head, tail) = (row(&[Some("7:7:")]), row(&[Some("77")]));
        let found = row(&[Some("1"), Some("x"), None]);
        assert_eq!(
            question.read(&[head.clone(), found.clone(), tail.clone()]),
            Answer::Found(vec![
                Found::Gone,
                Found::Row(vec![Some(Some("x".into())), Some(None)])
            ])
        );
        let twice = question.read(&[head.clone(), found.clone(), found.clone(), tail.clone()]);
        assert_eq!(twice, Answer::Ambiguous);
        let other = question.read(&[head.clone(), row(&[Some("78")])]);
        assert_eq!(other, Answer::Renamed);
        assert_eq!(question.read(&[head.clone(), row(&[None])]), Answer::Renamed);
        assert_eq!(
            question.read(&[row(&[Some("6:7:6")]), tail.clone()]),
            Answer::Early
        );
        assert_eq!(question.read(&[row(&[Some("6:6:")]), tail]), Answer::Early);
        assert_eq!(question.read(&[head]), Answer::Odd);
    }

    #[test]
    fn a_column_that_is_gone_is_not_asked_for() {
        let one = Missing::of(plan(), 5, &[Some("1"), Some("k")], &[2, 3]);
        let (missing, at) = ([&one], address(&["a"]));
        let question = Question::new(&missing, &at).unwrap();
        assert!(question.sql().contains("(SELECT 0, \"b\"\"x\" FROM"));
        let rows = [
            row(&[Some("7:7:")]),
            row(&[Some("0"), Some("y")]),
            row(&[Some("77")]),
        ];
        let values = vec![None, Some(Some("y".to_owned()))];
        assert_eq!(question.read(&rows), Answer::Found(vec![Found::Row(values)]));
        let nowhere = Address { name: None, ..at };
        assert!(Question::new(&missing, &nowhere).is_none());
    }

    #[test]
    fn a_transaction_is_over_when_no_snapshot_could_miss_it() {
        let running = "100:110:100,105";
        for (xid, over) in [
            (99, true),
            (100, false),
            (101, true),
            (105, false),
            (109, true),
            (110, false),
            (111, false),
        ] {
            assert_eq!(is_over(running, xid), Some(over), "{xid}");
        }
        // The counter's upper half is not in the stream.
        let epoch = 3_u64 << 32;
        let wrapped = format!("{}:{}:{}", epoch - 5, epoch + 3, epoch - 2);
        for (xid, over) in [
            (u32::MAX - 9, true),
            (u32::MAX, true),
            (u32::MAX - 1, false),
            (2, true),
            (3, false),
        ] {
            assert_eq!(is_over(&wrapped, xid), Some(over), "{xid}");
        }
        assert_eq!(is_over("x", 1), None);
    }
}
