//! What chance gives is of every kind, and mostly what a database can do.

use std::collections::BTreeMap;

use super::*;

const OWN: Range<i64> = 100..400;
const SHARED: Range<i64> = 1000..1020;

fn changes(seed: u64) -> Changes {
    Changes::new(seed, OWN, SHARED)
}

fn transactions(seed: u64, count: usize) -> Vec<Transaction> {
    let mut changes = changes(seed);
    (0..count).map(|_| changes.transaction()).collect()
}

/// A database that knows keys alone: whether each statement can be done there.
#[derive(Default)]
struct Keys {
    rows: Vec<BTreeSet<i64>>,
    failed: usize,
    idle: usize,
    done: usize,
}

impl Keys {
    fn run(&mut self, transaction: &Transaction) {
        let before = self.rows.clone();
        let mut savepoint = None;
        let mut broken = false;
        for step in &transaction.steps {
            match step {
                Step::Savepoint => savepoint = Some(self.rows.clone()),
                Step::RollbackTo => {
                    self.rows = savepoint.take().expect("a savepoint comes before");
                    broken = false;
                }
                Step::Release => savepoint = None,
                Step::Change(ledger, deed) if !broken => broken = !self.change(*ledger, deed),
                _ => {}
            }
        }
        if broken || !transaction.commits {
            self.rows = before;
        }
    }

    /// False: a key is there twice.
    fn change(&mut self, ledger: usize, deed: &Deed) -> bool {
        let rows = &mut self.rows[ledger];
        let (there, done) = match deed {
            Deed::Insert(new) => (true, new.iter().all(|(key, _)| rows.insert(*key))),
            Deed::Update(keys, _) => (keys.iter().any(|key| rows.contains(key)), true),
            Deed::Delete(keys) => (keys.iter().filter(|key| rows.remove(key)).count() > 0, true),
            Deed::Move(keys, by, _) => {
                let moved: Vec<_> = keys.iter().filter(|key| rows.contains(key)).copied().collect();
                let done = moved.iter().all(|key| {
                    rows.remove(key);
                    rows.insert(key + by)
                });
                (!moved.is_empty(), done)
            }
        };
        self.done += usize::from(done && there);
        self.idle += usize::from(done && !there);
        self.failed += usize::from(!done);
        done
    }
}

#[test]
fn the_same_seed_gives_the_same_changes() {
    assert_eq!(transactions(7, 200), transactions(7, 200));
    assert_ne!(transactions(7, 200), transactions(8, 200));
    assert_eq!(changes(7).script(5), changes(7).script(5));
}

#[test]
fn most_of_what_is_asked_for_can_be_done_and_rows_live_long() {
    let mut keys = Keys {
        rows: vec![BTreeSet::new(); LEDGERS.len()],
        ..Keys::default()
    };
    for transaction in transactions(7, 3000) {
        keys.run(&transaction);
    }
    let all = keys.done + keys.idle + keys.failed;
    assert!(keys.done * 100 > all * 70, "{} of {all}", keys.done);
    assert!(keys.failed > 0, "no transaction breaks");
    for rows in &keys.rows {
        assert!(rows.len() > 150, "{} rows", rows.len());
        assert!(rows.iter().all(|key| OWN.contains(key) || SHARED.contains(key)));
    }
}

/// Whatever a step is, every column is among those it sets, is not, is null, and is of every size.
#[test]
fn every_subset_and_every_size_comes() {
    let mut seen: BTreeMap<(&str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    let all = transactions(7, 4000);
    for step in all.iter().flat_map(|transaction| &transaction.steps) {
        let Step::Change(ledger, deed) = step else {
            continue;
        };
        let ledger = &LEDGERS[*ledger];
        let (kind, sets) = match deed {
            Deed::Insert(rows) => ("insert", &rows[0].1),
            Deed::Update(_, sets) => ("update", sets),
            Deed::Move(_, _, sets) => ("move", sets),
            Deed::Delete(_) => continue,
        };
        for column in ledger.columns() {
            let found = sets.iter().find(|(name, _)| *name == column.name);
            let fate = match found.map(|(_, value)| value.as_str()) {
                None => "left alone",
                Some("null") => "null",
                Some(value) if value == column.name => "itself",
                Some(_) => "set",
            };
            seen.entry((ledger.name, kind, column.name))
                .or_default()
                .insert(fate);
        }
        if sets.is_empty() {
            seen.entry((ledger.name, kind, "all"))
                .or_default()
                .insert("left alone");
        }
    }
    for ledger in LEDGERS {
        for kind in ["insert", "update", "move"] {
            for column in ledger.columns() {
                let fates = &seen[&(ledger.name, kind, column.name)];
                let wanted = 4 - usize::from(column.needed) - usize::from(kind == "insert");
                assert_eq!(
                    fates.len(),
                    wanted,
                    "{} {kind} {}: {fates:?}",
                    ledger.name,
                    column.name
                );
            }
            assert!(seen.contains_key(&(ledger.name, kind, "all")));
        }
    }
    let mut changes = changes(7);
    let sizes: Vec<_> = (0..4000).map(|_| changes.size()).collect();
    assert!(sizes.contains(&0) && sizes.iter().any(|size| *size > 18_000));
    assert!(
        sizes.iter().any(|size| (2000..2100).contains(size)),
        "none about the size where rows are cut down"
    );
}

#[test]
fn everything_that_leaves_no_trace_is_asked_for() {
    let mut changes = changes(7);
    let all: Vec<_> = (0..500).map(|_| changes.transaction()).collect();
    let Asked {
        transactions,
        rollbacks,
        savepoints,
        several_rows,
        rounds,
    } = changes.asked;
    assert_eq!(transactions, 500);
    assert_eq!(
        rollbacks,
        all.iter().filter(|transaction| !transaction.commits).count() as u64
    );
    assert!(
        savepoints > 20 && several_rows > 50 && rounds > 50,
        "{:?}",
        changes.asked
    );
    let steps = |wanted: &Step| {
        all.iter()
            .flat_map(|one| &one.steps)
            .filter(|step| *step == wanted)
            .count()
    };
    assert_eq!(steps(&Step::RollbackTo) as u64, savepoints);
    assert_eq!(
        steps(&Step::Savepoint),
        steps(&Step::RollbackTo) + steps(&Step::Release)
    );
    assert!(steps(&Step::Sleep) > 20 && steps(&Step::Release) > 20);
    let twice = changes.asked.and(changes.asked);
    assert_eq!((twice.transactions, twice.rounds), (1000, 2 * rounds));
}

#[test]
fn statements_read_as_they_are_meant() {
    let of = |ledger: usize, deed: Deed| {
        let mut sql = String::new();
        let steps = vec![Step::Savepoint, Step::Change(ledger, deed), Step::RollbackTo];
        Transaction { steps, commits: true }.write(&mut sql);
        sql.lines().nth(2).expect("a statement").to_owned()
    };
    let set = |column, value: &str| (column, value.to_owned());
    assert_eq!(
        of(
            0,
            Deed::Insert(vec![(1, vec![set("note", "null")]), (2, vec![set("small", "5")])])
        ),
        "insert into ledger (id, note, small) values (1, null, default), (2, default, 5);"
    );
    assert_eq!(
        of(2, Deed::Move(vec![17, 18], 3, vec![set("small", "5")])),
        "update ledger_index set a = ((a * 16 + b) + 3) / 16, b = ((a * 16 + b) + 3) % 16, small = 5 \
         where (a, b) in (((17) / 16, (17) % 16), ((18) / 16, (18) % 16));"
    );
    assert_eq!(
        of(1, Deed::Update(vec![3], vec![])),
        "update ledger_full set outside = outside where (id) in ((3));"
    );
    assert_eq!(
        of(1, Deed::Delete(vec![3, 4])),
        "delete from ledger_full where (id) in ((3), (4));"
    );
}

#[test]
fn what_is_alive_is_learnt() {
    let mut changes = changes(7);
    changes.learn("0\t101\n2\t102\n\nBEGIN\n2\t103\n");
    assert_eq!(
        changes.alive,
        [BTreeSet::from([101]), BTreeSet::new(), BTreeSet::from([102, 103])]
    );
}
