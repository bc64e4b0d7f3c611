//! Sans-I/O: who runs when.

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The limit.
    Limit,
    /// Ours.
    Ours,
}

/// The turns of all rounds: the one that warms up, then `pairs` that count. Each has the limit twice and ours once, and
/// whoever comes first changes from round to round (PF-093).
pub fn turns(pairs: usize) -> Vec<Turn> {
    use Turn::{Limit, Ours};
    let orders = [[Limit, Ours, Limit], [Ours, Limit, Limit], [Limit, Limit, Ours]];
    (0..=pairs)
        .flat_map(|round| orders[round % orders.len()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_the_limit_twice_and_ours_once() {
        let all = turns(5);
        assert_eq!(all.len(), 18);
        for round in all.chunks(3) {
            assert_eq!(round.iter().filter(|turn| **turn == Turn::Ours).count(), 1);
        }
        let firsts = all.chunks(3).filter(|round| round[0] == Turn::Ours).count();
        assert_eq!(firsts, 2);
    }
}
