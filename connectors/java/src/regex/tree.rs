//! Sans-I/O. A parsed pattern, and what its nodes can tell about themselves.

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    /// Number of capturing groups.
    pub(super) groups: usize,
    /// Named ones: name and number.
    pub(super) names: Vec<(String, usize)>,
}

impl Tree {
    pub(super) fn group_named(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, number)| *number)
    }
}

/// One construct. The flags in force where it stands are resolved in it.
#[derive(Debug)]
pub(super) enum Node {
    Empty,
    Char {
        char: char,
        ignore_case: bool,
    },
    /// A dot.
    Dot {
        all: bool,
        unix_lines: bool,
    },
    /// A class in fancy-regex's text, brackets included.
    Class(String),
    /// `\R`
    LineBreak,
    Concat(Vec<Node>),
    Alternation(Vec<Node>),
    Group(Box<Node>),
    Atomic(Box<Node>),
    Look {
        behind: bool,
        negative: bool,
        body: Box<Node>,
    },
    Anchor(Anchor),
    Repeat {
        body: Box<Node>,
        min: u32,
        max: Option<u32>,
        greed: Greed,
    },
    BackReference {
        group: usize,
        ignore_case: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// `\A`, `\G` (there is no earlier match) and `^`
    Start,
    /// `\z`
    End,
    /// `\Z` and `$`
    LastLineEnd { unix_lines: bool },
    /// `^` under MULTILINE
    LineStart { unix_lines: bool },
    /// `$` under MULTILINE
    LineEnd { unix_lines: bool },
    /// `\b`
    Boundary,
    /// `\B`
    NoBoundary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greed {
    Greedy,
    Lazy,
    Possessive,
}

impl Node {
    /// Whether the node or one inside it is such a one.
    pub(super) fn any(&self, is: &impl Fn(&Node) -> bool) -> bool {
        is(self)
            || match self {
                Node::Concat(nodes) | Node::Alternation(nodes) => nodes.iter().any(|node| node.any(is)),
                Node::Group(body)
                | Node::Atomic(body)
                | Node::Look { body, .. }
                | Node::Repeat { body, .. } => body.any(is),
                _ => false,
            }
    }

    /// The least number of characters it matches.
    pub(super) fn shortest(&self) -> u64 {
        match self {
            Node::Empty | Node::Look { .. } | Node::Anchor(_) | Node::BackReference { .. } => 0,
            Node::Char { .. } | Node::Dot { .. } | Node::Class(_) | Node::LineBreak => 1,
            Node::Concat(nodes) => nodes
                .iter()
                .fold(0, |sum: u64, node| sum.saturating_add(node.shortest())),
            Node::Alternation(nodes) => nodes.iter().map(Node::shortest).min().unwrap_or(0),
            Node::Group(body) | Node::Atomic(body) => body.shortest(),
            Node::Repeat { body, min, .. } => body.shortest().saturating_mul(u64::from(*min)),
        }
    }

    /// The greatest number of characters it matches; `None` without a bound.
    pub(super) fn longest(&self) -> Option<u64> {
        match self {
            Node::Empty | Node::Look { .. } | Node::Anchor(_) => Some(0),
            Node::Char { .. } | Node::Dot { .. } | Node::Class(_) => Some(1),
            Node::LineBreak => Some(2),
            Node::Concat(nodes) => nodes
                .iter()
                .try_fold(0, |sum: u64, node| Some(sum.saturating_add(node.longest()?))),
            Node::Alternation(nodes) => nodes
                .iter()
                .try_fold(0, |longest: u64, node| Some(longest.max(node.longest()?))),
            Node::Group(body) | Node::Atomic(body) => body.longest(),
            Node::Repeat { body, max, .. } => match (body.longest(), max) {
                (Some(0), _) | (_, Some(0)) => Some(0),
                (longest, max) => Some(longest?.saturating_mul(u64::from((*max)?))),
            },
            Node::BackReference { .. } => None,
        }
    }
}
