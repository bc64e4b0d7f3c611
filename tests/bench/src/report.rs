//! Sans-I/O: a metric's result as a line of JSON (PF-099) or as text, beside what it aims at.

use serde_json::{Value, json};

use crate::ratio::Ratios;

/// What a metric aims at. Printed, never asserted: a machine is not a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// The median ratio is at least this.
    RatioAtLeast(f64),
    /// The median ratio is at most this.
    RatioAtMost(f64),
    /// Our own figure is at most this.
    AtMost(f64),
}

impl Aim {
    /// `None`: the control was too noisy to say.
    fn is_met(self, ratios: &Ratios) -> Option<bool> {
        match self {
            Self::AtMost(most) => Some(ratios.ours <= most),
            _ if !ratios.is_resolved() => None,
            Self::RatioAtLeast(least) => Some(ratios.median >= least),
            Self::RatioAtMost(most) => Some(ratios.median <= most),
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::RatioAtLeast(least) => format!("ratio at least {least}"),
            Self::RatioAtMost(most) => format!("ratio at most {most}"),
            Self::AtMost(most) => format!("at most {most} {unit}"),
        }
    }
}

/// A metric's result.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name.
    pub metric: String,
    /// The unit of `ours` and `limit`.
    pub unit: &'static str,
    /// What the limit is.
    pub limit: &'static str,
    /// The figures.
    pub ratios: Ratios,
    /// What it aims at.
    pub aim: Aim,
    /// CPU seconds per million rows: ours and the limit's, where rows are counted.
    pub cpu: Option<(f64, f64)>,
    /// Further figures, by name.
    pub more: Vec<(&'static str, f64)>,
}

impl Line {
    /// The result line.
    pub fn json(&self) -> Value {
        let ratios = &self.ratios;
        let mut line = json!({
            "metric": self.metric,
            "unit": self.unit,
            "ours": round(ratios.ours),
            "limit": round(ratios.limit),
            "ratio_min": round(ratios.min),
            "ratio_median": round(ratios.median),
            "ratio_max": round(ratios.max),
            "ours_cpu_s_per_M": self.cpu.map(|cpu| round(cpu.0)),
            "limit_cpu_s_per_M": self.cpu.map(|cpu| round(cpu.1)),
            "aa_spread": round(ratios.aa_spread),
            "n": ratios.n,
            "aim": self.aim.text(self.unit),
            "verdict": self.verdict(),
        });
        if let Value::Object(line) = &mut line {
            line.extend(
                self.more
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), json!(round(*value)))),
            );
        }
        line
    }

    /// The same for a reader.
    pub fn text(&self) -> String {
        let ratios = &self.ratios;
        let mut text = format!(
            "{}\n  ours {} {}, {} {}\n  ratio {} / {} / {} (min, median, max of {}), the limit differed from itself by up to {}\n",
            self.metric,
            shown(ratios.ours),
            self.unit,
            self.limit,
            shown(ratios.limit),
            shown(ratios.min),
            shown(ratios.median),
            shown(ratios.max),
            ratios.n,
            shown(ratios.aa_spread),
        );
        if let Some((ours, limit)) = self.cpu {
            text += &format!(
                "  CPU seconds per million rows: ours {}, limit {}\n",
                shown(ours),
                shown(limit)
            );
        }
        for (name, value) in &self.more {
            text += &format!("  {name} {}\n", shown(*value));
        }
        text + &format!("  aim: {}: {}\n", self.aim.text(self.unit), self.verdict())
    }

    fn verdict(&self) -> &'static str {
        match self.aim.is_met(&self.ratios) {
            Some(true) => "met",
            Some(false) => "missed",
            None => "unresolved",
        }
    }
}

/// Four digits are more than any run repeats.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let unit = 10f64.powf(3.0 - value.abs().log10().floor());
    (value * unit).round() / unit
}

fn shown(value: f64) -> String {
    round(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ratio::Round;

    fn line(aim: Aim, again: f64) -> Line {
        let round = Round {
            ours: 71.23456,
            limit: 100.0,
            again,
        };
        Line {
            metric: "m".into(),
            unit: "rows/s",
            limit: "limit",
            ratios: Ratios::of(&[round, round]),
            aim,
            cpu: Some((2.0, 1.0)),
            more: vec![("rss_peak_mb", 12.0)],
        }
    }

    /// PF-099.
    #[test]
    fn a_line_has_the_agreed_fields() {
        let json = line(Aim::RatioAtLeast(0.7), 100.0).json();
        for field in [
            "metric",
            "ours",
            "limit",
            "ratio_min",
            "ratio_median",
            "ratio_max",
            "ours_cpu_s_per_M",
            "limit_cpu_s_per_M",
            "aa_spread",
            "n",
        ] {
            assert!(!json[field].is_null(), "{field}");
        }
        assert_eq!((&json["ours"], &json["verdict"]), (&json!(71.23), &json!("met")));
    }

    /// PF-094.
    #[test]
    fn a_noisy_control_gives_no_verdict_and_a_miss_is_called_one() {
        assert_eq!(line(Aim::RatioAtLeast(0.7), 120.0).verdict(), "unresolved");
        assert_eq!(line(Aim::RatioAtLeast(0.8), 100.0).verdict(), "missed");
        assert_eq!(line(Aim::RatioAtMost(0.8), 100.0).verdict(), "met");
        assert_eq!(line(Aim::AtMost(70.0), 150.0).verdict(), "missed");
    }
}
