//! The checker finds what it is there to find: a good run, and each way to spoil it.

use super::*;

fn noted(seq: u64, xid: u64, op: char, version: u64) -> Noted {
    Noted {
        seq,
        xid,
        op,
        version: (op != 'd').then_some(version),
    }
}

/// Key 1: read by the snapshot, updated, deleted. Key 2: created and updated. Key 3: read by the snapshot, never changed.
fn history() -> History {
    History::from([
        (
            1,
            vec![noted(1, 10, 'c', 1), noted(3, 11, 'u', 2), noted(5, 12, 'd', 0)],
        ),
        (2, vec![noted(2, 11, 'c', 3), noted(4, 12, 'u', 4)]),
        (3, vec![noted(0, 9, 'c', 5)]),
    ])
}

fn streamed(commit_lsn: u64, ordinal: u64, id: i64, op: char, version: u64, xid: u64) -> Entry {
    Entry::Streamed {
        at: At {
            commit_lsn,
            ordinal,
            part: 0,
        },
        id,
        what: What::Change {
            op,
            version: (op != 'd').then_some(version),
            xid,
        },
    }
}

fn tombstone(commit_lsn: u64, ordinal: u64, id: i64) -> Entry {
    Entry::Streamed {
        at: At {
            commit_lsn,
            ordinal,
            part: 1,
        },
        id,
        what: What::Tombstone,
    }
}

/// A snapshot, the log, and after a kill its last three records once more.
fn entries() -> Vec<Entry> {
    let log = [
        streamed(100, 1, 2, 'c', 3, 11),
        streamed(100, 2, 1, 'u', 2, 11),
        streamed(200, 1, 2, 'u', 4, 12),
        streamed(200, 2, 1, 'd', 0, 12),
        tombstone(200, 2, 1),
    ];
    let rows = [(3, 5), (1, 1)].map(|(id, version)| Entry::Row { id, version });
    [&rows[..], &log, &log[2..]].concat()
}

fn samples() -> Vec<Sample> {
    vec![Sample {
        confirmed: 150,
        ends: vec![7],
    }]
}

fn checked(history: &History, entries: &[Entry], samples: &[Sample]) -> Outcome {
    let entries = entries.iter().cloned().enumerate();
    let topic = vec![entries.map(|(offset, entry)| (offset as i64, entry)).collect()];
    check(history, &topic, 1, samples)
}

#[test]
fn a_good_run_has_no_breach_and_its_repeats_are_counted() {
    let outcome = checked(&history(), &entries(), &samples());
    assert_eq!(outcome.breaches, [""; 0]);
    assert_eq!((outcome.streamed, outcome.rows), (5, 2));
    assert_eq!(outcome.repeated, [0, 3]);
}

/// The breach that a spoilt topic, history or sample has to show.
fn breach(spoil: impl FnOnce(&mut History, &mut Vec<Entry>, &mut Vec<Sample>)) -> String {
    let (mut history, mut entries, mut samples) = (history(), entries(), samples());
    spoil(&mut history, &mut entries, &mut samples);
    let mut breaches = checked(&history, &entries, &samples).breaches;
    assert!(!breaches.is_empty(), "nothing was found");
    breaches.remove(0)
}

#[test]
fn every_way_to_spoil_a_run_is_found() {
    let never = |at: usize| {
        breach(|_, entries, _| {
            let gone = entries[at].clone();
            entries.retain(|entry| *entry != gone);
        })
    };
    for (at, what) in [
        (0, "missing: no snapshot"),
        (2, "missing: key 2"),
        (4, "missing or invented"),
        (5, "missing or invented"),
        (6, "missing: no tombstone"),
    ] {
        assert!(never(at).starts_with(what), "{at}: {}", never(at));
    }
    let swapped = breach(|_, entries, _| entries.swap(2, 3));
    assert!(swapped.starts_with("order"), "{swapped}");
    let skipped = breach(|_, entries, _| {
        entries.remove(8);
    });
    assert!(skipped.starts_with("order"), "{skipped}");
    let lost_end = breach(|history, _, _| history.get_mut(&2).unwrap().push(noted(6, 13, 'u', 9)));
    assert!(lost_end.starts_with("missing or invented"), "{lost_end}");
    let invented = breach(|history, _, _| {
        history.remove(&2);
    });
    assert!(invented.starts_with("invented"), "{invented}");
    let early = breach(|_, _, samples| samples[0].ends = vec![3]);
    assert!(early.starts_with("confirmed"), "{early}");
    let other = breach(|_, entries, _| entries[7] = streamed(200, 1, 2, 'u', 5, 12));
    assert!(other.starts_with("identity"), "{other}");
    let torn = breach(|history, _, _| history.get_mut(&1).unwrap()[0].xid = 11);
    assert!(torn.starts_with("missing: key 1"), "{torn}");
}
