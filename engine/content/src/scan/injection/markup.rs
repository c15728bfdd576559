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
        _ if pattern >= TEMPLATES.len() + MARKS.len() => {}
        _ => {
            if let Some(tag) = role_tag(spoken, range, place) {
                found(ROLE_TAG, tag);
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
/// signs stand before it.
pub(super) struct Spoken<'t> {
    text: &'t str,
    /// How far words were looked for.
    seen: usize,
    said: Vec<Said>,
    /// Where a comment ends next, and from where that is so.
    close: Range<usize>,
}

/// A word of [`ADDRESSED`] or [`ORDERS`], numbered one after the other.
struct Said {
    at: usize,
    end: usize,
    word: usize,
    /// No word goes on before it, or behind it.
    starts: bool,
    ends: bool,
}

impl<'t> Spoken<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, seen: 0, said: Vec::new(), close: 0..0 }
    }

    /// The words within `window`, as bits. Its bounds cut words off: what is cut stands for itself.
    fn within(&mut self, window: &Range<usize>) -> u128 {
        // What begins within a word counts only where a window begins.
        for at in self.seen.max(window.start)..window.end {
            let letter =
                self.text.as_bytes().get(at).is_some_and(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
            if letter && !self.is_inside(at) {
                self.read(at);
            }
        }
        self.seen = self.seen.max(window.end);
        let known = self.said.len();
        if self.is_inside(window.start) {
            self.read(window.start);
        }
        let first = self.said.partition_point(|said| said.at < window.start);
        let inside = self.said.iter().skip(first).filter(|said| said.at < window.end);
        let whole = inside.filter(|said| {
            said.end <= window.end && (said.starts || said.at == window.start) && (said.ends || said.end == window.end)
        });
        let words = whole.fold(0, |all, said| all | 1 << said.word);
        self.said.truncate(known);
        words
    }

    /// True if a word has begun before `at` and goes on there.
    fn is_inside(&self, at: usize) -> bool {
        at.checked_sub(1).and_then(|before| self.text.as_bytes().get(before)).is_some_and(u8::is_ascii_alphanumeric)
    }

    /// Notes the words that begin at `at`.
    fn read(&mut self, at: usize) {
        let bytes = self.text.as_bytes();
        let begin = bytes.get(at).map_or(0, |byte| usize::from(byte & 31));
        let mut words: u128 = BEGIN.get(begin).copied().unwrap_or(0);
        while words != 0 {
            let number = words.trailing_zeros() as usize;
            words &= words - 1;
            let Some(word) = ADDRESSED.get(number).or_else(|| ORDERS.get(number - ADDRESSED.len())) else { break };
            let end = at + word.len();
            if bytes.get(at..end).is_some_and(|there| there.eq_ignore_ascii_case(word.as_bytes())) {
                let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
                let starts = edge(self.text.get(..at).and_then(|before| before.chars().next_back()));
                let ends = edge(self.text.get(end..).and_then(|after| after.chars().next()));
                self.said.push(Said { at, end, word: number, starts, ends });
            }
        }
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

/// An HTML or XML comment that speaks to a model.
fn comment(spoken: &mut Spoken<'_>, start: usize) -> Option<Range<usize>> {
    let rest = bounds(spoken.text, start + 4, start + 4 + MAX_COMMENT);
    // What the end of the comment reaches beyond the limit is not seen.
    let close = spoken.close(rest.start);
    let end = if close + 3 <= rest.end { close } else { rest.end };
    let words = spoken.within(&(rest.start..end));
    let speaks = words & IN_COMMENTS != 0;
    let orders = words >> ADDRESSED.len() != 0;
    (speaks && orders).then(|| start..(end + 3).min(spoken.text.len()))
}

/// The text of an element that is not shown, if it speaks to a model.
fn unseen(spoken: &mut Spoken<'_>, range: &Range<usize>) -> Option<Range<usize>> {
    let text = spoken.text;
    let rest = slice(text, range.end, range.end + MAX_COMMENT);
    let start = rest.get(..rest.len().min(MAX_TAG)).or(Some(rest))?.find('>')? + 1;
    let length = rest.get(start..)?.find('<').unwrap_or(rest.len() - start);
    let inside = range.end + start..range.end + start + length;
    // From the mark on: what the next mark asks for may begin there.
    spoken.within(&(range.end..inside.end));
    let words = spoken.within(&inside);
    (words & TO_MODELS != 0 && words >> ADDRESSED.len() != 0).then_some(inside)
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

/// A mark such as `[SYSTEM]`: only where it opens a turn and something is told to the model.
fn role_tag(spoken: &mut Spoken<'_>, range: &Range<usize>, place: Place) -> Option<Range<usize>> {
    let text = spoken.text;
    let mark = text.get(range.clone())?;
    let lower = mark.to_ascii_lowercase();
    let before = text.get(..range.start)?.bytes().next_back();
    let after = slice(text, range.end, range.end + MAX_TURN);
    let shout = mark.bytes().filter(u8::is_ascii_alphabetic).all(|byte| byte.is_ascii_uppercase());
    let certain = matches!(
        lower.as_str(),
        "(system_message" | "admin_override" | "priority_instruction" | "begin_system" | "<hidden" | "<secret"
    ) && (shout || lower.starts_with(['(', '<']))
        || matches!(lower.as_str(), "<important" | "<instruction" | "<instructions")
            && place.within(Place::INBOUND)
            && after.trim_start_matches(['s', 'S']).starts_with('>')
            && (shout || place.within(Place::DESCRIPTION))
        // Turns forged: the frame of a tool's answer closed, a message begun, a tag repeated.
        || lower == "end of tool" && place.within(Place::INBOUND) && slice(text, range.end, range.end + 64).contains("ser:")
        || lower == "begin system" && shout && place.within(Place::INBOUND)
        || lower == "\"tool_use_id\"" && place.within(Place::DESCRIPTION)
        || lower == "[system" && after.starts_with("][system]");
    let mut told = |words: u32| {
        let window = bounds(text, range.end, range.end + MAX_TURN);
        (spoken.within(&window) >> ADDRESSED.len()).count_ones() >= words
    };
    let opens = !before
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'"' | b'\''));
    let bracketed = lower.starts_with(['[', '<', '{', '(']);
    let closed = after.starts_with([']', '>', ':', '}', ')', '/', ' ', '_', '-']) || lower.ends_with(':');
    let found = certain
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
            };
    found.then(|| range.clone())
}

/// Whether what stands before `at` closes a frame that a client puts around what it did not write itself.
fn leaves_frame(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().trim_end();
    let Some((_, tag)) = before.strip_suffix('>').and_then(|before| before.rsplit_once("</")) else { return false };
    FRAMES.iter().any(|frame| tag.get(..frame.len()).is_some_and(|start| start.eq_ignore_ascii_case(frame)))
        && tag.len() <= MAX_FRAME
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

/// For each letter, by its lower five bits, the words that begin with it.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static BEGIN: [u128; 32] = {
    let mut all = [0; 32];
    let mut number = 0;
    while number < ADDRESSED.len() + ORDERS.len() {
        let word = if number < ADDRESSED.len() { ADDRESSED[number] } else { ORDERS[number - ADDRESSED.len()] };
        all[(word.as_bytes()[0] & 31) as usize] |= 1 << number;
        number += 1;
    }
    all
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
const IN_COMMENTS: u128 = (1 << (ADDRESSED.len() - 1)) - 1;
/// Those that a text which nobody sees names a model by: the first ten, "instructions" and "guidelines".
const TO_MODELS: u128 = ((1 << 10) - 1) | (1 << 14) | (1 << 18);

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
            for (from, length) in windows {
                let window = bounds(&text, from.min(text.len()), from + length);
                let lower = text.get(window.clone()).unwrap().to_ascii_lowercase();
                let words = ADDRESSED.iter().chain(ORDERS).enumerate();
                let slow = words.filter(|(_, word)| has_word(&lower, word)).fold(0, |all, (at, _)| all | 1_u128 << at);
                prop_assert_eq!(spoken.within(&window), slow);
            }
        }
    }
}
