//! Sans-I/O. The patterns people mostly write, `public.orders` and `public.(orders|items)`: compared character by
//! character, without compiling anything.

use super::tree::Node;

/// Alternatives that one pattern may be spread out to.
const MAX_ALTERNATIVES: usize = 256;

/// Sequences of characters and dots, of which one has to match.
#[derive(Debug)]
pub(super) struct Simple {
    alternatives: Vec<Vec<Step>>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Char { char: char, ignore_case: bool },
    Dot { all: bool, unix_lines: bool },
}

impl Simple {
    /// `None` when the tree holds anything but characters, dots, groups and alternatives.
    pub(super) fn of(node: &Node) -> Option<Self> {
        spread(node).map(|alternatives| Simple { alternatives })
    }

    pub(super) fn matches(&self, input: &str) -> bool {
        self.alternatives.iter().any(|steps| {
            let mut rest = input.chars();
            steps
                .iter()
                .all(|step| rest.next().is_some_and(|char| step.matches(char)))
                && rest.next().is_none()
        })
    }
}

impl Step {
    fn matches(self, input: char) -> bool {
        match self {
            Step::Char {
                char,
                ignore_case: false,
            } => char == input,
            Step::Char {
                char,
                ignore_case: true,
            } => char.eq_ignore_ascii_case(&input),
            Step::Dot { all: true, .. } => true,
            Step::Dot { unix_lines: true, .. } => input != '\n',
            Step::Dot { .. } => !matches!(input, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'),
        }
    }
}

/// Groups capture here too, but whether all of the input matches does not depend on them.
fn spread(node: &Node) -> Option<Vec<Vec<Step>>> {
    match node {
        Node::Empty => Some(vec![vec![]]),
        Node::Char { char, ignore_case } => Some(vec![vec![Step::Char {
            char: *char,
            ignore_case: *ignore_case,
        }]]),
        Node::Dot { all, unix_lines } => Some(vec![vec![Step::Dot {
            all: *all,
            unix_lines: *unix_lines,
        }]]),
        Node::Group(body) => spread(body),
        Node::Alternation(nodes) => {
            let spread: Option<Vec<_>> = nodes.iter().map(spread).collect();
            let alternatives: Vec<Vec<Step>> = spread?.into_iter().flatten().collect();
            (alternatives.len() <= MAX_ALTERNATIVES).then_some(alternatives)
        }
        Node::Concat(nodes) => nodes
            .iter()
            .try_fold(vec![vec![]], |mut heads: Vec<Vec<Step>>, node| {
                let tails = spread(node)?;
                if let [tail] = tails.as_slice() {
                    heads.iter_mut().for_each(|head| head.extend_from_slice(tail));
                    return Some(heads);
                }
                if heads.len() * tails.len() > MAX_ALTERNATIVES {
                    return None;
                }
                let join = |head: &Vec<Step>| {
                    tails
                        .iter()
                        .map(|tail| [&head[..], tail].concat())
                        .collect::<Vec<_>>()
                };
                Some(heads.iter().flat_map(join).collect())
            }),
        _ => None,
    }
}
