//! Fingerprints of text, by which a later text is known to repeat a part of it.
//!
//! A text is read as its letters and digits in lower case, all else left out, so that case, spacing,
//! punctuation and line breaks make no difference; what it says once decoded (percent-encoding, entities,
//! escapes, base64, hexadecimal) is read beside it. Each run of `span` bytes of that has a hash, and one
//! hash of every `span + 1` in a row is kept: the smallest (winnowing; Schleimer, Wilkerson, Aiken: "Winnowing:
//! Local Algorithms for Document Fingerprinting", 2003). The later text is looked up run by run. So
//!
//! - a match means that at least `span` letters and digits in a row are the same, but for chance:
//!   hashes have 40 bits, so a text of n bytes against f fingerprints matches by chance with
//!   probability n·f/2⁴⁰ (64 KiB against a full state: 1 in 5,000; 1 KiB: 1 in 350,000);
//! - every repeated run of `2·span` bytes is found, as long as the fingerprints were not thinned out,
//!   and shorter ones down to `span` with falling odds;
//! - the work is linear in the text.

use std::collections::{BTreeMap, VecDeque};

use crate::json::{Kind, Value};
use crate::scan::each_layer;

/// The fingerprints of everything said in `value`, sorted, [`MAX_PRINTS`] at most: where there are more, those with the
/// smallest hashes are kept, a sample that does not depend on where in the text they stand. A long key is no content: two
/// messages of one shape have it alike. Nor is what the protocol itself says (`io.modelcontextprotocol/…`).
pub(super) fn prints_of(value: Value<'_>, span: usize) -> Vec<u64> {
    let mut found = Vec::new();
    let mut whole = Winnow::new(span);
    walk(value, &is_content, &mut |place, text| {
        let key = if place.is_key() { whole.roller.position } else { u64::MAX };
        normal(text, &mut |byte| found.extend(whole.push(byte, key)));
        each_layer(text, &mut |layer, _| {
            let mut winnow = Winnow::new(span);
            normal(layer, &mut |byte| found.extend(winnow.push(byte, u64::MAX)));
            found.extend(winnow.finish());
        });
    });
    found.extend(whole.finish());
    found.sort_unstable();
    found.dedup();
    found.truncate(MAX_PRINTS);
    found
}

/// Fingerprints to look for, each with the number of the text it is of.
#[derive(Debug)]
pub(super) struct Wanted {
    span: usize,
    /// Sorted.
    prints: Vec<(u64, usize)>,
    /// One bit for each value of the lowest bits of a fingerprint: most runs are of none.
    sieve: Vec<u64>,
}

impl Wanted {
    /// The fingerprints of these texts, made with the same `span`.
    pub(super) fn new<'p>(span: usize, texts: impl IntoIterator<Item = (usize, &'p [u64])>) -> Self {
        let mut prints: Vec<(u64, usize)> = Vec::new();
        for (text, own) in texts {
            prints.extend(own.iter().map(|print| (*print, text)));
        }
        prints.sort_unstable();
        let mut sieve = vec![0; SIEVE_WORDS];
        for (print, _) in &prints {
            if let Some(word) = sieve.get_mut(sieve_word(*print)) {
                *word |= 1 << (print % 64);
            }
        }
        Self { span, prints, sieve }
    }

    /// Looks for what `value` repeats: the texts it repeats, each with the strings and keys in which it does.
    pub(super) fn find<'d>(&self, value: Value<'d>) -> BTreeMap<usize, Places<'d>> {
        let mut hits: BTreeMap<usize, Places<'d>> = BTreeMap::new();
        if self.prints.is_empty() {
            return hits;
        }
        let mut roller = Roller::new(self.span);
        // The values within the last run, each with the position behind its last byte.
        let mut recent: VecDeque<(u64, Value<'d>)> = VecDeque::new();
        walk(value, &|_| true, &mut |place, text| {
            let begin = roller.position;
            recent.push_back((u64::MAX, place));
            normal(text, &mut |byte| {
                let Some(print) = roller.push(byte) else { return };
                let start = roller.position.saturating_sub(self.span as u64);
                while recent.front().is_some_and(|(end, _)| *end <= start) {
                    recent.pop_front();
                }
                for text in self.texts_with(print) {
                    hits.entry(text).or_default().extend(recent.iter().map(|(_, one)| (one.span().start, *one)));
                }
            });
            // What has no letter or digit is in no run.
            if roller.position == begin {
                recent.pop_back();
            } else if let Some((end, _)) = recent.back_mut() {
                *end = roller.position;
            }
            each_layer(text, &mut |layer, _| {
                let mut roller = Roller::new(self.span);
                normal(layer, &mut |byte| {
                    let Some(print) = roller.push(byte) else { return };
                    for text in self.texts_with(print) {
                        hits.entry(text).or_default().insert(place.span().start, place);
                    }
                });
            });
        });
        hits
    }

    fn texts_with(&self, print: u64) -> impl Iterator<Item = usize> {
        let sifted = self.sieve.get(sieve_word(print)).is_some_and(|word| word & (1 << (print % 64)) != 0);
        let from = if sifted { self.prints.partition_point(|(known, _)| *known < print) } else { self.prints.len() };
        let rest = self.prints.get(from..).unwrap_or_default();
        rest.iter().take_while(move |(known, _)| *known == print).map(|(_, text)| *text)
    }
}

/// Values of a document by where they begin.
pub(super) type Places<'d> = BTreeMap<usize, Value<'d>>;

/// Calls `visit` with every key and scalar within `value`, in text order: a key or string by its content,
/// anything else as it is written. Members whose key `enter` refuses are left out.
fn walk<'d>(value: Value<'d>, enter: &dyn Fn(&str) -> bool, visit: &mut dyn FnMut(Value<'d>, &str)) {
    match value.kind() {
        Kind::Object => {
            for (key, value) in value.members() {
                let name = key.as_str().unwrap_or_default();
                if enter(&name) {
                    visit(key, &name);
                    walk(value, enter, visit);
                }
            }
        }
        Kind::Array => value.elements().for_each(|element| walk(element, enter, visit)),
        Kind::String | Kind::Key => visit(value, &value.as_str().unwrap_or_default()),
        Kind::Number | Kind::True | Kind::False | Kind::Null => visit(value, value.raw()),
    }
}

/// False for members by which the protocol speaks of itself.
fn is_content(key: &str) -> bool {
    !key.starts_with("io.modelcontextprotocol/")
}

/// The letters and digits of a text in lower case, as bytes of UTF-8.
fn normal(text: &str, push: &mut impl FnMut(u8)) {
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            push(character.to_ascii_lowercase() as u8);
        } else if !character.is_ascii() && character.is_alphanumeric() {
            for lower in character.to_lowercase() {
                let mut bytes = [0; 4];
                lower.encode_utf8(&mut bytes).bytes().for_each(&mut *push);
            }
        }
    }
}

/// The hash of the last `span` bytes, byte by byte (Karp, Rabin: "Efficient randomized pattern-matching algorithms", 1987).
#[derive(Debug)]
struct Roller {
    last: VecDeque<u8>,
    span: usize,
    hash: u64,
    /// What the oldest byte is worth in the hash.
    weight: u64,
    /// Bytes seen.
    position: u64,
}

impl Roller {
    fn new(span: usize) -> Self {
        let weight = (1..span).fold(1_u64, |weight, _| weight.wrapping_mul(BASE));
        Self { last: VecDeque::with_capacity(span), span, hash: 0, weight, position: 0 }
    }

    /// The fingerprint of the run that ends with this byte, once there is one.
    fn push(&mut self, byte: u8) -> Option<u64> {
        if self.last.len() == self.span
            && let Some(oldest) = self.last.pop_front()
        {
            self.hash = self.hash.wrapping_sub(worth(oldest).wrapping_mul(self.weight));
        }
        self.last.push_back(byte);
        self.hash = self.hash.wrapping_mul(BASE).wrapping_add(worth(byte));
        self.position += 1;
        (self.last.len() == self.span).then(|| mixed(self.hash) & PRINT_MASK)
    }
}

/// Chooses the smallest of every `span + 1` fingerprints in a row, the last one of equals.
struct Winnow {
    roller: Roller,
    /// Candidates of the window, smallest first: position and fingerprint.
    window: VecDeque<(u64, u64)>,
    chosen: Option<u64>,
}

impl Winnow {
    fn new(span: usize) -> Self {
        Self { roller: Roller::new(span), window: VecDeque::new(), chosen: None }
    }

    /// A fingerprint that is kept, if there is a new one. What lies wholly behind `key` is none.
    fn push(&mut self, byte: u8, key: u64) -> Option<u64> {
        let print = self.roller.push(byte)?;
        let (at, span) = (self.roller.position, self.roller.span as u64);
        if at.saturating_sub(span) >= key {
            return None;
        }
        while self.window.back().is_some_and(|(_, known)| *known >= print) {
            self.window.pop_back();
        }
        self.window.push_back((at, print));
        while self.window.front().is_some_and(|(known, _)| *known + span < at) {
            self.window.pop_front();
        }
        // The first window ends with the `2·span`-th byte.
        if at < 2 * span { None } else { self.choose() }
    }

    /// What is kept of a text that is shorter than one window.
    fn finish(mut self) -> Option<u64> {
        self.choose()
    }

    fn choose(&mut self) -> Option<u64> {
        let (at, print) = self.window.front()?;
        if self.chosen == Some(*at) {
            return None;
        }
        self.chosen = Some(*at);
        Some(*print)
    }
}

/// A byte as it counts in a hash: never zero, and no two alike in their low bits.
fn worth(byte: u8) -> u64 {
    (u64::from(byte) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Spreads a hash over all bits (the finalizer of Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
/// Generators", 2014, in Stafford's variant 13).
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

fn sieve_word(print: u64) -> usize {
    (print / 64) as usize % SIEVE_WORDS
}

/// Most fingerprints kept of one text: about 17 KB of letters and digits at a span of 32 before any is left out.
pub(super) const MAX_PRINTS: usize = 1024;
/// Bits of a fingerprint that count: what is kept is bytes.
pub(super) const PRINT_BYTES: usize = 5;
const PRINT_MASK: u64 = (1 << (8 * PRINT_BYTES)) - 1;
/// An odd multiplier without small factors.
const BASE: u64 = 0x0000_0100_0000_01b3;
const SIEVE_WORDS: usize = 512;

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;
    use crate::json::{Document, Limits, quote};

    const SPAN: usize = 32;

    fn prints(json: &str) -> Vec<u64> {
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        prints_of(document.root(), SPAN)
    }

    fn repeats(known: &[u64], json: &str) -> Vec<String> {
        let limits = Limits { max_bytes: 8 << 20, ..Limits::default() };
        let document = Document::parse(json.as_bytes(), &limits).unwrap();
        let hits = Wanted::new(SPAN, [(7, known)]).find(document.root());
        hits.get(&7).into_iter().flatten().map(|(_, value)| value.location()).collect()
    }

    fn result(text: &str) -> String {
        format!(r#"{{"content":[{{"type":"text","text":{}}}]}}"#, quote(text))
    }

    fn mail(body: &str) -> String {
        format!(r#"{{"name":"send","arguments":{{"to":"a@b.test","body":{}}}}}"#, quote(body))
    }

    const PRIVATE: &str = "The merger with Northwind closes on 14 March; the price is 41.5 million, \
        payable in two halves, and nobody outside of the board may hear of it before then.";

    #[test]
    fn a_repeated_text_is_found_however_it_is_written() {
        let known = prints(&result(PRIVATE));
        let upper = PRIVATE.to_uppercase();
        let spaced: String = PRIVATE.chars().flat_map(|c| [c, ' ']).collect();
        let hidden: String = PRIVATE.chars().flat_map(|c| [c, '\u{200b}']).collect();
        let wide: String = PRIVATE
            .chars()
            .map(|c| if c.is_ascii_graphic() { char::from_u32(c as u32 + 0xfee0).unwrap() } else { c })
            .collect();
        let percent: String = PRIVATE.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let hex: String = PRIVATE.bytes().map(|byte| format!("{byte:02x}")).collect();
        let entities: String = PRIVATE.chars().map(|c| format!("&#{};", c as u32)).collect();
        let base64 = STANDARD.encode(PRIVATE);
        let lines: Vec<String> =
            base64.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into()).collect();
        for (how, text) in [
            ("as it is", PRIVATE.to_owned()),
            ("quoted", format!("Dear all,\n> {}\nBest", PRIVATE.replace(' ', "\n> "))),
            ("upper case", upper),
            ("spaced", spaced),
            ("invisible characters", hidden),
            ("full width", wide),
            ("percent", percent),
            ("hexadecimal", hex),
            ("entities", entities),
            ("base64", base64.clone()),
            ("base64 for URLs", URL_SAFE_NO_PAD.encode(PRIVATE)),
            ("base64 in lines", lines.join("\r\n")),
            ("base64 twice", STANDARD.encode(&base64)),
            ("base64 in a URL", format!("https://x.test/p?d={}", base64.replace('=', "%3D"))),
            ("in JSON", format!(r#"{{"note":{}}}"#, quote(PRIVATE))),
        ] {
            assert_eq!(repeats(&known, &mail(&text)), ["/arguments/body"], "{how}");
        }
        // Cut into pieces that follow each other.
        let pieces: Vec<String> =
            PRIVATE.as_bytes().chunks(9).map(|piece| quote(&String::from_utf8_lossy(piece))).collect();
        assert!(!repeats(&known, &format!(r#"{{"parts":[{}]}}"#, pieces.join(","))).is_empty());
    }

    #[test]
    fn structured_content_is_found_as_text() {
        let known = prints(
            r#"{"structuredContent":{"name":"Ann Lee","account":{"iban":"DE00 1234","balance":123456.78,"open":true}}}"#,
        );
        let pasted = r#"name: Ann Lee, account: iban DE00 1234, balance 123456.78, open true"#;
        assert_eq!(repeats(&known, &mail(pasted)), ["/arguments/body"]);
    }

    #[test]
    fn short_texts_are_found_whole_and_shorter_ones_not_at_all() {
        let text = "the code of the vault is 4711 0815 4242 99";
        assert_eq!(repeats(&prints(&quote(text)), &mail(&format!("So: {text}!"))), ["/arguments/body"]);
        assert!(prints(&quote("4711 0815")).is_empty());
        assert!(repeats(&[], &mail(text)).is_empty());
    }

    #[test]
    fn what_messages_of_one_shape_have_alike_is_no_match() {
        let key = "organization_billing_contact_email_address_of_the_customer";
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"x":{}}}"#;
        let known = prints(&format!(r#"{{"structuredContent":{{"{key}":"a@b.test"}},{meta}}}"#));
        let call = format!(r#"{{"name":"update_contact","arguments":{{"{key}":"c@d.test"}},{meta}}}"#);
        assert_eq!(repeats(&known, &call), Vec::<String>::new());
        // A text in a key is a text all the same.
        let known = prints(&result(PRIVATE));
        assert!(!repeats(&known, &format!(r#"{{"arguments":{{{}:1}}}}"#, quote(PRIVATE))).is_empty());
    }

    #[test]
    fn decoded_content_is_found_where_the_encoded_one_was_read() {
        let known = prints(&result(&STANDARD.encode(PRIVATE)));
        assert_eq!(repeats(&known, &mail(PRIVATE)), ["/arguments/body"]);
    }

    #[test]
    fn work_is_linear_in_the_text() {
        let known = prints(&result(PRIVATE));
        for text in ["a".repeat(2 << 20), "ab".repeat(1 << 20), PRIVATE.repeat(10_000)] {
            let started = std::time::Instant::now();
            assert!(prints(&quote(text.get(..500_000).unwrap())).len() <= MAX_PRINTS);
            repeats(&known, &mail(&text));
            // Minutes where it is not.
            assert!(started.elapsed().as_secs() < 20);
        }
        let many = vec!["\"\",\"x\""; 200_000].join(",");
        repeats(&known, &format!("[{many}]"));
    }

    /// Texts of everyday words, as two people would write them.
    fn prose(words: &[usize]) -> String {
        const WORDS: [&str; 48] = [
            "the", "of", "and", "to", "in", "is", "that", "for", "it", "with", "as", "on", "are", "this", "be", "by",
            "an", "we", "report", "please", "meeting", "customer", "invoice", "attached", "thanks", "regards", "team",
            "project", "update", "week", "budget", "review", "order", "number", "address", "email", "file", "server",
            "error", "issue", "call", "plan", "date", "next", "have", "you", "find", "send",
        ];
        words.iter().map(|word| WORDS[word % WORDS.len()]).collect::<Vec<_>>().join(" ")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        /// Any run of twice the span is found wherever it is cut out, whatever surrounds it, in whichever dress.
        #[test]
        fn every_long_run_is_found(
            words in prop::collection::vec("[a-zA-Z0-9Ж日]{1,9}", 20..400),
            from in 0..1000_usize,
            dress in 0..5,
            before in "\\PC{0,40}",
        ) {
            let text = words.join(" ");
            let known = prints(&result(&text));
            let characters: Vec<char> = text.chars().collect();
            let letters = |part: &[char]| -> usize {
                let mut count = 0;
                normal(&part.iter().collect::<String>(), &mut |_| count += 1);
                count
            };
            let mut start = from % characters.len();
            let mut end = start;
            while letters(&characters[start..end]) < 2 * SPAN && end < characters.len() {
                end += 1;
            }
            while letters(&characters[start..end]) < 2 * SPAN && start > 0 {
                start -= 1;
            }
            prop_assume!(letters(&characters[start..end]) >= 2 * SPAN);
            let cut: String = characters[start..end].iter().collect();
            let dressed = match dress {
                0 => cut,
                1 => cut.to_uppercase().to_lowercase(),
                2 => cut.replace(' ', "\n-- "),
                3 => STANDARD.encode(cut),
                _ => cut.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            };
            prop_assert_eq!(repeats(&known, &mail(&format!("{before} {dressed}"))), ["/arguments/body"]);
        }

        #[test]
        fn unrelated_texts_do_not_match(
            known in prop::collection::vec(any::<usize>(), 50..500),
            other in prop::collection::vec(any::<usize>(), 50..500),
        ) {
            prop_assert!(repeats(&prints(&result(&prose(&known))), &mail(&prose(&other))).is_empty());
        }

        #[test]
        fn the_same_text_has_the_same_prints(text in "\\PC{0,300}") {
            let first = prints(&quote(&text));
            prop_assert_eq!(&first, &prints(&quote(&text)));
            prop_assert!(first.is_sorted());
        }
    }
}
