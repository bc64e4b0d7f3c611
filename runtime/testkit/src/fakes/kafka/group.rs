//! One consumer group: members, who owns what, and the committed positions. Rebalances are cooperative: a partition moves
//! once its owner has let it go, the others stay where they are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::sink::{Note, Partition};
use rowtide_engine::ports::{CommitError, Committed, TopicPattern};

/// The number of a member, growing in the order they joined.
pub(super) type MemberId = u64;

#[derive(Debug, Default)]
pub(super) struct Group {
    members: BTreeMap<MemberId, Member>,
    owners: BTreeMap<Partition, MemberId>,
    /// Partitions whose owner was asked to let go.
    releasing: BTreeSet<Partition>,
    committed: BTreeMap<Partition, (i64, Option<Note>)>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) client_id: String,
    /// Static membership: a second member of the same name fences the first.
    pub(super) instance: Option<String>,
    pub(super) topics: Wanted,
    /// Where reading starts without a committed position: at the end, not at the start.
    pub(super) from_end: bool,
    events: VecDeque<Change>,
    positions: BTreeMap<Partition, i64>,
    /// Partitions it was told of and not yet told to give up.
    told: BTreeSet<Partition>,
    /// It takes part in rebalances.
    joined: bool,
    fenced: bool,
    /// Its pattern could not be matched.
    failed: Option<Error>,
}

/// Which topics a member subscribed to.
#[derive(Debug)]
pub(super) enum Wanted {
    Names(Vec<String>),
    Matching {
        pattern: Arc<TopicPattern>,
        /// What it meant when the topics were last looked at.
        topics: Option<Vec<String>>,
    },
}

impl Wanted {
    pub(super) fn matching(pattern: Arc<TopicPattern>) -> Self {
        Self::Matching {
            pattern,
            topics: None,
        }
    }

    /// Looks at the topics there are; what the member has to hear of.
    fn look(&mut self, all: &BTreeSet<&str>) -> Result<Option<Change>, Error> {
        let Self::Matching { pattern, topics } = self else {
            return Ok(None);
        };
        let now = pattern.select(all.iter().copied())?;
        if topics.as_ref() == Some(&now) {
            return Ok(None);
        }
        *topics = Some(now.clone());
        Ok(Some(Change::Matched(pattern.clone(), now)))
    }

    fn holds(&self, topic: &str) -> bool {
        match self {
            Self::Names(names) => names.iter().any(|name| name == topic),
            Self::Matching { topics, .. } => topics.iter().flatten().any(|name| name == topic),
        }
    }
}

/// A change on its way to a member.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Assigned(Vec<Committed>),
    Revoked(Vec<Partition>),
    Lost(Vec<Partition>),
    Matched(Arc<TopicPattern>, Vec<String>),
}

impl Member {
    pub(super) fn new(client_id: String, instance: Option<String>, topics: Wanted, from_end: bool) -> Self {
        Self {
            client_id,
            instance,
            topics,
            from_end,
            events: VecDeque::new(),
            positions: BTreeMap::new(),
            told: BTreeSet::new(),
            joined: true,
            fenced: false,
            failed: None,
        }
    }
}

impl Group {
    pub(super) fn join(&mut self, id: MemberId, member: Member, ends: &BTreeMap<Partition, i64>) {
        let same = |other: &Member| member.instance.is_some() && other.instance == member.instance;
        let fenced: Vec<_> = self
            .members
            .iter()
            .filter(|(_, other)| same(other))
            .map(|(id, _)| *id)
            .collect();
        for other in fenced {
            self.lose(other, ends);
            if let Some(other) = self.members.get_mut(&other) {
                other.fenced = true;
            }
        }
        self.members.insert(id, member);
        self.rebalance(ends);
    }

    pub(super) fn leave(&mut self, id: MemberId, ends: &BTreeMap<Partition, i64>) {
        self.members.remove(&id);
        self.free(id);
        self.rebalance(ends);
    }

    /// A member is taken for dead: its partitions go to others at once, and it hears of it afterwards.
    pub(super) fn lose(&mut self, id: MemberId, ends: &BTreeMap<Partition, i64>) {
        self.free(id);
        if let Some(member) = self.members.get_mut(&id) {
            member.joined = false;
            let told = std::mem::take(&mut member.told);
            let mut lost: Vec<_> = told.into_iter().collect();
            // It has not heard of an earlier loss yet: one word tells it of both.
            for change in std::mem::take(&mut member.events) {
                match change {
                    Change::Lost(earlier) => lost.extend(earlier),
                    // What its pattern means is no matter of the group.
                    Change::Matched(..) => member.events.push_back(change),
                    Change::Assigned(_) | Change::Revoked(_) => {}
                }
            }
            member.events.push_back(Change::Lost(lost));
            member.positions.clear();
        }
        self.rebalance(ends);
    }

    pub(super) fn member_of(&self, client_id: &str) -> Option<MemberId> {
        let mut members = self.members.iter();
        members
            .find(|(_, member)| member.client_id == client_id)
            .map(|(id, _)| *id)
    }

    /// The partitions of a client, as the group sees it.
    pub(super) fn owned_by(&self, client_id: &str) -> Vec<Partition> {
        let Some(id) = self.member_of(client_id) else {
            return Vec::new();
        };
        self.owners
            .iter()
            .filter(|(_, owner)| **owner == id)
            .map(|(partition, _)| partition.clone())
            .collect()
    }

    /// The next change a member hears of; one that was lost joins again then, unless it was fenced.
    pub(super) fn take_change(
        &mut self,
        id: MemberId,
        ends: &BTreeMap<Partition, i64>,
    ) -> Option<Result<Change, Error>> {
        let member = self.members.get_mut(&id)?;
        let Some(change) = member.events.pop_front() else {
            if let Some(error) = &member.failed {
                return Some(Err(error.clone()));
            }
            let error = || Error::fatal("another member took over this static membership");
            return member.fenced.then(|| Err(error()));
        };
        match &change {
            Change::Assigned(committed) => member
                .told
                .extend(committed.iter().map(|entry| entry.partition.clone())),
            Change::Revoked(partitions) => member.told.retain(|partition| !partitions.contains(partition)),
            Change::Matched(..) => {}
            Change::Lost(partitions) => {
                member.joined = !member.fenced;
                let nothing = partitions.is_empty();
                self.rebalance(ends);
                if nothing {
                    return self.take_change(id, ends);
                }
            }
        }
        Some(Ok(change))
    }

    /// A member has let partitions go.
    pub(super) fn release(
        &mut self,
        id: MemberId,
        partitions: &[Partition],
        ends: &BTreeMap<Partition, i64>,
    ) {
        for partition in partitions {
            if self.owners.get(partition) == Some(&id) && self.releasing.remove(partition) {
                self.owners.remove(partition);
                if let Some(member) = self.members.get_mut(&id) {
                    member.positions.remove(partition);
                }
            }
        }
        self.rebalance(ends);
    }

    /// Where a member reads on: its partitions that it was told of and that are not on their way out.
    pub(super) fn readable(&self, id: MemberId) -> Vec<(Partition, i64)> {
        let Some(member) = self.members.get(&id) else {
            return Vec::new();
        };
        let readable = member.positions.iter().filter(|(partition, _)| {
            member.told.contains(*partition) && !self.releasing.contains(*partition)
        });
        readable
            .map(|(partition, position)| (partition.clone(), *position))
            .collect()
    }

    pub(super) fn advance(&mut self, id: MemberId, partition: &Partition, position: i64) {
        let known = self
            .members
            .get_mut(&id)
            .and_then(|member| member.positions.get_mut(partition));
        if let Some(known) = known {
            *known = position;
        }
    }

    /// All or nothing: each partition has to be the member's own, as far as it has been told.
    pub(super) fn commit(
        &mut self,
        id: MemberId,
        positions: &[(Partition, i64, Option<Note>)],
    ) -> Result<(), CommitError> {
        let told = self.members.get(&id).map(|member| &member.told);
        let own = |partition: &Partition| {
            let known =
                told.is_some_and(|told| told.contains(partition)) || self.releasing.contains(partition);
            known && self.owners.get(partition) == Some(&id)
        };
        if !positions.iter().all(|(partition, ..)| own(partition)) {
            return Err(CommitError::Rebalanced);
        }
        let too_long = |note: &Note| note.0.len() > Note::BYTES_MAX;
        if positions
            .iter()
            .any(|(.., note)| note.as_ref().is_some_and(too_long))
        {
            return Err(CommitError::Failed(Error::retriable(
                "committing positions: a note is too long",
            )));
        }
        for (partition, position, note) in positions {
            self.committed
                .insert(partition.clone(), (*position, note.clone()));
        }
        Ok(())
    }

    pub(super) fn committed(&self, partition: &Partition) -> Option<(i64, Option<Note>)> {
        self.committed.get(partition).cloned()
    }

    fn free(&mut self, id: MemberId) {
        let owners = std::mem::take(&mut self.owners);
        self.owners = owners.into_iter().filter(|(_, owner)| *owner != id).collect();
        let owners = &self.owners;
        self.releasing.retain(|partition| owners.contains_key(partition));
    }

    /// Moves as few partitions as an even share asks for. `ends` are the partitions there are, with their end offsets.
    pub(super) fn rebalance(&mut self, ends: &BTreeMap<Partition, i64>) {
        self.look(ends);
        let wanted = self.plan(ends);
        let mut revoked = self.without_topic(ends);
        let mut assigned: BTreeMap<MemberId, Vec<Partition>> = BTreeMap::new();
        for (partition, target) in wanted {
            match self.owners.get(&partition) {
                None => assigned.entry(target).or_default().push(partition),
                Some(owner) if *owner != target && !self.releasing.contains(&partition) => {
                    revoked.entry(*owner).or_default().push(partition);
                }
                Some(_) => {}
            }
        }
        for (id, partitions) in revoked {
            self.releasing.extend(partitions.iter().cloned());
            if let Some(member) = self.members.get_mut(&id) {
                member.events.push_back(Change::Revoked(partitions));
            }
        }
        for (id, partitions) in assigned {
            self.assign(id, partitions, ends);
        }
    }

    /// Members with a pattern look at the topics.
    fn look(&mut self, ends: &BTreeMap<Partition, i64>) {
        let topics: BTreeSet<&str> = ends.keys().map(|partition| &*partition.topic).collect();
        for member in self.members.values_mut() {
            match member.topics.look(&topics) {
                Ok(change) => member.events.extend(change),
                Err(error) => member.failed = Some(error),
            }
        }
    }

    /// Partitions that somebody has and whose topic is gone.
    fn without_topic(&self, ends: &BTreeMap<Partition, i64>) -> BTreeMap<MemberId, Vec<Partition>> {
        let mut gone: BTreeMap<MemberId, Vec<Partition>> = BTreeMap::new();
        for (partition, owner) in &self.owners {
            if !ends.contains_key(partition) && !self.releasing.contains(partition) {
                gone.entry(*owner).or_default().push(partition.clone());
            }
        }
        gone
    }

    fn assign(&mut self, id: MemberId, partitions: Vec<Partition>, ends: &BTreeMap<Partition, i64>) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let mut told = Vec::new();
        for partition in partitions {
            let (position, note) = match self.committed.get(&partition) {
                Some((position, note)) => (Some(*position), note.clone()),
                None => (None, None),
            };
            let start = if member.from_end {
                ends.get(&partition).copied().unwrap_or_default()
            } else {
                0
            };
            member
                .positions
                .insert(partition.clone(), position.unwrap_or(start));
            self.owners.insert(partition.clone(), id);
            told.push(Committed {
                partition,
                position,
                note,
            });
        }
        member.events.push_back(Change::Assigned(told));
    }

    fn plan(&self, ends: &BTreeMap<Partition, i64>) -> Vec<(Partition, MemberId)> {
        let joined: Vec<_> = self.members.iter().filter(|(_, member)| member.joined).collect();
        let wants = |member: &Member, partition: &Partition| member.topics.holds(&partition.topic);
        let partitions: Vec<&Partition> = ends
            .keys()
            .filter(|partition| joined.iter().any(|(_, member)| wants(member, partition)))
            .collect();
        let share_max = partitions.len().div_ceil(joined.len().max(1));
        let mut shares: BTreeMap<MemberId, usize> = joined.iter().map(|(id, _)| (**id, 0)).collect();
        let mut plan = Vec::new();
        let mut left = Vec::new();
        for partition in partitions {
            let owner = self.owners.get(partition).filter(|owner| {
                let wanted = self
                    .members
                    .get(owner)
                    .is_some_and(|member| member.joined && wants(member, partition));
                wanted && shares.get(owner).is_some_and(|share| *share < share_max)
            });
            match owner {
                Some(owner) => {
                    shares.entry(*owner).and_modify(|share| *share += 1);
                    plan.push((partition.clone(), *owner));
                }
                None => left.push(partition),
            }
        }
        for partition in left {
            let candidates = joined.iter().filter(|(_, member)| wants(member, partition));
            if let Some(id) = candidates
                .map(|(id, _)| **id)
                .min_by_key(|id| (shares.get(id).copied(), *id))
            {
                shares.entry(id).and_modify(|share| *share += 1);
                plan.push((partition.clone(), id));
            }
        }
        plan
    }
}
