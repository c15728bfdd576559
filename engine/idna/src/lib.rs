//! What `idna` asks about characters, answered without Unicode's tables.
//!
//! `url` reads host names with `idna`, and `idna` leaves its Unicode data to the crate of this name, so that programs can
//! choose one. The usual one brings the tables of ICU: 150 KB of the filter, for all scripts of the world. This one
//! knows the characters whose mapping by [UTS 46](https://www.unicode.org/reports/tr46/) is a rule: Latin
//! (Latin-1, Extended-A), Greek, Cyrillic, kana, Han and Hangul, and the shapes of ASCII that addresses are disguised
//! with (full-width, circled, mathematical, raised and lowered). **Every other character is refused**, so a host name in
//! another script is no host name to the firewall, and whoever judges hosts fails closed. A test compares each character
//! with ICU: what is not refused here is mapped to the same.
//!
//! No character that is let through combines with another or is written from right to left.
#![no_std]
#![forbid(unsafe_code)]

/// Answers what `idna` asks.
#[derive(Debug, Default)]
pub struct Adapter(());

impl Adapter {
    /// The only one there is.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }

    /// Whether `c` is a virama: none is let through.
    #[must_use]
    pub fn is_virama(&self, _c: char) -> bool {
        false
    }

    /// Whether `c` is a mark: none is let through.
    #[must_use]
    pub fn is_mark(&self, _c: char) -> bool {
        false
    }

    /// The class of `c` for the bidirectional algorithm, of those that are let through.
    #[must_use]
    pub fn bidi_class(&self, c: char) -> BidiClass {
        match c {
            '0'..='9' => BidiClass::EuropeanNumber,
            _ if c.is_alphabetic() => BidiClass::LeftToRight,
            _ => BidiClass::Neutral,
        }
    }

    /// How `c` joins with its neighbours: not at all.
    #[must_use]
    pub fn joining_type(&self, _c: char) -> JoiningType {
        JoiningType
    }

    /// Maps characters as UTS 46 says, U+FFFD for what is refused.
    pub fn map_normalize<'a, I: Iterator<Item = char> + 'a>(
        &'a self,
        characters: I,
    ) -> impl Iterator<Item = char> + 'a {
        characters.filter_map(|c| match map(c) {
            Mapped::To(c) => Some(c),
            Mapped::Nothing => None,
            Mapped::Refused => Some(char::REPLACEMENT_CHARACTER),
        })
    }

    /// The characters of a decoded Punycode label, U+FFFD for each that could not have come out of a mapping.
    pub fn normalize_validate<'a, I: Iterator<Item = char> + 'a>(
        &'a self,
        characters: I,
    ) -> impl Iterator<Item = char> + 'a {
        characters.map(|c| if map(c) == Mapped::To(c) { c } else { char::REPLACEMENT_CHARACTER })
    }
}

/// A class of the bidirectional algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BidiClass {
    /// Letters.
    LeftToRight,
    /// ASCII digits.
    EuropeanNumber,
    /// Everything else.
    Neutral,
}

impl BidiClass {
    /// The set that holds this class alone.
    #[must_use]
    pub fn to_mask(self) -> BidiClassMask {
        BidiClassMask(1 << self as u32)
    }

    /// Whether this is a letter written from left to right.
    #[must_use]
    pub fn is_ltr(self) -> bool {
        self == Self::LeftToRight
    }

    /// Whether this is a mark: none is let through.
    #[must_use]
    pub fn is_nonspacing_mark(self) -> bool {
        false
    }

    /// Whether this is an ASCII digit.
    #[must_use]
    pub fn is_european_number(self) -> bool {
        self == Self::EuropeanNumber
    }

    /// Whether this is an Arabic digit: none is let through.
    #[must_use]
    pub fn is_arabic_number(self) -> bool {
        false
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug)]
pub struct BidiClassMask(u32);

impl BidiClassMask {
    /// Whether the sets share a class.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// How a character joins with its neighbours; there is one way here.
#[derive(Clone, Copy, Debug)]
pub struct JoiningType;

impl JoiningType {
    /// The set of no joining type.
    #[must_use]
    pub fn to_mask(self) -> JoiningTypeMask {
        JoiningTypeMask
    }

    /// Whether what stands before and after joins through it.
    #[must_use]
    pub fn is_transparent(self) -> bool {
        false
    }
}

/// The empty set of joining types.
#[derive(Clone, Copy, Debug)]
pub struct JoiningTypeMask;

impl JoiningTypeMask {
    /// Never: both are empty.
    #[must_use]
    pub fn intersects(self, _other: Self) -> bool {
        false
    }
}

/// What a character becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mapped {
    To(char),
    Nothing,
    Refused,
}

fn map(c: char) -> Mapped {
    let at = c as u32;
    // ASCII by its number; what is no letter or digit there is judged by `idna`.
    let ascii = |code: u32| u8::try_from(code).map_or(Mapped::Refused, |c| Mapped::To(c.to_ascii_lowercase().into()));
    let letter = |index: u32| ascii(0x61 + index % 26);
    let digit = |index: u32| ascii(0x30 + index % 10);
    match at {
        0..=0x7f => ascii(at),
        // Soft hyphen, zero-width space, word joiner, invisible operators, byte order mark.
        0xad | 0x200b | 0x2060 | 0x2064 | 0xfeff => Mapped::Nothing,
        0x3002 | 0xff0e | 0xff61 => Mapped::To('.'),
        0xff01..=0xff5e => ascii(at - 0xff01 + 0x21),
        0xaa => Mapped::To('a'),
        0xba => Mapped::To('o'),
        0xb9 => Mapped::To('1'),
        0xb2 | 0xb3 => digit(at - 0xb0),
        0x2070 | 0x2074..=0x2079 => digit(at - 0x2070),
        0x2080..=0x2089 => digit(at - 0x2080),
        0x2460..=0x2468 => digit(at - 0x2460 + 1),
        0x24ea => Mapped::To('0'),
        0x24b6..=0x24e9 => letter(at - 0x24b6),
        0x212a => Mapped::To('k'),
        0x1d400..=0x1d6a3 if !HOLES.contains(&at) => letter(at - 0x1d400),
        0x1d7ce..=0x1d7ff => digit(at - 0x1d7ce),
        0x17f => Mapped::To('s'),
        // Letters that become two: refused with everything else.
        0x130 | 0x132 | 0x133 | 0x13f | 0x140 | 0x149 => Mapped::Refused,
        0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..=0x17e => lower(c),
        0x386 | 0x388..=0x38a | 0x38c | 0x38e..=0x3a1 | 0x3a3..=0x3ce => lower(c),
        0x400..=0x481 | 0x48a..=0x4ff => lower(c),
        0x3005..=0x3007 if at != 0x3006 => Mapped::To(c),
        0x3041..=0x3096 | 0x30a1..=0x30fa | 0x30fc => Mapped::To(c),
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7a3 => Mapped::To(c),
        _ => Mapped::Refused,
    }
}

/// The small letter, where it is one character.
fn lower(c: char) -> Mapped {
    // U+1E9E is out of the ranges; the capital of ß does not come here.
    let mut small = c.to_lowercase();
    match (small.next(), small.next()) {
        (Some(one), None) => Mapped::To(one),
        _ => Mapped::Refused,
    }
}

/// Among the mathematical letters: not assigned, their letters stand elsewhere.
const HOLES: [u32; 24] = [
    0x1d455, 0x1d49d, 0x1d4a0, 0x1d4a1, 0x1d4a3, 0x1d4a4, 0x1d4a7, 0x1d4a8, 0x1d4ad, 0x1d4ba, 0x1d4bc, 0x1d4c4,
    0x1d506, 0x1d50b, 0x1d50c, 0x1d515, 0x1d51d, 0x1d53a, 0x1d53f, 0x1d545, 0x1d547, 0x1d548, 0x1d549, 0x1d551,
];

/// No joining type is in it.
pub const LEFT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask;
/// No joining type is in it.
pub const RIGHT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask;
/// Classes that make a name bidirectional: none of those here.
pub const RTL_MASK: BidiClassMask = BidiClassMask(0);
/// What such a label may begin with.
pub const FIRST_BC_MASK: BidiClassMask = BidiClassMask(0);
/// What such a label may end with, left to right.
pub const LAST_LTR_MASK: BidiClassMask = BidiClassMask(0);
/// What such a label may end with, right to left.
pub const LAST_RTL_MASK: BidiClassMask = BidiClassMask(0);
/// What such a label may hold, left to right.
pub const MIDDLE_LTR_MASK: BidiClassMask = BidiClassMask(0);
/// What such a label may hold, right to left.
pub const MIDDLE_RTL_MASK: BidiClassMask = BidiClassMask(0);

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::String;

    use icu_normalizer::uts46::Uts46MapperBorrowed;
    use icu_properties::props::{BidiClass as Class, GeneralCategory, JoiningType as Joining};
    use icu_properties::{CodePointMapData, CodePointMapDataBorrowed};

    use super::*;

    const ICU: Uts46MapperBorrowed<'_> = Uts46MapperBorrowed::new();

    #[test]
    fn what_is_not_refused_is_mapped_as_icu_maps_it() {
        let mut known = 0;
        for c in '\0'..=char::MAX {
            let ours: String = Adapter::new().map_normalize([c].into_iter()).collect();
            if ours.contains(char::REPLACEMENT_CHARACTER) {
                continue;
            }
            known += 1;
            assert_eq!(ours, ICU.map_normalize([c].into_iter()).collect::<String>(), "{c:?}");
        }
        assert!(known > 39_000, "{known}");
    }

    #[test]
    fn what_is_valid_is_valid_to_icu_and_neither_joins_nor_combines() {
        let category: CodePointMapDataBorrowed<'_, GeneralCategory> = CodePointMapData::<GeneralCategory>::new();
        let joining = CodePointMapData::<Joining>::new();
        let class = CodePointMapData::<Class>::new();
        for c in '\0'..=char::MAX {
            let ours: String = Adapter::new().normalize_validate([c].into_iter()).collect();
            if ours.contains(char::REPLACEMENT_CHARACTER) {
                continue;
            }
            assert_eq!(ours, ICU.normalize_validate([c].into_iter()).collect::<String>(), "{c:?}");
            // Two of them stay two: nothing composes.
            assert_eq!(ICU.map_normalize([c, c].into_iter()).count(), 2, "{c:?}");
            assert!(!ICU.is_virama(c) && joining.get(c) == Joining::NonJoining, "{c:?}");
            let mark = [GeneralCategory::NonspacingMark, GeneralCategory::SpacingMark, GeneralCategory::EnclosingMark];
            assert!(!mark.contains(&category.get(c)), "{c:?}");
            assert!(![Class::RightToLeft, Class::ArabicLetter, Class::ArabicNumber].contains(&class.get(c)), "{c:?}");
        }
    }
}
