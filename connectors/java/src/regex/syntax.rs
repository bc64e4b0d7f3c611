//! Sans-I/O. Reads a pattern by Java's grammar into a tree.

use std::borrow::Cow;

use super::tree::{Anchor, Greed, Node, Tree};
use super::{Case, Problem, class};

/// Longest pattern, in characters: a list of hundreds of names fits.
pub const MAX_PATTERN_CHARS: usize = 20_000;

/// Deepest nesting of groups and classes, which bounds the recursion here and in fancy-regex (64 levels, of which one
/// of ours may take two).
pub const MAX_DEPTH: usize = 30;

/// Largest count of a repetition: identifiers have at most 63 bytes in Postgres, topics 249 in Kafka.
pub const MAX_REPETITIONS: u32 = 1_000;

#[derive(Debug, Clone, Copy)]
pub(super) struct Flags {
    pub(super) ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    unix_lines: bool,
}

/// Parses a whole pattern.
pub(super) fn parse(source: &str, case: Case) -> Result<Tree, Problem> {
    if source.chars().count() > MAX_PATTERN_CHARS {
        return Err(Problem::TooComplex {
            limit: format!("more than {MAX_PATTERN_CHARS} characters").into(),
        });
    }
    let mut parser = Parser {
        tokens: tokens(source),
        at: 0,
        open: Vec::new(),
        groups: 0,
        names: Vec::new(),
        depth: 0,
    };
    let mut flags = Flags {
        ignore_case: case == Case::AsciiInsensitive,
        multi_line: false,
        dot_all: false,
        unix_lines: false,
    };
    let root = parser.alternation(&mut flags)?;
    if parser.peek().is_some() {
        return Err(parser.malformed("unmatched closing ')'"));
    }
    Ok(Tree {
        root,
        groups: parser.groups,
        names: parser.names,
    })
}

/// A character of the pattern; one between `\Q` and `\E` is never an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) char: char,
    pub(super) quoted: bool,
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(source.len());
    let mut rest = source.chars();
    let mut quoting = false;
    while let Some(char) = rest.next() {
        if char != '\\' {
            tokens.push(Token {
                char,
                quoted: quoting,
            });
            continue;
        }
        let next = rest.as_str().chars().next();
        match (quoting, next) {
            (true, Some('E')) | (false, Some('Q')) => {
                quoting = !quoting;
                rest.next();
            }
            (true, _) => tokens.push(Token { char, quoted: true }),
            (false, _) => {
                tokens.push(Token { char, quoted: false });
                // The character behind a backslash begins no escape of its own.
                tokens.extend(rest.next().map(|char| Token { char, quoted: false }));
            }
        }
    }
    tokens
}

pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Groups around the current place.
    open: Vec<usize>,
    /// Groups opened so far.
    groups: usize,
    names: Vec<(String, usize)>,
    depth: usize,
}

impl Parser {
    pub(super) fn peek(&self) -> Option<Token> {
        self.peek_after(0)
    }

    pub(super) fn peek_after(&self, distance: usize) -> Option<Token> {
        self.tokens.get(self.at + distance).copied()
    }

    /// The next character, if it is an operator or part of one.
    pub(super) fn operator(&self) -> Option<char> {
        self.operator_after(0)
    }

    pub(super) fn operator_after(&self, distance: usize) -> Option<char> {
        self.peek_after(distance)
            .filter(|token| !token.quoted)
            .map(|token| token.char)
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// Steps over `operator` if it comes next.
    pub(super) fn take(&mut self, operator: char) -> bool {
        let found = self.operator() == Some(operator);
        self.at += usize::from(found);
        found
    }

    pub(super) fn malformed(&self, what: impl Into<Cow<'static, str>>) -> Problem {
        Problem::Malformed {
            at: self.at,
            what: what.into(),
        }
    }

    pub(super) fn unsupported(&self, construct: impl Into<Cow<'static, str>>) -> Problem {
        Problem::Unsupported {
            at: Some(self.at),
            construct: construct.into(),
        }
    }

    /// Enters a group or class; the caller leaves it by [`Parser::ascend`].
    pub(super) fn descend(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Problem::TooComplex {
                limit: format!("groups nested deeper than {MAX_DEPTH}").into(),
            });
        }
        Ok(())
    }

    pub(super) fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// Flags set by `(?i)` hold to the end of the enclosing group, later alternatives included.
    fn alternation(&mut self, flags: &mut Flags) -> Result<Node, Problem> {
        let mut alternatives = vec![self.sequence(flags)?];
        while self.take('|') {
            alternatives.push(self.sequence(flags)?);
        }
        Ok(match alternatives.len() {
            1 => alternatives.remove(0),
            _ => Node::Alternation(alternatives),
        })
    }

    fn sequence(&mut self, flags: &mut Flags) -> Result<Node, Problem> {
        let mut nodes = Vec::new();
        while self.peek().is_some() && !matches!(self.operator(), Some('|' | ')')) {
            if let Some(atom) = self.atom(flags)? {
                nodes.push(self.quantified(atom)?);
            }
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::Concat(nodes),
        })
    }

    /// `None` for a group that only sets flags.
    fn atom(&mut self, flags: &mut Flags) -> Result<Option<Node>, Problem> {
        let Some(token) = self.next() else { return Ok(None) };
        let literal = Node::Char {
            char: token.char,
            ignore_case: flags.ignore_case,
        };
        if token.quoted {
            return Ok(Some(literal));
        }
        let unix_lines = flags.unix_lines;
        Ok(Some(match token.char {
            '(' => return self.group(flags),
            '[' => Node::Class(class::parse(self, *flags)?),
            '\\' => self.escape(*flags)?,
            '.' => Node::Dot {
                all: flags.dot_all,
                unix_lines,
            },
            '^' if flags.multi_line => Node::Anchor(Anchor::LineStart { unix_lines }),
            '^' => Node::Anchor(Anchor::Start),
            '$' if flags.multi_line => Node::Anchor(Anchor::LineEnd { unix_lines }),
            '$' => Node::Anchor(Anchor::LastLineEnd { unix_lines }),
            '*' | '+' | '?' => {
                self.at -= 1;
                return Err(self.malformed(format!("dangling meta character '{}'", token.char)));
            }
            '{' => return Err(self.unsupported("a counted repetition of nothing")),
            _ => literal,
        }))
    }

    fn quantified(&mut self, body: Node) -> Result<Node, Problem> {
        let (min, max) = match self.operator() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.at += 1;
                self.counts()?
            }
            _ => return Ok(body),
        };
        // Of a counted repetition the closing brace is the last character, as the sign is of the others.
        self.at += 1;
        let greed = if self.take('?') {
            Greed::Lazy
        } else if self.take('+') {
            Greed::Possessive
        } else {
            Greed::Greedy
        };
        if self.operator() == Some('{') {
            return Err(self.unsupported("a repetition of a repetition"));
        }
        Ok(Node::Repeat {
            body: Box::new(body),
            min,
            max,
            greed,
        })
    }

    /// The counts of `{n}`, `{n,}` and `{n,m}`, up to the closing brace.
    fn counts(&mut self) -> Result<(u32, Option<u32>), Problem> {
        let min = self
            .count()?
            .ok_or_else(|| self.malformed("illegal repetition"))?;
        let max = if self.take(',') { self.count()? } else { Some(min) };
        if self.operator() != Some('}') {
            return Err(self.malformed("unclosed counted closure"));
        }
        if max.is_some_and(|max| max < min) {
            return Err(self.malformed("illegal repetition range"));
        }
        if min > MAX_REPETITIONS || max.is_some_and(|max| max > MAX_REPETITIONS) {
            let limit = format!("a repetition of more than {MAX_REPETITIONS} times");
            return Err(Problem::TooComplex { limit: limit.into() });
        }
        Ok((min, max))
    }

    fn count(&mut self) -> Result<Option<u32>, Problem> {
        let mut count = None;
        while let Some(digit) = self.operator().and_then(|c| c.to_digit(10)) {
            let value: u32 = count.unwrap_or(0);
            let value = value.checked_mul(10).and_then(|value| value.checked_add(digit));
            count = Some(value.ok_or_else(|| self.malformed("illegal repetition range"))?);
            self.at += 1;
        }
        Ok(count)
    }

    /// Behind `(`.
    fn group(&mut self, flags: &mut Flags) -> Result<Option<Node>, Problem> {
        if !self.take('?') {
            return self.capturing(flags, None).map(Some);
        }
        let look = |behind, negative| {
            move |body| Node::Look {
                behind,
                negative,
                body,
            }
        };
        match self.operator() {
            Some(':') => self.body(*flags, |body| *body).map(Some),
            Some('>') => self.body(*flags, Node::Atomic).map(Some),
            Some('=') => self.body(*flags, look(false, false)).map(Some),
            Some('!') => self.body(*flags, look(false, true)).map(Some),
            Some('<') => {
                self.at += 1;
                match self.operator() {
                    Some('=') => self.body(*flags, look(true, false)).map(Some),
                    Some('!') => self.body(*flags, look(true, true)).map(Some),
                    _ => {
                        let name = self.name()?;
                        self.capturing(flags, Some(name)).map(Some)
                    }
                }
            }
            _ => self.flags(flags),
        }
    }

    fn capturing(&mut self, flags: &Flags, name: Option<String>) -> Result<Node, Problem> {
        self.groups += 1;
        let number = self.groups;
        if let Some(name) = name {
            if self.names.iter().any(|(known, _)| *known == name) {
                return Err(self.malformed(format!("named capturing group <{name}> is already defined")));
            }
            self.names.push((name, number));
        }
        self.open.push(number);
        let body = self.enclosed(*flags)?;
        self.open.pop();
        Ok(Node::Group(Box::new(body)))
    }

    /// Steps over the character that tells the kind of group, and reads its body.
    fn body(&mut self, flags: Flags, wrap: impl FnOnce(Box<Node>) -> Node) -> Result<Node, Problem> {
        self.at += 1;
        let body = self.enclosed(flags)?;
        Ok(wrap(Box::new(body)))
    }

    fn enclosed(&mut self, mut flags: Flags) -> Result<Node, Problem> {
        self.descend()?;
        let body = self.alternation(&mut flags)?;
        self.ascend();
        if !self.take(')') {
            return Err(self.malformed("unclosed group"));
        }
        Ok(body)
    }

    /// `i-s)` or `i-s:…)`, behind `(?`.
    fn flags(&mut self, flags: &mut Flags) -> Result<Option<Node>, Problem> {
        let mut changed = *flags;
        let mut on = true;
        loop {
            match self.operator() {
                Some('i') => changed.ignore_case = on,
                Some('m') => changed.multi_line = on,
                Some('s') => changed.dot_all = on,
                Some('d') => changed.unix_lines = on,
                Some('-') if on => on = false,
                Some(flag @ ('u' | 'U' | 'x')) => {
                    return Err(self.unsupported(format!("the inline flag ({flag})")));
                }
                Some(')') => {
                    self.at += 1;
                    *flags = changed;
                    return Ok(None);
                }
                Some(':') => return self.body(changed, |body| *body).map(Some),
                _ => return Err(self.malformed("unknown inline modifier")),
            }
            self.at += 1;
        }
    }

    /// A name and the `>` behind it.
    fn name(&mut self) -> Result<String, Problem> {
        let mut name = String::new();
        while let Some(char) = self.operator().filter(char::is_ascii_alphanumeric) {
            if name.is_empty() && char.is_ascii_digit() {
                break;
            }
            name.push(char);
            self.at += 1;
        }
        if name.is_empty() {
            return Err(self.malformed("capturing group name does not start with a Latin letter"));
        }
        if !self.take('>') {
            return Err(self.malformed("named capturing group is missing trailing '>'"));
        }
        Ok(name)
    }

    /// Behind a backslash, outside classes.
    fn escape(&mut self, flags: Flags) -> Result<Node, Problem> {
        let anchor = match self.operator() {
            Some('A' | 'G') => Anchor::Start,
            Some('z') => Anchor::End,
            Some('Z') => Anchor::LastLineEnd {
                unix_lines: flags.unix_lines,
            },
            Some('b') if self.operator_after(1) == Some('{') => return Err(self.unsupported("\\b{g}")),
            Some('b') => Anchor::Boundary,
            Some('B') => Anchor::NoBoundary,
            Some('R') => {
                self.at += 1;
                return Ok(Node::LineBreak);
            }
            Some('X') => return Err(self.unsupported("\\X (grapheme clusters)")),
            Some('k') => {
                self.at += 1;
                return self.named_reference(flags);
            }
            Some(digit @ '1'..='9') => return self.reference(digit, flags),
            _ => {
                return Ok(match class::escape(self, flags)? {
                    class::Escape::Char(char) => Node::Char {
                        char,
                        ignore_case: flags.ignore_case,
                    },
                    class::Escape::Set(set) => Node::Class(format!("[{set}]")),
                });
            }
        };
        self.at += 1;
        Ok(Node::Anchor(anchor))
    }

    /// Further digits count as long as so many groups have been opened; the first one always does.
    fn reference(&mut self, first: char, flags: Flags) -> Result<Node, Problem> {
        let mut group = first.to_digit(10).map_or(0, |digit| digit as usize);
        self.at += 1;
        while let Some(digit) = self.operator().and_then(|c| c.to_digit(10)) {
            let longer = group * 10 + digit as usize;
            if longer > self.groups {
                break;
            }
            group = longer;
            self.at += 1;
        }
        self.back_reference(group, flags)
    }

    fn named_reference(&mut self, flags: Flags) -> Result<Node, Problem> {
        if !self.take('<') {
            return Err(self.malformed("\\k is not followed by '<' for named capturing group"));
        }
        let name = self.name()?;
        let Some((_, group)) = self.names.iter().find(|(known, _)| *known == name) else {
            return Err(self.malformed(format!("named capturing group <{name}> does not exist")));
        };
        self.back_reference(*group, flags)
    }

    fn back_reference(&self, group: usize, flags: Flags) -> Result<Node, Problem> {
        if self.open.contains(&group) {
            return Err(self.unsupported("a back-reference inside its own group"));
        }
        if group > self.groups {
            return Err(self.unsupported("a back-reference to a later group"));
        }
        Ok(Node::BackReference {
            group,
            ignore_case: flags.ignore_case,
        })
    }
}
