//! Decoding a text as an attacker hides in it.
//!
//! Two kinds of layers come of a text. [`peel`] undoes in one pass what is written in place:
//! percent-encoding, HTML entities, backslash escapes, and characters that only look like others or
//! like nothing. [`codes`] finds runs of base64 and hexadecimal that hold text. Each layer is scanned
//! like the text itself and may hold layers in turn; depth and size are bounded by [`Budget`].
//!
//! [`Marks`] is the cheap look that comes first: clean text has none, and costs one table look-up a byte.

use std::ops::Range;

mod codes;
mod entity;
mod fold;
mod peel;
mod spans;

use fold::Fold;

pub(super) use codes::{may_hold as may_hold_code, tokens};
pub(super) use spans::Spans;

/// What a text is once a coat is taken off.
#[derive(Debug)]
pub(super) struct Layer {
    /// The decoded text.
    pub(super) text: String,
    /// Which byte of it comes from where.
    pub(super) spans: Spans,
}

/// How much may still be decoded of one text of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    depth: u8,
    bytes: usize,
}

impl Budget {
    /// The budget of a text of `length` bytes: a small multiple of it.
    pub(super) fn of(length: usize) -> Self {
        Self { depth: MAX_DEPTH, bytes: length.saturating_mul(4).saturating_add(1024) }
    }

    /// Calls `found` for every layer right below `text`; the budget passed on is that of the layer.
    pub(super) fn layers(&mut self, text: &str, marks: Marks, mut found: impl FnMut(Layer, &mut Self)) {
        let Some(depth) = self.depth.checked_sub(1) else { return };
        let mut below = |layer: Layer, bytes: &mut usize| {
            let Some(rest) = bytes.checked_sub(layer.text.len()) else { return };
            let mut inner = Self { depth, bytes: rest };
            found(layer, &mut inner);
            *bytes = inner.bytes;
        };
        if marks.has(Marks::WRITTEN)
            && text.len() <= self.bytes
            && let Some(layer) = peel::peel(text)
        {
            below(layer, &mut self.bytes);
        }
        if text.len() >= codes::SHORTEST {
            let bytes = &mut self.bytes;
            codes::find(text, |run, decoded| below(Layer { text: decoded, spans: Spans::whole(run) }, bytes));
        }
    }
}

/// Which bytes of a text a range of what came out of it comes from.
pub type Original<'o> = &'o dyn Fn(Range<usize>) -> Range<usize>;

/// Calls `found` with every text that comes out of `text` by taking off coats, and with the bytes of `text`
/// that a range of it comes from.
pub fn each_layer(text: &str, found: &mut dyn FnMut(&str, Original<'_>)) {
    below(text, &mut Budget::of(text.len()), &|range| range, found);
}

fn below(text: &str, budget: &mut Budget, original: Original<'_>, found: &mut dyn FnMut(&str, Original<'_>)) {
    budget.layers(text, Marks::of(text), |layer, budget| {
        let original = |range| original(layer.spans.original(range));
        found(&layer.text, &original);
        below(&layer.text, budget, &original, found);
    });
}

/// Which kinds of characters occur in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u8);

impl Marks {
    /// `%`, `&`, `\`: what [`peel`] undoes may begin there.
    const ESCAPE: Self = Self(1);
    /// A byte that begins a character which may look like another one, or like none.
    pub(super) const UNICODE: Self = Self(2);
    /// A digit or `@`.
    pub(super) const PERSONAL: Self = Self(4);
    /// What [`peel`] undoes.
    const WRITTEN: Self = Self(1 | 2);

    /// The marks of a text.
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().fold(0, |marks, byte| marks | Self::of_byte(byte).0))
    }

    /// The marks of one byte.
    pub(super) fn of_byte(byte: u8) -> Self {
        Self(CLASSES.get(usize::from(byte)).copied().unwrap_or(0))
    }

    /// Three bits.
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// Marks of their three bits; more are ignored.
    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }

    /// True if something may be written otherwise than it reads.
    pub(super) fn is_telling(self) -> bool {
        self.has(Self::WRITTEN)
    }

    /// True if one of `other` is among these.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A text as a reader takes it who knows Latin letters only: imitations as what they imitate, nothing invisible.
#[must_use]
pub fn plain_letters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match fold::fold(c) {
            _ if c.is_ascii() => out.push(c),
            Fold::Plain(plain) | Fold::Hidden(plain) | Fold::Imitation(plain) => out.push(plain),
            Fold::Letters(letters) => out.push_str(letters),
            Fold::Nothing | Fold::Invisible | Fold::Byte(_) => {}
            Fold::Same => out.push(c),
        }
    }
    out
}

/// ROT13: letters moved by half the alphabet, everything else as it was, byte for byte.
pub(super) fn rot13(text: &str) -> Layer {
    let turn = |byte: u8| match byte | 0x20 {
        b'a'..=b'm' => byte + 13,
        b'n'..=b'z' => byte - 13,
        _ => byte,
    };
    let turned = text.bytes().map(turn).collect();
    Layer { text: String::from_utf8(turned).unwrap_or_default(), spans: Spans::same(text.len()) }
}

/// How many coats are taken off.
const MAX_DEPTH: u8 = 3;

/// The mark of each byte. Letters of Latin with accents, Chinese and Japanese have none.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const CLASSES: [u8; 256] = {
    let mut classes = [0_u8; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'%' | b'&' | b'\\' => Marks::ESCAPE.0,
            b'0'..=b'9' | b'@' => Marks::PERSONAL.0,
            0xc2 | 0xc4 | 0xc7 | 0xc9 | 0xca..=0xd1 | 0xd4..=0xd8 | 0xe1 | 0xe2 | 0xea | 0xef | 0xf0 | 0xf3 => {
                Marks::UNICODE.0
            }
            _ => 0,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All layers of a text, deepest last, each with what of the text itself it comes from.
    fn all(text: &str) -> Vec<(String, String)> {
        fn below(text: &str, budget: &mut Budget, out: &mut Vec<(String, Vec<Spans>)>, above: &mut Vec<Spans>) {
            let marks = Marks::of(text);
            budget.layers(text, marks, |layer, budget| {
                above.push(layer.spans);
                out.push((layer.text.clone(), above.clone()));
                below(&layer.text, budget, out, above);
                above.pop();
            });
        }
        let mut found = Vec::new();
        below(text, &mut Budget::of(text.len()), &mut found, &mut Vec::new());
        found
            .into_iter()
            .map(|(decoded, path)| {
                let whole = path.iter().rev().fold(0..decoded.len(), |range, spans| spans.original(range));
                (decoded, text.get(whole).unwrap().to_owned())
            })
            .collect()
    }

    fn deepest(text: &str) -> String {
        all(text).pop().map_or(String::new(), |(decoded, _)| decoded)
    }

    #[test]
    fn takes_off_every_coat() {
        for (text, plain) in [
            ("%72m%20-rf", "rm -rf"),
            ("%2572m%2520-rf", "rm -rf"),
            ("..%c0%af..%c0%afetc", "../../etc"),
            ("..%u002fetc", "../etc"),
            ("&#114;m &#x2d;rf &amp;&amp; x", "rm -rf && x"),
            (r"\x72\x6d -rf", "rm -rf"),
            (r"\u0072m -rf \u{2f}", "rm -rf /"),
            ("ｒｍ －ｒｆ", "rm -rf"),
            ("𝐢𝐠𝐧𝐨𝐫𝐞 𝘢𝘭𝘭", "ignore all"),
            ("i\u{200b}gn\u{ad}ore", "ignore"),
            ("раssword", "password"),
            ("\u{e0072}\u{e006d}", "rm"),
            ("cm0gLXJmIC8gLS1uby1wcmVzZXJ2ZS1yb290", "rm -rf / --no-preserve-root"),
            ("726d202d7266202f202d2d6e6f", "rm -rf / --no"),
            ("Y20wZ0xYSm1JQzhnTFMxdWJ5MXdjbVZ6WlhKMlpTMXliMjkw", "rm -rf / --no-preserve-root"),
            ("powershell -enc cgBtACAALQByAGYAIAAvACoAIAAtAHYA", "rm -rf /* -v"),
        ] {
            assert_eq!(deepest(text), plain, "{text}");
        }
    }

    #[test]
    fn leaves_honest_text_alone() {
        for text in [
            "",
            "50% of 100 & more",
            "commit 3f786850e387550fdab836ed7e6dc881de23001b",
            "550e8400-e29b-41d4-a716-446655440000",
            "src/components/administration/SettingsPanelController.tsx",
            "Grüße aus Köln, déjà vu, naïve “quotes” – and…",
            "Привет, мир: обычный текст без подмен",
            "日本語のテキスト。そして、もっと。",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVQI12NgAAIABQABNjN9GQ",
            "C:\\Program Files\\Notes",
            "❤️ 👨‍👩‍👧 🇩🇪",
        ] {
            assert_eq!(all(text), [], "{text}");
        }
    }

    #[test]
    fn maps_back_to_the_whole_run() {
        let text = "echo cm0gLXJmIC8gLS1uby1wcmVzZXJ2ZS1yb290 | sh";
        assert_eq!(all(text)[0].1, "cm0gLXJmIC8gLS1uby1wcmVzZXJ2ZS1yb290");
        let layer = peel::peel("a%20b%20c").unwrap();
        assert_eq!(
            (layer.text.as_str(), layer.spans.original(2..3), layer.spans.original(1..4)),
            ("a b c", 4..5, 1..8)
        );
    }

    #[test]
    fn decodes_no_more_than_a_multiple() {
        for seed in ["%25", "&amp;", "\\u0041", "ａ", "QUFBQUFBQUFBQUFBQUFB ", "41414141414141414141 ", "%2525"] {
            let total = |size: usize| -> usize {
                all(&seed.repeat(size / seed.len())).iter().map(|(text, _)| text.len()).sum()
            };
            for size in [4096, 8192] {
                assert!(total(size) <= 4 * size + 1024, "{seed}");
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_maps_within_itself(
            pieces in prop::collection::vec(prop_oneof![
                "\\PC{0,8}",
                prop::sample::select(vec![
                    "%", "%2", "%41", "%c3%a9", "%c0%af", "%ff", "%u00", "%u20ac", "&", "&#", "&#x41;", "&lt", "&lt;", "&#99999999;",
                    "\\", "\\x4", "\\x41", "\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\u{1f600}", "\\101", "é", "\u{200b}", "ａ",
                    "\u{e0041}", "\u{fe01}\u{fe02}\u{fe03}\u{fe04}\u{fe05}\u{fe06}\u{fe07}\u{fe08}", "а", "p", "\u{301}",
                    "cm0gLXJmIC8gLS1uby1wcmVzZXJ2ZS1yb290", "cm0gLXJmIC8gLS1uby1wcmVzZXJ2ZS1yb290=", "726d202d7266202f202d2d6e6f", "/", "\n",
                ]).prop_map(String::from),
            ], 0..24)
        ) {
            let text = pieces.concat();
            // `all` itself checks that every mapped range is within the text, on character boundaries.
            let layers = all(&text);
            prop_assert!(layers.iter().map(|(text, _)| text.len()).sum::<usize>() <= 4 * text.len() + 1024);
            if let Some(layer) = peel::peel(&text) {
                let mut cuts: Vec<usize> = layer.text.char_indices().map(|(at, _)| at).collect();
                cuts.push(layer.text.len());
                for pair in cuts.windows(2) {
                    prop_assert!(text.get(layer.spans.original(pair[0]..pair[1])).is_some());
                }
            }
        }
    }
}
