//! Sans-I/O: the order of writes. A lane is one partition key of one table; it has one request in flight, so that writes of
//! a key keep their order (CS-125), and what piles up behind it goes out as one batch of one partition (CS-121).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::mutation::{CellValue, Deed, Mutation};

/// A mutation and whatever must be told when it is done.
#[derive(Debug)]
pub(crate) struct Job<T> {
    pub(crate) mutation: Mutation,
    pub(crate) tag: T,
}

/// Names a lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LaneKey {
    pub(crate) table: usize,
    partition: Arc<[u8]>,
}

/// Jobs of one lane that go out together.
#[derive(Debug)]
pub(crate) struct Group<T> {
    pub(crate) lane: LaneKey,
    /// In the order they came.
    pub(crate) jobs: Vec<Job<T>>,
    /// Indexes of the jobs that are sent; the others are superseded by a later one of the same row (CS-110).
    pub(crate) sent: Vec<usize>,
}

/// How large a group may be, and what its clock promises.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupLimits {
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: usize,
}

/// The clock of a table, as far as collapsing needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaneClock {
    /// Changes of a row never share a timestamp.
    Exact,
    /// They may; then the later one counts.
    Ties,
    /// There is none: one statement at a time.
    Arrival,
}

#[derive(Debug)]
struct Lane<T> {
    queue: VecDeque<Job<T>>,
    busy: bool,
}

/// All lanes of one worker.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    lanes: HashMap<LaneKey, Lane<T>>,
    ready: VecDeque<LaneKey>,
    clocks: Vec<LaneClock>,
    limits: GroupLimits,
}

impl<T> Lanes<T> {
    /// No jobs; `clocks` by table.
    pub(crate) fn new(clocks: Vec<LaneClock>, limits: GroupLimits) -> Self {
        Self {
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            clocks,
            limits,
        }
    }

    /// Queues a job behind the others of its lane.
    pub(crate) fn push(&mut self, job: Job<T>) {
        let key = LaneKey {
            table: job.mutation.table,
            partition: job.mutation.partition().into(),
        };
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            queue: VecDeque::new(),
            busy: false,
        });
        lane.queue.push_back(job);
        if !lane.busy && lane.queue.len() == 1 {
            self.ready.push_back(key);
        }
    }

    /// The next group of a lane that has nothing in flight.
    pub(crate) fn next(&mut self) -> Option<Group<T>> {
        loop {
            let key = self.ready.pop_front()?;
            let clock = self.clocks.get(key.table).copied().unwrap_or(LaneClock::Arrival);
            // A lane whose queue was emptied in between may be listed twice.
            let Some(lane) = self.lanes.get_mut(&key).filter(|lane| !lane.busy) else {
                continue;
            };
            let jobs = cut(&mut lane.queue, clock, self.limits);
            if jobs.is_empty() {
                self.lanes.remove(&key);
                continue;
            }
            lane.busy = true;
            let sent = survivors(&jobs, clock);
            return Some(Group {
                lane: key,
                jobs,
                sent,
            });
        }
    }

    /// The group of this lane is done.
    pub(crate) fn done(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        lane.busy = false;
        if lane.queue.is_empty() {
            self.lanes.remove(key);
        } else {
            self.ready.push_back(key.clone());
        }
    }

    /// Takes out the queued jobs for which `drop` holds.
    pub(crate) fn remove(&mut self, mut drop: impl FnMut(&T) -> bool) -> Vec<Job<T>> {
        let mut removed = Vec::new();
        for lane in self.lanes.values_mut() {
            for job in std::mem::take(&mut lane.queue) {
                if drop(&job.tag) {
                    removed.push(job);
                } else {
                    lane.queue.push_back(job);
                }
            }
        }
        removed
    }
}

fn cut<T>(queue: &mut VecDeque<Job<T>>, clock: LaneClock, limits: GroupLimits) -> Vec<Job<T>> {
    let rows_max = if clock == LaneClock::Arrival {
        1
    } else {
        limits.rows_max
    };
    let mut bytes = 0;
    let mut jobs = Vec::new();
    while let Some(job) = queue.front() {
        bytes += job.mutation.cells.len();
        if !jobs.is_empty() && (jobs.len() >= rows_max || bytes > limits.bytes_max) {
            break;
        }
        jobs.extend(queue.pop_front());
    }
    jobs
}

/// The jobs whose effect a later one of the group does not hide altogether.
fn survivors<T>(jobs: &[Job<T>], clock: LaneClock) -> Vec<usize> {
    (0..jobs.len())
        .filter(|index| {
            !jobs[index + 1..]
                .iter()
                .any(|later| hides(&later.mutation, &jobs[*index].mutation, clock))
        })
        .collect()
}

/// Whether `later` leaves nothing of `earlier` to be seen, so that not sending it changes no cell.
fn hides(later: &Mutation, earlier: &Mutation, clock: LaneClock) -> bool {
    if later.key() != earlier.key() {
        return false;
    }
    let newer = match clock {
        LaneClock::Exact => later.timestamp > earlier.timestamp,
        LaneClock::Ties => later.timestamp >= earlier.timestamp,
        LaneClock::Arrival => false,
    };
    newer
        && match (later.deed, earlier.deed) {
            (Deed::Delete, _) => true,
            // A create after a delete does not hide it: the row's other cells must go.
            (Deed::Insert, Deed::Delete) => false,
            (Deed::Insert, Deed::Insert) => later
                .values()
                .zip(earlier.values())
                .all(|(later, earlier)| later != CellValue::Unset || earlier == CellValue::Unset),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(values: &[i32]) -> Vec<u8> {
        let mut cells = Vec::new();
        for value in values {
            if *value < 0 {
                cells.extend_from_slice(&value.to_be_bytes());
            } else {
                cells.extend_from_slice(&4_i32.to_be_bytes());
                cells.extend_from_slice(&value.to_be_bytes());
            }
        }
        cells
    }

    fn job(tag: u32, deed: Deed, values: &[i32], timestamp: i64) -> Job<u32> {
        Job {
            mutation: Mutation {
                table: 0,
                deed,
                cells: cells(values),
                partition_bytes: 8,
                key_bytes: 16,
                timestamp: Some(timestamp),
                ttl: 0,
                lacks: None,
            },
            tag,
        }
    }

    fn lanes(clock: LaneClock) -> Lanes<u32> {
        Lanes::new(
            vec![clock],
            GroupLimits {
                rows_max: 4,
                bytes_max: 1000,
            },
        )
    }

    fn tags(group: &Group<u32>) -> (Vec<u32>, Vec<u32>) {
        (
            group.jobs.iter().map(|job| job.tag).collect(),
            group.sent.iter().map(|index| group.jobs[*index].tag).collect(),
        )
    }

    /// CS-125: the second write of a key waits for the first; other keys do not.
    #[test]
    fn a_lane_has_one_group_in_flight() {
        let mut lanes = lanes(LaneClock::Exact);
        lanes.push(job(1, Deed::Insert, &[1, 1, 5], 10));
        lanes.push(job(2, Deed::Insert, &[2, 1, 5], 10));
        let first = lanes.next().unwrap();
        lanes.push(job(3, Deed::Insert, &[1, 2, 6], 11));
        let second = lanes.next().unwrap();
        assert_eq!((tags(&first).0, tags(&second).0), (vec![1], vec![2]));
        assert!(lanes.next().is_none());
        lanes.done(&first.lane);
        assert_eq!(tags(&lanes.next().unwrap()).0, [3]);
        lanes.done(&first.lane);
        lanes.done(&second.lane);
        assert!(lanes.next().is_none() && lanes.lanes.is_empty());
    }

    /// CS-121.
    #[test]
    fn a_group_is_cut_by_rows_and_bytes() {
        let mut lanes = lanes(LaneClock::Exact);
        for row in 0..6 {
            lanes.push(job(row, Deed::Insert, &[1, row as i32, 5], 10));
        }
        let group = lanes.next().unwrap();
        assert_eq!(tags(&group).0, [0, 1, 2, 3]);
        lanes.done(&group.lane);
        assert_eq!(tags(&lanes.next().unwrap()).0, [4, 5]);
        let mut small = Lanes::new(
            vec![LaneClock::Exact],
            GroupLimits {
                rows_max: 4,
                bytes_max: 30,
            },
        );
        small.push(job(1, Deed::Insert, &[1, 1, 5], 10));
        small.push(job(2, Deed::Insert, &[1, 2, 5], 10));
        assert_eq!(tags(&small.next().unwrap()).0, [1]);
    }

    /// CS-110: only what a later write of the row hides altogether is left out.
    #[test]
    fn a_flush_sends_the_last_image_of_a_row() {
        let sent = |clock, jobs: Vec<Job<u32>>| {
            let mut lanes = lanes(clock);
            jobs.into_iter().for_each(|job| lanes.push(job));
            tags(&lanes.next().unwrap()).1
        };
        use Deed::{Delete, Insert};
        use LaneClock::{Arrival, Exact, Ties};
        let row = [1, 1, 5];
        assert_eq!(
            sent(Exact, vec![job(1, Insert, &row, 1), job(2, Insert, &row, 2)]),
            [2]
        );
        assert_eq!(
            sent(Exact, vec![job(1, Insert, &row, 1), job(2, Insert, &row, 1)]),
            [1, 2]
        );
        assert_eq!(
            sent(Ties, vec![job(1, Insert, &row, 1), job(2, Insert, &row, 1)]),
            [2]
        );
        assert_eq!(
            sent(Exact, vec![job(1, Insert, &row, 2), job(2, Insert, &row, 1)]),
            [1, 2]
        );
        assert_eq!(
            sent(
                Exact,
                vec![job(1, Insert, &row, 1), job(2, Insert, &[1, 1, -2], 2)]
            ),
            [1, 2]
        );
        assert_eq!(
            sent(
                Exact,
                vec![job(1, Insert, &[1, 1, -2], 1), job(2, Insert, &row, 2)]
            ),
            [2]
        );
        assert_eq!(
            sent(
                Exact,
                vec![
                    job(1, Insert, &row, 1),
                    job(2, Delete, &row[..2], 2),
                    job(3, Insert, &row, 3)
                ]
            ),
            [2, 3]
        );
        assert_eq!(
            sent(
                Exact,
                vec![job(1, Insert, &row, 1), job(2, Insert, &[1, 2, 5], 2)]
            ),
            [1, 2]
        );
        assert_eq!(
            sent(Arrival, vec![job(1, Insert, &row, 1), job(2, Insert, &row, 2)]),
            [1]
        );
    }

    #[test]
    fn removed_jobs_leave_the_others_in_order() {
        let mut lanes = lanes(LaneClock::Exact);
        for tag in 1..=4 {
            lanes.push(job(tag, Deed::Insert, &[1, tag as i32, 5], 10));
        }
        let removed = lanes.remove(|tag| tag % 2 == 0);
        assert_eq!(removed.len(), 2);
        assert_eq!(tags(&lanes.next().unwrap()).0, [1, 3]);
    }
}
