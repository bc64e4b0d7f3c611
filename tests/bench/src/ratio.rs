//! Sans-I/O: paired ratios, their spread, and when they decide nothing.

/// A difference between two runs of the same program above this decides nothing (PF-094).
pub const NOISE_MAX: f64 = 0.10;

/// One round: the limit twice, ours once, in the same unit (rows per second, or microseconds).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Ours.
    pub ours: f64,
    /// The limit, the run that is compared with ours.
    pub limit: f64,
    /// The limit once more, for the control.
    pub again: f64,
}

/// What the rounds say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratios {
    /// Ours, median.
    pub ours: f64,
    /// The limit, median over both of its runs.
    pub limit: f64,
    /// Least ratio of ours to the mean of its round's two limit runs.
    pub min: f64,
    /// Median of the same.
    pub median: f64,
    /// Greatest of the same.
    pub max: f64,
    /// The farthest that two limit runs of one round were apart, as a part of the first.
    pub aa_spread: f64,
    /// Rounds counted; the first one was left out.
    pub n: usize,
}

impl Ratios {
    /// Leaves out the first round, which warms caches, and compares within each of the others.
    ///
    /// # Panics
    /// With fewer than two rounds.
    pub fn of(rounds: &[Round]) -> Self {
        let kept = &rounds[1..];
        assert!(!kept.is_empty(), "one round warms up, at least one counts");
        let ratios = sorted(
            kept.iter()
                .map(|round| round.ours * 2.0 / (round.limit + round.again)),
        );
        let apart = kept.iter().map(|round| (round.again / round.limit - 1.0).abs());
        Self {
            ours: median(&sorted(kept.iter().map(|round| round.ours))),
            limit: median(&sorted(kept.iter().flat_map(|round| [round.limit, round.again]))),
            min: ratios[0],
            median: median(&ratios),
            max: ratios[ratios.len() - 1],
            aa_spread: apart.fold(0.0, f64::max),
            n: kept.len(),
        }
    }

    /// Whether the control was quiet enough for a verdict.
    pub fn is_resolved(&self) -> bool {
        self.aa_spread <= NOISE_MAX
    }
}

/// Values in order.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The middle of sorted values; zero when there are none.
pub fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        even if even % 2 == 0 => f64::midpoint(sorted[half - 1], sorted[half]),
        _ => sorted[half],
    }
}

/// The value below which `part` of the sorted values lie; zero when there are none.
pub fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (part * last as f64).round() as usize;
    sorted.get(at.min(last)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn round(ours: f64, limit: f64, again: f64) -> Round {
        Round { ours, limit, again }
    }

    /// PF-093, PF-094.
    #[test]
    fn the_first_round_warms_up_and_ratios_are_taken_within_a_round() {
        let ratios = Ratios::of(&[
            round(1.0, 900.0, 900.0),
            round(80.0, 100.0, 100.0),
            round(45.0, 50.0, 50.0),
            round(140.0, 200.0, 200.0),
        ]);
        assert_eq!((ratios.min, ratios.median, ratios.max), (0.7, 0.8, 0.9));
        assert_eq!((ratios.ours, ratios.limit, ratios.n), (80.0, 100.0, 3));
        assert!(ratios.is_resolved());
    }

    #[test]
    fn a_limit_that_does_not_agree_with_itself_decides_nothing() {
        let ratios = Ratios::of(&[
            round(1.0, 1.0, 1.0),
            round(80.0, 100.0, 100.0),
            round(80.0, 100.0, 115.0),
        ]);
        assert!((ratios.aa_spread - 0.15).abs() < 1e-9 && !ratios.is_resolved());
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = sorted((1..=101).rev().map(f64::from));
        assert_eq!(
            (percentile(&values, 0.5), percentile(&values, 0.99)),
            (51.0, 100.0)
        );
        assert_eq!(
            (median(&values), median(&values[..2]), median(&[])),
            (51.0, 1.5, 0.0)
        );
    }
}
