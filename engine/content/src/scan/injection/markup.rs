//! Signs rather than words: control tokens of chat templates, turns of another role, hidden
//! comments, links that carry data out.

use std::ops::Range;

use super::Place;
use super::rules::{COMMENT, EXFIL_LINK, ROLE_TAG, TEMPLATE};

/// Looks around one sign that was found at `range`, and reports matches. `pattern` is its number in
/// [`TEMPLATES`] followed by [`MARKS`]; words have higher numbers. Signs come in the order of the text.
pub(super) fn look(
    spoken: &mut Spoken<'_>,
    pattern: usize,
    range: &Range<usize>,
    place: Place,
    mut found: impl FnMut(usize, Range<usize>),
) {
    let text = spoken.text;
    let trigger = text.as_bytes().get(range.clone()).unwrap_or_default();
    match trigger {
        b"<!--" => {
            if let Some(comment) = comment(spoken, range.start) {
                found(COMMENT, comment);
            }
        }
        b"](http" => {
            if let Some(link) = link(text, range) {
                found(EXFIL_LINK, link);
            }
        }
        [b'd' | b'D' | b'f' | b'F' | b'v' | b'V', .., b'e' | b'0' | b'n' | b'E' | b'N']
            if place.within(Place::INBOUND) =>
        {
            if let Some(element) = unseen(spoken, range) {
                found(COMMENT, element);
            }
        }
        _ if pattern < TEMPLATES.len() => found(TEMPLATE, range.clone()),
        _ => {
            if let Some(lower) = MARKS.get(pattern - TEMPLATES.len())
                && is_role_tag(spoken, lower, range, place)
            {
                found(ROLE_TAG, range.clone());
            }
        }
    }
}

/// Control tokens, as literals to search for. Case does not matter.
pub(super) const TEMPLATES: &[&str] = &[
    "<|im_start|>",
    "<|im_end|>",
    "<|im_sep|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|endoftext|>",
    "<|end|>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|python_tag|>",
    "<|header_start|>",
    "<|header_end|>",
    "<|eot|>",
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|return|>",
    "<|call|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|start_of_role|>",
    "<|end_of_role|>",
    "<|endofprompt|>",
    "<|fim_prefix|>",
    "<|start_of_turn_token|>",
    "<|end_of_turn_token|>",
    "<|system_token|>",
    "<|user_token|>",
    "<|chatbot_token|>",
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜user｜>",
    "<｜assistant｜>",
    "<|endofsystem|>",
    "<|diff_marker|>",
    "[inst]",
    "[/inst]",
    "<<sys>>",
    "<</sys>>",
    "[system_prompt]",
    "[/system_prompt]",
    "[available_tools]",
    "[tool_calls]",
    "[tool_results]",
    "\n\nhuman:",
    "\n\nassistant:",
    "<|prompter|>",
    "<|model|>",
    "<|tool_calls_begin|>",
    "<|tool|>",
    "<bos>",
    "<extra_id_1>system",
    "### instruction:",
    "### response:",
    "###instruction",
    "### system:",
];

/// Marks of a turn that is not the author's, to be judged with what stands around them.
pub(super) const MARKS: &[&str] = &[
    "<!--",
    "](http",
    "system:",
    "[system",
    "<system",
    "(system_message",
    "system_message",
    "</system",
    "system_instruction",
    "<important",
    "<secret",
    "<hidden",
    "<instruction",
    "<instructions",
    "admin_override",
    "priority_instruction",
    "system directive",
    "[admin",
    "<admin",
    "system override",
    "system note",
    "{{system",
    "[/system",
    "assistant:",
    "[developer",
    "<developer",
    "begin_system",
    "<assistant",
    "[override",
    "[priority",
    "system prompt:",
    "<user_query",
    "</user_query",
    "</tool_result",
    "</function_results",
    "<function_results",
    "<tool_result",
    "<user>",
    "[instruction",
    "<human>",
    "end of tool",
    "begin system",
    "\"tool_use_id\"",
    "display:none",
    "display: none",
    "font-size:0",
    "font-size: 0",
    "visibility:hidden",
];

/// Words that orders to a model are made of, where they stand in a text. Each byte is looked at once, however many
/// signs stand before it, and each word is counted once for each kind of window.
pub(super) struct Spoken<'t> {
    text: &'t str,
    /// How far words were looked for.
    seen: usize,
    said: Vec<Said>,
    /// What the last windows held: behind a tag, in a comment, in an element.
    sweeps: [Sweep; 3],
    /// Where a comment ends next, and from where that is so.
    close: Range<usize>,
}

/// A word of [`ADDRESSED`] or [`ORDERS`], numbered one after the other.
struct Said {
    at: usize,
    end: usize,
    word: u8,
    /// No word goes on before it, or behind it.
    starts: bool,
    ends: bool,
}

/// The kinds of windows.
#[derive(Clone, Copy)]
enum Behind {
    Tag,
    Comment,
    Element,
}

/// The words that stand by themselves within a window that moves on.
struct Sweep {
    start: usize,
    /// Which of those said are counted.
    counted: Range<usize>,
    counts: [u16; ADDRESSED.len() + ORDERS.len()],
    held: Held,
}

/// A set of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    addressed: u32,
    orders: u64,
}

impl<'t> Spoken<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, seen: 0, said: Vec::new(), sweeps: std::array::from_fn(|_| Sweep::new()), close: 0..0 }
    }

    /// Finds the words that begin within `window`, but for what begins within a word: that counts only where a window
    /// begins.
    fn read(&mut self, window: &Range<usize>) {
        let bytes = self.text.as_bytes();
        let from = self.seen.max(window.start);
        if from >= window.end {
            return;
        }
        let mut inside = self.is_inside(from);
        for (at, byte) in bytes.get(from..window.end).unwrap_or_default().iter().enumerate() {
            if !inside && byte.is_ascii_alphabetic() {
                let at = from + at;
                words_at(bytes, at, &mut |word, end| {
                    // Characters of ASCII say it by themselves.
                    let before = bytes.get(at.wrapping_sub(1)).is_none_or(u8::is_ascii)
                        || !self.text.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
                    let behind = match bytes.get(end) {
                        Some(next) if !next.is_ascii() => {
                            !self.text.get(end..).is_some_and(|after| after.starts_with(char::is_alphanumeric))
                        }
                        next => !next.is_some_and(u8::is_ascii_alphanumeric),
                    };
                    self.said.push(Said { at, end, word, starts: before, ends: behind });
                });
            }
            inside = byte.is_ascii_alphanumeric();
        }
        self.seen = window.end;
    }

    /// The words within `window`. Its bounds cut words off: what is cut stands for itself.
    fn within(&mut self, kind: Behind, window: &Range<usize>) -> Held {
        self.read(window);
        let Some(sweep) = self.sweeps.get_mut(kind as usize) else { return Held::default() };
        // A word that begins before this ends within the window.
        let sure = window.end.saturating_sub(LONGEST).max(window.start);
        sweep.move_to(&self.said, window.start, sure);
        let mut held = sweep.held;
        let (first, next) = (sweep.counted.start, sweep.counted.end);
        let at_start = self.said.iter().skip(first).take_while(|said| said.at == window.start);
        let at_end = self.said.iter().skip(next).take_while(|said| said.at < window.end);
        for said in at_start.chain(at_end) {
            let starts = said.starts || said.at == window.start;
            let ends = said.ends && said.end <= window.end || said.end == window.end;
            if starts && ends {
                held.add(said.word);
            }
        }
        if self.is_inside(window.start) {
            let text = self.text.get(..window.end).unwrap_or(self.text);
            words_at(text.as_bytes(), window.start, &mut |word, end| {
                let next = text.get(end..).and_then(|after| after.chars().next());
                if !next.is_some_and(char::is_alphanumeric) {
                    held.add(word);
                }
            });
        }
        held
    }

    /// True if a word has begun before `at` and goes on there.
    fn is_inside(&self, at: usize) -> bool {
        at.checked_sub(1).and_then(|before| self.text.as_bytes().get(before)).is_some_and(u8::is_ascii_alphanumeric)
    }

    /// Where the first `-->` from `from` on stands, or the end.
    fn close(&mut self, from: usize) -> usize {
        if !self.close.contains(&from) {
            let rest = self.text.as_bytes().get(from..).unwrap_or_default();
            self.close = from..memchr::memmem::find(rest, b"-->").map_or(self.text.len(), |at| from + at);
        }
        self.close.end
    }
}

impl Sweep {
    const fn new() -> Self {
        let held = Held { addressed: 0, orders: 0 };
        Self { start: 0, counted: 0..0, counts: [0; ADDRESSED.len() + ORDERS.len()], held }
    }

    /// Counts what begins from `start` on and before `end`. Windows move on, so each word comes and goes once.
    fn move_to(&mut self, said: &[Said], start: usize, end: usize) {
        if start < self.start {
            let first = said.partition_point(|said| said.at < start);
            *self = Self { counted: first..first, ..Self::new() };
        }
        self.start = start;
        while let Some(one) = said.get(self.counted.end).filter(|one| one.at < end) {
            self.counted.end += 1;
            self.count(one, 1);
        }
        while let Some(one) = said.get(..self.counted.end).and_then(<[Said]>::last).filter(|one| one.at >= end)
            && !self.counted.is_empty()
        {
            self.counted.end -= 1;
            self.count(one, u16::MAX);
        }
        while let Some(one) = said.get(self.counted.start).filter(|one| one.at < start)
            && !self.counted.is_empty()
        {
            self.counted.start += 1;
            self.count(one, u16::MAX);
        }
    }

    /// Counts one word more, or with the greatest number one less.
    fn count(&mut self, said: &Said, more: u16) {
        if !(said.starts && said.ends) {
            return;
        }
        let Some(count) = self.counts.get_mut(usize::from(said.word)) else { return };
        *count = count.wrapping_add(more);
        match *count {
            0 => self.held.remove(said.word),
            _ => self.held.add(said.word),
        }
    }
}

impl Held {
    fn add(&mut self, word: u8) {
        match usize::from(word).checked_sub(ADDRESSED.len()) {
            Some(order) => self.orders |= 1 << order,
            None => self.addressed |= 1 << word,
        }
    }

    fn remove(&mut self, word: u8) {
        match usize::from(word).checked_sub(ADDRESSED.len()) {
            Some(order) => self.orders &= !(1 << order),
            None => self.addressed &= !(1 << word),
        }
    }
}

/// Calls `found` with each word that begins at `at`, and where it ends.
fn words_at(text: &[u8], at: usize, found: &mut dyn FnMut(u8, usize)) {
    let rest = text.get(at..).unwrap_or_default();
    let letter = rest.first().map_or(0, |byte| usize::from(byte & 31));
    let (first, end) = BEGIN.get(letter).copied().unwrap_or((0, 0));
    let head = match rest.first_chunk() {
        Some(four) => u32::from_le_bytes(*four),
        None => rest.iter().rev().fold(0, |bytes, byte| bytes << 8 | u32::from(*byte)),
    } | FOLD;
    for (number, mask, start) in HEADS.get(usize::from(first)..usize::from(end)).unwrap_or_default() {
        if head & mask != *start {
            continue;
        }
        let place = usize::from(*number);
        let word = place.checked_sub(ADDRESSED.len()).map_or_else(|| ADDRESSED.get(place), |order| ORDERS.get(order));
        if let Some(word) = word
            && rest.get(..word.len()).is_some_and(|there| there.eq_ignore_ascii_case(word.as_bytes()))
        {
            found(*number, at + word.len());
        }
    }
}

/// An HTML or XML comment that speaks to a model.
fn comment(spoken: &mut Spoken<'_>, start: usize) -> Option<Range<usize>> {
    let rest = bounds(spoken.text, start + 4, start + 4 + MAX_COMMENT);
    // What the end of the comment reaches beyond the limit is not seen.
    let close = spoken.close(rest.start);
    let end = if close + 3 <= rest.end { close } else { rest.end };
    let words = spoken.within(Behind::Comment, &(rest.start..end));
    (words.addressed & IN_COMMENTS != 0 && words.orders != 0).then(|| start..(end + 3).min(spoken.text.len()))
}

/// The text of an element that is not shown, if it speaks to a model.
fn unseen(spoken: &mut Spoken<'_>, range: &Range<usize>) -> Option<Range<usize>> {
    let text = spoken.text;
    let rest = slice(text, range.end, range.end + MAX_COMMENT);
    let start = rest.get(..rest.len().min(MAX_TAG)).or(Some(rest))?.find('>')? + 1;
    let length = rest.get(start..)?.find('<').unwrap_or(rest.len() - start);
    let inside = range.end + start..range.end + start + length;
    // From the mark on: what the next mark asks for may begin there.
    spoken.read(&(range.end..inside.end));
    let words = spoken.within(Behind::Element, &inside);
    (words.addressed & TO_MODELS != 0 && words.orders != 0).then_some(inside)
}

/// A link or image whose address holds a slot for data.
fn link(text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let start = range.start + 2;
    let rest = slice(text, start, start + MAX_LINK);
    let address = rest.get(..rest.find([')', '\n', '"']).unwrap_or(rest.len()))?;
    let query = address
        .split_once('?')
        .map(|(_, query)| query)
        .or_else(|| address.split_once('#').map(|(_, query)| query))
        .unwrap_or("");
    let slots = address.contains('[') && address.contains(']')
        || query.contains('{') && query.contains('}')
        || query.contains('<') && query.contains('>')
        || query.split(['=', '&']).any(|value| {
            value.len() >= 4
                && value.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
                && SLOTS.iter().any(|word| value.contains(word))
        });
    let names = query.to_ascii_lowercase();
    let image = text.get(..range.start).is_some_and(|before| {
        before.bytes().rev().take(120).find(|byte| matches!(byte, b'[' | b'\n')) == Some(b'[')
            && before.bytes().rev().take(121).skip_while(|byte| *byte != b'[').nth(1) == Some(b'!')
    });
    let carries = image && CARRIED.iter().any(|word| names.contains(word));
    (slots && (image || CARRIED.iter().any(|word| names.contains(word))) || carries)
        .then(|| start..start + address.len())
}

/// A mark such as `[SYSTEM]`, in small letters `lower`: only where it opens a turn and something is told to the model.
#[inline(never)]
fn is_role_tag(spoken: &mut Spoken<'_>, lower: &str, range: &Range<usize>, place: Place) -> bool {
    let text = spoken.text;
    let mark = text.as_bytes().get(range.clone()).unwrap_or_default();
    let before = range.start.checked_sub(1).and_then(|before| text.as_bytes().get(before));
    let window = bounds(text, range.end, range.end + MAX_TURN);
    let after = text.get(window.clone()).unwrap_or_default();
    let shout = mark.iter().all(|byte| !byte.is_ascii_lowercase());
    let certain = matches!(
        lower,
        "(system_message" | "admin_override" | "priority_instruction" | "begin_system" | "<hidden" | "<secret"
    ) && (shout || lower.starts_with(['(', '<']))
        || matches!(lower, "<important" | "<instruction" | "<instructions")
            && place.within(Place::INBOUND)
            && after.trim_start_matches(['s', 'S']).starts_with('>')
            && (shout || place.within(Place::DESCRIPTION))
        // Turns forged: the frame of a tool's answer closed, a message begun, a tag repeated.
        || lower == "end of tool" && place.within(Place::INBOUND) && slice(text, range.end, range.end + 64).contains("ser:")
        || lower == "begin system" && shout && place.within(Place::INBOUND)
        || lower == "\"tool_use_id\"" && place.within(Place::DESCRIPTION)
        || lower == "[system" && after.starts_with("][system]");
    let mut told = |words: u32| spoken.within(Behind::Tag, &window).orders.count_ones() >= words;
    let opens = !before
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'"' | b'\''));
    let bracketed = lower.starts_with(['[', '<', '{', '(']);
    let closed = after.starts_with([']', '>', ':', '}', ')', '/', ' ', '_', '-']) || lower.ends_with(':');
    certain
        || opens
            && closed
            && match () {
                () if bracketed && (shout || place.within(Place::INBOUND) && leaves_frame(text, range.start)) => {
                    told(1)
                }
                () if bracketed && lower.starts_with("<instr") => told(1) && place.within(Place::INBOUND),
                () if bracketed => told(2),
                () if shout => told(1) && place.within(Place::INBOUND),
                // `System:` at the start of a line is a turn, within a line a label.
                () if lower.ends_with(':') => {
                    place.within(Place::INBOUND) && told(3) && matches!(before, None | Some(b'\n'))
                }
                () => lower.starts_with('<') && told(2) || lower == "</system",
            }
}

/// Whether what stands before `at` closes a frame that a client puts around what it did not write itself.
fn leaves_frame(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().trim_end().as_bytes();
    let Some(before) = before.strip_suffix(b">") else { return false };
    // A name that goes on for longer is no frame's: nothing farther away is looked at.
    let near = before.get(before.len().saturating_sub(MAX_FRAME + 2)..).unwrap_or_default();
    let Some(open) = near.windows(2).rposition(|two| two == b"</") else { return false };
    let tag = near.get(open + 2..).unwrap_or_default();
    FRAMES.iter().any(|frame| tag.get(..frame.len()).is_some_and(|start| start.eq_ignore_ascii_case(frame.as_bytes())))
}

/// The part of `text` between two offsets, moved to the next character boundaries.
fn slice(text: &str, from: usize, to: usize) -> &str {
    text.get(bounds(text, from, to)).unwrap_or_default()
}

fn bounds(text: &str, from: usize, to: usize) -> Range<usize> {
    let at = |mut offset: usize| {
        while offset < text.len() && !text.is_char_boundary(offset) {
            offset += 1;
        }
        offset.min(text.len())
    };
    at(from)..at(to)
}

/// For each letter, by its lower five bits, where the words that begin with it stand in [`HEADS`].
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static BEGIN: [(u8, u8); 32] = {
    let mut all = [(0, 0); 32];
    let mut at = 0;
    while at < HEADS.len() {
        let letter = (HEADS[at].2 & 31) as usize;
        if all[letter].1 == 0 {
            all[letter].0 = at as u8;
        }
        all[letter].1 = at as u8 + 1;
        at += 1;
    }
    all
};

/// The words by their first letter: number, which of four bytes there are, and these bytes.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static HEADS: [(u8, u32, u32); ADDRESSED.len() + ORDERS.len()] = {
    let mut all = [(0, 0, 0); ADDRESSED.len() + ORDERS.len()];
    let mut filled = 0;
    let mut letter = b'a';
    while letter <= b'z' {
        let mut number = 0;
        while number < all.len() {
            let word = if number < ADDRESSED.len() { ADDRESSED[number] } else { ORDERS[number - ADDRESSED.len()] };
            let word = word.as_bytes();
            if word[0] == letter {
                let (mut mask, mut head) = (0, 0);
                let mut at = 0;
                while at < 4 && at < word.len() {
                    mask |= 0xff << (8 * at);
                    head |= (word[at] as u32) << (8 * at);
                    at += 1;
                }
                all[filled] = (number as u8, mask, head);
                filled += 1;
            }
            number += 1;
        }
        letter += 1;
    }
    all
};

/// Sets the bit that tells lower from upper case in four bytes; what collides is compared again.
const FOLD: u32 = 0x2020_2020;

/// No word is longer, in bytes.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const LONGEST: usize = {
    let mut longest = 0;
    let mut number = 0;
    while number < ADDRESSED.len() + ORDERS.len() {
        let word = if number < ADDRESSED.len() { ADDRESSED[number] } else { ORDERS[number - ADDRESSED.len()] };
        if word.len() > longest {
            longest = word.len();
        }
        number += 1;
    }
    longest
};

/// How names of frames begin.
const FRAMES: [&str; 10] =
    ["tool", "function", "result", "output", "document", "data", "context", "untrusted", "search", "response"];
const MAX_FRAME: usize = 32;
const MAX_COMMENT: usize = 600;
const MAX_TAG: usize = 120;
const MAX_LINK: usize = 400;
const MAX_TURN: usize = 200;

const ADDRESSED: &[&str] = &[
    "assistant",
    "ai",
    "llm",
    "agent",
    "agents",
    "model",
    "chatbot",
    "chatgpt",
    "claude",
    "copilot",
    "system",
    "important",
    "user",
    "you must",
    "instructions",
    "prompt",
    "tool",
    "say",
    "guidelines",
];
/// Those that make an order of a comment: all but the last.
const IN_COMMENTS: u32 = (1 << (ADDRESSED.len() - 1)) - 1;
/// Those that a text which nobody sees names a model by: the first ten, "instructions" and "guidelines".
const TO_MODELS: u32 = ((1 << 10) - 1) | (1 << 14) | (1 << 18);

const ORDERS: &[&str] = &[
    "ignore",
    "must",
    "always",
    "never",
    "do not",
    "don't",
    "send",
    "run",
    "execute",
    "read",
    "include",
    "output",
    "print",
    "reply",
    "respond",
    "say",
    "tell",
    "disregard",
    "forget",
    "override",
    "bypass",
    "disable",
    "reveal",
    "call",
    "you are",
    "comply",
    "follow",
    "obey",
    "allow",
    "delete",
    "grant",
    "forward",
    "write",
    "get",
    "create",
    "make",
    "visit",
    "transfer",
    "suspended",
    "instead",
    "email",
    "export",
    "upload",
    "fetch",
    "recommend",
    "approve",
    "report",
    "focus",
    "evaluate",
    "provide",
    "consider",
    "really important",
    "if asked",
    "if questioned",
    "answer",
    "state",
];

/// Words in capitals that stand for what is to be filled in.
const SLOTS: [&str; 7] = ["MESSAGE", "DATA", "CONTENT", "PROMPT", "HISTORY", "SUMMARY", "SECRET"];

const CARRIED: &[&str] = &[
    "data=",
    "secret",
    "conversation",
    "history",
    "prompt",
    "token=",
    "exfil",
    "stolen",
    "context=",
    "summary",
    "password",
    "leak",
    "session=",
    "api_key",
    "chat=",
    "user_data",
    "cookie",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a word stands in a text, as the definition says.
    fn has_word(text: &str, word: &str) -> bool {
        text.match_indices(word).any(|(at, found)| {
            let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
            edge(text.get(..at).unwrap().chars().next_back())
                && edge(text.get(at + found.len()..).unwrap().chars().next())
        })
    }

    proptest! {
        #[test]
        fn every_window_holds_its_own_words(
            parts in prop::collection::vec(prop::sample::select(vec![
                "must", "MUST", "do not", "ai", "run", "runs", " ", "é", "-", "you must", "s", "always", "<!--", "tool",
            ]), 0..30),
            windows in prop::collection::vec((0_usize..80, 0_usize..60), 1..6),
        ) {
            let text = parts.concat();
            let mut spoken = Spoken::new(&text);
            let mut windows = windows;
            windows.sort_unstable();
            for ((from, length), kind) in windows.into_iter().zip([Behind::Tag, Behind::Comment].into_iter().cycle()) {
                let window = bounds(&text, from.min(text.len()), from + length);
                let lower = text.get(window.clone()).unwrap().to_ascii_lowercase();
                let words = ADDRESSED.iter().chain(ORDERS).enumerate();
                let mut slow = Held::default();
                words.filter(|(_, word)| has_word(&lower, word)).for_each(|(at, _)| slow.add(at as u8));
                prop_assert_eq!(spoken.within(kind, &window), slow);
            }
        }
    }
}
