//! Patterns: a small anchored matcher for the shapes of tokens.
//!
//! A general regular-expression engine searches; here the place is known (the keyword hit), so a
//! pattern is tried at one position only, over bytes, with a fixed budget of steps. Whatever the
//! text and the pattern, one attempt costs at most [`STEPS`] steps and looks at most [`WINDOW`]
//! bytes ahead. An attempt that exhausts its budget is no match; the built-in patterns never do,
//! as a repetition that cannot give back what the rest wants does not backtrack.

use std::ops::Range;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    program: Vec<Inst>,
    groups: usize,
}

impl Pattern {
    /// Compiles a regular expression without look-around, back-references and flags other than a
    /// leading `(?i)`.
    ///
    /// # Errors
    /// A sentence that says what is not understood, and where.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let (text, fold) = match text.strip_prefix("(?i)") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let mut parser = Parser { text: text.as_bytes(), at: 0, groups: 0, fold, depth: 0 };
        let node = parser.alternatives()?;
        if parser.at < parser.text.len() {
            return Err(parser.error("an unmatched `)`"));
        }
        let mut program = Vec::new();
        emit(&node, &mut program)?;
        program.push(Inst::Match);
        settle(&mut program);
        Ok(Self { program, groups: parser.groups })
    }

    /// How many capture groups there are, the whole match not counted.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    /// Tries the pattern at `start` and returns the range of capture `group` (0: the whole match).
    /// `work` counts the steps taken.
    pub(super) fn match_at(&self, text: &[u8], start: usize, group: usize, work: &mut u64) -> Option<Match> {
        let limit = text.len().min(start.saturating_add(WINDOW));
        let mut stack: Vec<Frame> = Vec::new();
        let mut slots: (Option<usize>, Option<usize>) = (None, None);
        let (mut pc, mut at) = (0, start);
        let mut steps = STEPS;
        loop {
            let ok = match self.program.get(pc) {
                None => false,
                Some(Inst::Match) => {
                    *work += u64::from(STEPS - steps);
                    let whole = start..at;
                    let secret = match (group, slots) {
                        (0, _) => whole.clone(),
                        (_, (Some(from), Some(to))) if from <= to => from..to,
                        _ => return None,
                    };
                    return Some(Match { whole, secret });
                }
                Some(Inst::Set(set)) => match text.get(at) {
                    Some(byte) if at < limit && set.has(*byte) => {
                        at += 1;
                        pc += 1;
                        true
                    }
                    _ => false,
                },
                Some(Inst::Repeat { set, min, max, greedy, possessive }) => {
                    let most = at.saturating_add(*max as usize).min(limit);
                    let bytes = text.get(at..most).unwrap_or_default();
                    let run = if *greedy {
                        bytes.iter().position(|byte| !set.has(*byte)).unwrap_or(bytes.len())
                    } else {
                        let least = bytes.get(..*min as usize).unwrap_or_default();
                        if least.len() == *min as usize && least.iter().all(|byte| set.has(*byte)) {
                            *min as usize
                        } else {
                            0
                        }
                    };
                    steps = steps.saturating_sub(u32::try_from(run).unwrap_or(u32::MAX));
                    if run < *min as usize {
                        false
                    } else {
                        if *greedy && run > *min as usize && !possessive {
                            stack.push(Frame::Shorter { pc: pc + 1, least: at + *min as usize, last: at + run });
                        } else if !greedy {
                            stack.push(Frame::Longer { pc, at: at + run, most });
                        }
                        at += run;
                        pc += 1;
                        true
                    }
                }
                Some(Inst::Split(first, second)) => {
                    stack.push(Frame::Try { pc: *second, at });
                    pc = *first;
                    true
                }
                Some(Inst::Jump(target)) => {
                    pc = *target;
                    true
                }
                Some(Inst::Save { slot, end }) => {
                    if *slot == group {
                        stack.push(Frame::Slots(slots));
                        if *end { slots.1 = Some(at) } else { slots.0 = Some(at) }
                    }
                    pc += 1;
                    true
                }
                Some(Inst::Assert(assertion)) => {
                    pc += 1;
                    assertion.holds(text, at)
                }
            };
            steps = steps.saturating_sub(1);
            if steps == 0 {
                *work += u64::from(STEPS);
                return None;
            }
            if ok {
                continue;
            }
            loop {
                match stack.pop() {
                    None => {
                        *work += u64::from(STEPS - steps);
                        return None;
                    }
                    Some(Frame::Slots(before)) => slots = before,
                    Some(Frame::Try { pc: to, at: from }) => {
                        (pc, at) = (to, from);
                        break;
                    }
                    Some(Frame::Shorter { pc: to, least, last }) => {
                        let last = last - 1;
                        if last > least {
                            stack.push(Frame::Shorter { pc: to, least, last });
                        }
                        (pc, at) = (to, last);
                        break;
                    }
                    Some(Frame::Longer { pc: from, at: next, most }) => {
                        if let Some(Inst::Repeat { set, .. }) = self.program.get(from)
                            && next < most
                            && text.get(next).is_some_and(|byte| set.has(*byte))
                        {
                            stack.push(Frame::Longer { pc: from, at: next + 1, most });
                            (pc, at) = (from + 1, next + 1);
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// Where a pattern matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// All of it.
    pub(super) whole: Range<usize>,
    /// The capture group that was asked for.
    pub(super) secret: Range<usize>,
}

/// A choice to come back to.
enum Frame {
    Try { pc: usize, at: usize },
    Shorter { pc: usize, least: usize, last: usize },
    Longer { pc: usize, at: usize, most: usize },
    Slots((Option<usize>, Option<usize>)),
}

#[derive(Clone, Debug)]
enum Inst {
    Set(Set),
    Repeat { set: Set, min: u32, max: u32, greedy: bool, possessive: bool },
    Split(usize, usize),
    Jump(usize),
    Save { slot: usize, end: bool },
    Assert(Assertion),
    Match,
}

#[derive(Clone, Copy, Debug)]
enum Assertion {
    Start,
    End,
    WordBoundary,
    NotWordBoundary,
}

impl Assertion {
    fn holds(self, text: &[u8], at: usize) -> bool {
        let word = |index: Option<usize>| {
            index.and_then(|index| text.get(index)).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        };
        let boundary = word(at.checked_sub(1)) != word(Some(at));
        match self {
            Self::Start => at == 0,
            Self::End => at == text.len(),
            Self::WordBoundary => boundary,
            Self::NotWordBoundary => !boundary,
        }
    }
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set([u64; 4]);

impl Set {
    const EMPTY: Self = Self([0; 4]);

    fn of(byte: u8, fold: bool) -> Self {
        let mut set = Self::EMPTY;
        set.add(byte);
        if fold {
            set.add(byte.to_ascii_lowercase());
            set.add(byte.to_ascii_uppercase());
        }
        set
    }

    fn add(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn add_range(&mut self, from: u8, to: u8, fold: bool) {
        for byte in from..=to {
            self.union(Self::of(byte, fold));
        }
    }

    fn union(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word |= more);
    }

    fn negated(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word & (1 << (byte & 63)) != 0)
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(word, more)| word & more != 0)
    }
}

/// The parsed expression.
#[derive(Clone, Debug)]
enum Node {
    Set(Set),
    Assert(Assertion),
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Group(Option<usize>, Box<Node>),
    Repeat { node: Box<Node>, min: u32, max: u32, greedy: bool },
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    groups: usize,
    fold: bool,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: &[u8]) -> bool {
        let found = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(wanted));
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn error(&self, what: &str) -> String {
        format!("{what} at byte {} of the pattern", self.at)
    }

    fn alternatives(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("groups nested too deep"));
        }
        let mut all = vec![self.sequence()?];
        while self.take(b"|") {
            all.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(if all.len() == 1 { all.pop().unwrap_or(Node::Sequence(Vec::new())) } else { Node::Either(all) })
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut items = Vec::new();
        while let Some(byte) = self.peek() {
            if matches!(byte, b'|' | b')') {
                break;
            }
            let node = self.atom()?;
            items.push(self.repeated(node)?);
        }
        Ok(Node::Sequence(items))
    }

    fn atom(&mut self) -> Result<Node, String> {
        let byte = self.peek().ok_or_else(|| self.error("an unexpected end"))?;
        self.at += 1;
        Ok(match byte {
            b'(' => {
                let group = if self.take(b"?:") {
                    None
                } else if self.peek() == Some(b'?') {
                    return Err(self.error("look-around, named groups and inline flags are not supported"));
                } else {
                    self.groups += 1;
                    Some(self.groups)
                };
                let inner = self.alternatives()?;
                if !self.take(b")") {
                    return Err(self.error("a missing `)`"));
                }
                Node::Group(group, Box::new(inner))
            }
            b'[' => Node::Set(self.class()?),
            b'.' => Node::Set(Set::of(b'\n', false).negated()),
            b'^' => Node::Assert(Assertion::Start),
            b'$' => Node::Assert(Assertion::End),
            b'\\' => match self.peek() {
                Some(b'b') => {
                    self.at += 1;
                    Node::Assert(Assertion::WordBoundary)
                }
                Some(b'B') => {
                    self.at += 1;
                    Node::Assert(Assertion::NotWordBoundary)
                }
                _ => Node::Set(self.escape()?),
            },
            b'*' | b'+' | b'?' | b'{' => return Err(self.error("a repetition of nothing")),
            other => Node::Set(Set::of(other, self.fold)),
        })
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Set, String> {
        let byte = self.peek().ok_or_else(|| self.error("an unexpected end"))?;
        self.at += 1;
        let mut set = Set::EMPTY;
        match byte {
            b'd' | b'D' => set.add_range(b'0', b'9', false),
            b'w' | b'W' => {
                set.add_range(b'0', b'9', false);
                set.add_range(b'a', b'z', true);
                set.add(b'_');
            }
            b's' | b'S' => b" \t\r\n\x0b\x0c".iter().for_each(|space| set.add(*space)),
            b'n' => set.add(b'\n'),
            b't' => set.add(b'\t'),
            b'r' => set.add(b'\r'),
            _ if byte.is_ascii_alphanumeric() => return Err(self.error("an escape that is not supported")),
            _ => set = Set::of(byte, self.fold),
        }
        Ok(if matches!(byte, b'D' | b'W' | b'S') { set.negated() } else { set })
    }

    /// What follows an opening bracket.
    fn class(&mut self) -> Result<Set, String> {
        let negated = self.take(b"^");
        let mut set = Set::EMPTY;
        let mut first = true;
        loop {
            let byte = self.peek().ok_or_else(|| self.error("a missing `]`"))?;
            self.at += 1;
            if byte == b']' && !first {
                return Ok(if negated { set.negated() } else { set });
            }
            first = false;
            if byte == b'\\' {
                set.union(self.escape()?);
                continue;
            }
            let range = self.peek() == Some(b'-') && self.text.get(self.at + 1).is_some_and(|next| *next != b']');
            if !range {
                set.union(Set::of(byte, self.fold));
                continue;
            }
            self.at += 1;
            let last = self.peek().ok_or_else(|| self.error("a missing `]`"))?;
            self.at += 1;
            if last == b'\\' || last < byte {
                return Err(self.error("a bad range"));
            }
            set.add_range(byte, last, self.fold);
        }
    }

    fn repeated(&mut self, node: Node) -> Result<Node, String> {
        let (min, max) = match self.peek() {
            Some(b'?') => (0, 1),
            Some(b'*') => (0, UNBOUNDED),
            Some(b'+') => (1, UNBOUNDED),
            Some(b'{') => return self.counted(node),
            _ => return Ok(node),
        };
        self.at += 1;
        Ok(self.repeat(node, min, max))
    }

    fn counted(&mut self, node: Node) -> Result<Node, String> {
        self.at += 1;
        let min = self.number()?;
        let max = match (self.take(b","), self.peek()) {
            (false, _) => min,
            (true, Some(b'}')) => UNBOUNDED,
            (true, _) => self.number()?,
        };
        if !self.take(b"}") {
            return Err(self.error("a missing `}`"));
        }
        if min > max || min > MAX_COUNT {
            return Err(self.error("a bad repetition"));
        }
        Ok(self.repeat(node, min, max))
    }

    fn repeat(&mut self, node: Node, min: u32, max: u32) -> Node {
        let greedy = !self.take(b"?");
        Node::Repeat { node: Box::new(node), min, max, greedy }
    }

    fn number(&mut self) -> Result<u32, String> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = self.text.get(from..self.at).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.error("a number is missing"))
    }
}

fn emit(node: &Node, program: &mut Vec<Inst>) -> Result<(), String> {
    if program.len() > MAX_PROGRAM {
        return Err("the pattern is too large".to_owned());
    }
    match node {
        Node::Set(set) => program.push(Inst::Set(*set)),
        Node::Assert(assertion) => program.push(Inst::Assert(*assertion)),
        Node::Sequence(items) => items.iter().try_for_each(|item| emit(item, program))?,
        Node::Group(slot, inner) => {
            if let Some(slot) = slot {
                program.push(Inst::Save { slot: *slot, end: false });
            }
            emit(inner, program)?;
            if let Some(slot) = slot {
                program.push(Inst::Save { slot: *slot, end: true });
            }
        }
        Node::Either(all) => {
            let mut jumps = Vec::new();
            for (index, item) in all.iter().enumerate() {
                let split = program.len();
                if index + 1 < all.len() {
                    program.push(Inst::Split(split + 1, 0));
                }
                emit(item, program)?;
                if index + 1 < all.len() {
                    jumps.push(program.len());
                    program.push(Inst::Jump(0));
                    let next = program.len();
                    replace(program, split, Inst::Split(split + 1, next));
                }
            }
            let end = program.len();
            jumps.into_iter().for_each(|jump| replace(program, jump, Inst::Jump(end)));
        }
        Node::Repeat { node, min, max, greedy } => match single(node) {
            Some(set) => {
                program.push(Inst::Repeat { set, min: *min, max: *max, greedy: *greedy, possessive: false });
            }
            None => emit_loop(node, *min, *max, *greedy, program)?,
        },
    }
    Ok(())
}

fn emit_loop(node: &Node, min: u32, max: u32, greedy: bool, program: &mut Vec<Inst>) -> Result<(), String> {
    for _ in 0..min {
        emit(node, program)?;
    }
    let ordered = |into: usize, past: usize| if greedy { Inst::Split(into, past) } else { Inst::Split(past, into) };
    if max == UNBOUNDED {
        let split = program.len();
        program.push(Inst::Match);
        emit(node, program)?;
        program.push(Inst::Jump(split));
        let end = program.len();
        replace(program, split, ordered(split + 1, end));
        return Ok(());
    }
    let mut splits = Vec::new();
    for _ in min..max {
        splits.push(program.len());
        program.push(Inst::Match);
        emit(node, program)?;
    }
    let end = program.len();
    splits.into_iter().for_each(|split| replace(program, split, ordered(split + 1, end)));
    Ok(())
}

/// The one set a node consists of, seen through groups that capture nothing.
fn single(node: &Node) -> Option<Set> {
    match node {
        Node::Set(set) => Some(*set),
        Node::Group(None, inner) => single(inner),
        Node::Sequence(items) => match items.as_slice() {
            [only] => single(only),
            _ => None,
        },
        _ => None,
    }
}

/// Marks the repetitions that need not give anything back: what follows starts with another byte.
fn settle(program: &mut [Inst]) {
    for pc in 0..program.len() {
        let Some(Inst::Repeat { set, .. }) = program.get(pc) else { continue };
        let set = *set;
        let mut next = pc + 1;
        let sure = loop {
            match program.get(next) {
                Some(Inst::Save { .. }) => next += 1,
                Some(Inst::Set(other)) => break !other.meets(&set),
                Some(Inst::Repeat { set: other, min, .. }) => {
                    if other.meets(&set) {
                        break false;
                    }
                    if *min > 0 {
                        break true;
                    }
                    next += 1;
                }
                Some(Inst::Match) => break true,
                _ => break false,
            }
        };
        if let Some(Inst::Repeat { possessive, .. }) = program.get_mut(pc) {
            *possessive = sure;
        }
    }
}

fn replace(program: &mut [Inst], at: usize, with: Inst) {
    if let Some(inst) = program.get_mut(at) {
        *inst = with;
    }
}

/// How far ahead of its start one attempt looks, in bytes.
pub(super) const WINDOW: usize = 512;

/// The most steps one attempt takes.
const STEPS: u32 = 4096;

const UNBOUNDED: u32 = u32::MAX;
const MAX_COUNT: u32 = 512;
const MAX_PROGRAM: usize = 4096;
const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(pattern: &str, text: &str, group: usize) -> Option<String> {
        let found = Pattern::new(pattern).unwrap().match_at(text.as_bytes(), 0, group, &mut 0)?;
        text.get(found.secret).map(str::to_owned)
    }

    #[test]
    fn matches_what_regular_expressions_match() {
        for (pattern, text, group, expected) in [
            ("ab+c", "abbbc", 0, Some("abbbc")),
            ("[a-c]+b", "abcb!", 0, Some("abcb")),
            ("[^x]*?b(.)", "aabz", 1, Some("z")),
            ("(?:ghp|gho)_([a-z]{3})\\b", "gho_abc", 1, Some("abc")),
            ("(?:ghp|gho)_([a-z]{3})\\b", "gho_abcd", 1, None),
            ("a|ab", "ab", 0, Some("a")),
            ("(?:a|ab)$", "ab", 0, Some("ab")),
            ("(?:ab){2,3}c", "ababababc", 0, None),
            ("(?:ab){2,3}c", "abababc", 0, Some("abababc")),
            ("(?:ab)*?abc", "abababc", 0, Some("abababc")),
            ("(?i)Key[-_]?", "kEY_", 0, Some("kEY_")),
            (r"\d{2}\.\w+\s", "12.a_Z x", 0, Some("12.a_Z ")),
            (r"[\w.-]+", "a.b-c d", 0, Some("a.b-c")),
            ("[]a]+", "]a", 0, Some("]a")),
        ] {
            assert_eq!(matched(pattern, text, group).as_deref(), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for pattern in ["(?=a)", "(a", "a)", "[a", "a{3", "a{3,2}", r"\p{L}", "*", r"(a)\1", "(?P<x>a)"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn the_budget_bounds_every_attempt() {
        let pattern = Pattern::new("(?:a+)+(?:a+)+b").unwrap();
        let mut work = 0;
        assert_eq!(pattern.match_at(&[b'a'; 4096], 0, 0, &mut work), None);
        assert!(work <= u64::from(STEPS) + WINDOW as u64);
    }

    #[test]
    fn an_empty_loop_ends() {
        assert_eq!(Pattern::new("(?:a*)*b").unwrap().match_at(b"c", 0, 0, &mut 0), None);
    }
}
