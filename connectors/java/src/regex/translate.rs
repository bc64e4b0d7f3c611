//! Sans-I/O. Writes a tree in fancy-regex's dialect. Every flag is spelt out, so none is inherited or leaks.

use super::Problem;
use super::class::{LINE_ENDS, WORD, push_char};
use super::tree::{Anchor, Greed, Node, Tree};

/// `\r\n` or one of the vertical characters; Java may try the `\r` alone afterwards.
const LINE_BREAK: &str = r"(?:\x{D}\x{A}|[\x{A}-\x{D}\x{85}\x{2028}\x{2029}])";
/// One line end: `\r\n`, or a `\n` that is not the second half of it, or another.
const LINE_END: &str = r"\x{D}\x{A}|(?<!\x{D})\x{A}|[\x{D}\x{85}\x{2028}\x{2029}]";

/// Longest look-behind of variable length: identifiers have at most 63 bytes in Postgres, and fancy-regex builds an
/// automaton for it before it asks for a size.
const MAX_LOOK_BEHIND_CHARS: u64 = 64;

/// How much of a match will be looked at. The more it is, the more of Java's own ways become visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Observed {
    /// Whether the whole input matches.
    Answer,
    /// Where the first match begins and ends.
    Span,
    /// That, and what the groups captured.
    Groups,
}

/// Writes a tree. Groups capture only when something looks at them: the caller, or a back-reference.
pub(super) fn translate(tree: &Tree, observed: Observed) -> Result<String, Problem> {
    let referred = tree.root.any(&|node| matches!(node, Node::BackReference { .. }));
    let capturing = observed == Observed::Groups || referred;
    let mut writer = Writer {
        out: String::new(),
        capturing,
        spanning: observed >= Observed::Span,
    };
    writer.node(&tree.root)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    /// Java keeps what a group captured also where fancy-regex takes it back, and the other way round: in repetitions
    /// of nothing, in look-arounds, behind possessive quantifiers. As long as nobody looks, that does not matter.
    capturing: bool,
    /// Whether it shows where a match ends, which depends on what an empty round of a loop does: to the caller, or to
    /// what follows an atomic group.
    spanning: bool,
}

impl Writer {
    /// Writes a node where a sequence may stand.
    fn node(&mut self, node: &Node) -> Result<(), Problem> {
        match node {
            Node::Empty => {}
            Node::Char {
                char,
                ignore_case: true,
            } if char.is_ascii_alphabetic() => {
                self.out
                    .extend(['[', char.to_ascii_uppercase(), char.to_ascii_lowercase(), ']']);
            }
            Node::Char { char, .. } => push_char(*char, &mut self.out),
            Node::Dot { all: true, .. } => self.out.push_str(r"[\x{0}-\x{10FFFF}]"),
            Node::Dot { unix_lines: true, .. } => self.out.push_str(r"[^\x{A}]"),
            Node::Dot { .. } => self.out.push_str(&format!("[^{LINE_ENDS}]")),
            Node::Class(class) => self.out.push_str(class),
            Node::LineBreak => self.out.push_str(LINE_BREAK),
            Node::Concat(nodes) => {
                for node in nodes {
                    match node {
                        Node::Alternation(_) => self.enclosed("(?:", node)?,
                        _ => self.node(node)?,
                    }
                }
            }
            Node::Alternation(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    if index > 0 {
                        self.out.push('|');
                    }
                    self.node(node)?;
                }
            }
            Node::Group(body) => self.enclosed(if self.capturing { "(" } else { "(?:" }, body)?,
            Node::Atomic(body) => {
                self.refuse_captures(body, "a capturing group inside an atomic group")?;
                let spanning = std::mem::replace(&mut self.spanning, true);
                self.enclosed("(?>", body)?;
                self.spanning = spanning;
            }
            Node::Look {
                behind,
                negative,
                body,
            } => self.look(*behind, *negative, body)?,
            Node::Anchor(anchor) => self.out.push_str(&self::anchor(*anchor)),
            Node::Repeat {
                body,
                min,
                max,
                greed,
            } => self.repeat(body, *min, *max, *greed)?,
            Node::BackReference {
                group,
                ignore_case: false,
            } => self.out.push_str(&format!(r"(?:\{group})")),
            Node::BackReference {
                group,
                ignore_case: true,
            } => self.out.push_str(&format!(r"(?i:\{group})")),
        }
        Ok(())
    }

    fn enclosed(&mut self, open: &str, body: &Node) -> Result<(), Problem> {
        self.out.push_str(open);
        self.node(body)?;
        self.out.push(')');
        Ok(())
    }

    fn refuse_captures(&self, body: &Node, construct: &'static str) -> Result<(), Problem> {
        if self.capturing && body.any(&|node| matches!(node, Node::Group(_))) {
            return Err(unsupported(construct));
        }
        Ok(())
    }

    fn look(&mut self, behind: bool, negative: bool, body: &Node) -> Result<(), Problem> {
        self.refuse_captures(body, "a capturing group inside a look-around")?;
        if behind {
            let longest = body
                .longest()
                .ok_or_else(|| unsupported("a look-behind without a longest match"))?;
            if longest > body.shortest() && longest > MAX_LOOK_BEHIND_CHARS {
                let limit = format!(
                    "a look-behind of variable length and more than {MAX_LOOK_BEHIND_CHARS} characters"
                );
                return Err(Problem::TooComplex { limit: limit.into() });
            }
            if longest > body.shortest() && body.any(&is_fancy) {
                return Err(unsupported(
                    "a look-behind of variable length around an anchor or an atomic group",
                ));
            }
        }
        let open = match (behind, negative) {
            (false, false) => "(?=",
            (false, true) => "(?!",
            (true, false) => "(?<=",
            (true, true) => "(?<!",
        };
        self.enclosed(open, body)
    }

    fn repeat(&mut self, body: &Node, min: u32, max: Option<u32>, greed: Greed) -> Result<(), Problem> {
        if body.longest() == Some(0) {
            return self.repeat_of_nothing(body, min, max);
        }
        self.check_repeat(body, min, max, greed)?;
        let spanning = self.spanning;
        if greed == Greed::Possessive {
            self.spanning = true;
            self.out.push_str("(?>");
        }
        match body {
            Node::Char { .. } | Node::Dot { .. } | Node::Class(_) | Node::Group(_) => self.node(body)?,
            _ => self.enclosed("(?:", body)?,
        }
        self.spanning = spanning;
        match (min, max) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (min, None) => self.out.push_str(&format!("{{{min},}}")),
            (min, Some(max)) if min == max => self.out.push_str(&format!("{{{min}}}")),
            (min, Some(max)) => self.out.push_str(&format!("{{{min},{max}}}")),
        }
        match greed {
            Greed::Greedy => {}
            Greed::Lazy => self.out.push('?'),
            Greed::Possessive => self.out.push(')'),
        }
        Ok(())
    }

    /// Refuses the repetitions that Java carries out in a way of its own.
    fn check_repeat(&self, body: &Node, min: u32, max: Option<u32>, greed: Greed) -> Result<(), Problem> {
        let possessive = greed == Greed::Possessive;
        if body.any(&|node| matches!(node, Node::LineBreak)) {
            // The `\n` of a `\r\n` is given back in a sequence, and not in a repetition.
            return Err(unsupported("a repeated \\R"));
        }
        if possessive {
            self.refuse_captures(body, "a capturing group inside a possessive repetition")?;
            // Not even a required round gives back what the next one would need.
            if min > 1 && body.longest() != Some(body.shortest()) {
                return Err(unsupported(
                    "a possessive repetition, required more than once, of variable length",
                ));
            }
        }
        if max == Some(1) {
            return Ok(());
        }
        if self.capturing && body.any(&|node| captures_inside(node)) {
            return Err(unsupported("a capturing group inside a repeated group"));
        }
        if body.shortest() > 0 {
            return Ok(());
        }
        // An empty round ends the loop, even before the least count, and a possessive one remembers it.
        if min > 1 {
            return Err(unsupported("a least count for something that may be empty"));
        }
        if possessive || self.spanning {
            return Err(unsupported("a repetition of something that may be empty"));
        }
        self.refuse_captures(body, "a repeated group that captures and may be empty")
    }

    /// What has no width says the same however often it is said: once, or not at all.
    fn repeat_of_nothing(&mut self, body: &Node, min: u32, max: Option<u32>) -> Result<(), Problem> {
        self.refuse_captures(body, "a repeated group that captures and is always empty")?;
        let before = self.out.len();
        self.enclosed("(?:", body)?;
        if min == 0 || max == Some(0) {
            self.out.truncate(before);
        }
        Ok(())
    }
}

fn anchor(anchor: Anchor) -> String {
    match anchor {
        Anchor::Start => r"\A".to_owned(),
        Anchor::End => r"\z".to_owned(),
        Anchor::LastLineEnd { unix_lines: true } => r"(?=\x{A}?\z)".to_owned(),
        Anchor::LastLineEnd { unix_lines: false } => format!(r"(?=(?:{LINE_END})?\z)"),
        Anchor::LineEnd { unix_lines: true } => r"(?=\x{A}|\z)".to_owned(),
        Anchor::LineEnd { unix_lines: false } => format!(r"(?={LINE_END}|\z)"),
        // Never at the end of the input, not even of an empty one.
        Anchor::LineStart { unix_lines: true } => r"(?:\A|(?<=\x{A}))(?!\z)".to_owned(),
        Anchor::LineStart { unix_lines: false } => {
            r"(?:\A|(?<=[\x{A}\x{85}\x{2028}\x{2029}])|(?<=\x{D})(?!\x{A}))(?!\z)".to_owned()
        }
        Anchor::Boundary => format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"),
        Anchor::NoBoundary => format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"),
    }
}

/// What a look-behind of variable length, which is matched backwards, cannot hold.
fn is_fancy(node: &Node) -> bool {
    match node {
        Node::Anchor(anchor) => !matches!(anchor, Anchor::Start | Anchor::End),
        Node::Look { .. }
        | Node::Atomic(_)
        | Node::Repeat {
            greed: Greed::Possessive,
            ..
        } => true,
        _ => false,
    }
}

/// Whether a group or a repetition holds a capturing group.
fn captures_inside(node: &Node) -> bool {
    match node {
        Node::Group(body) | Node::Repeat { body, .. } => body.any(&|node| matches!(node, Node::Group(_))),
        _ => false,
    }
}

fn unsupported(construct: &'static str) -> Problem {
    Problem::Unsupported {
        at: None,
        construct: construct.into(),
    }
}
