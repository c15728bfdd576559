//! Characters that look like others, or like nothing.
//!
//! The compatibility forms of ASCII (Unicode NFKC, UAX #15), the look-alikes of ASCII letters that are
//! used to imitate them (UTS #39), and what is not shown. Letters with accents and other scripts stay.

/// What a character is to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// Itself.
    Same,
    /// Another writing of this character, common in honest text.
    Plain(char),
    /// Another writing of this character, which honest text has little use for.
    Hidden(char),
    /// The same, for a sequence of letters.
    Letters(&'static str),
    /// Nothing, and honest text has a use for that.
    Nothing,
    /// Nothing, or next to nothing, to no honest end.
    Invisible,
    /// A letter of another script that looks like this one: an imitation in a Latin word only.
    Imitation(char),
    /// A byte written as an invisible character (variation selectors).
    Byte(u8),
}

/// What `c`, not of ASCII, is to a reader.
pub(super) fn fold(c: char) -> Fold {
    let code = c as u32;
    match code {
        0xa0 | 0x1680 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => Fold::Plain(' '),
        0x85 | 0x2028 | 0x2029 => Fold::Plain('\n'),
        0x2018 | 0x2019 | 0x201a | 0x201b | 0x2032 => Fold::Plain('\''),
        0x201c..=0x201f | 0x2033 => Fold::Plain('"'),
        0x2010..=0x2015 | 0x2212 => Fold::Plain('-'),
        0xfe63 => Fold::Hidden('-'),
        0x200c | 0x200d => Fold::Nothing,
        0x300..=0x36f => Fold::Nothing,
        0xfe00..=0xfe0f => Fold::Byte((code - 0xfe00) as u8),
        0xe0100..=0xe01ef => Fold::Byte((code - 0xe0100 + 16) as u8),
        0xad
        | 0x61c
        | 0x115f
        | 0x1160
        | 0x17b4
        | 0x17b5
        | 0x180b..=0x180e
        | 0x200b
        | 0x200e
        | 0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x206f
        | 0x3164
        | 0xfeff
        | 0xffa0 => Fold::Invisible,
        0xe0020..=0xe007e => ascii(code - 0xe0000),
        0xff01..=0xff5e => ascii(code - 0xff01 + 0x21),
        0x1d400..=0x1d6a3 => letter((code - 0x1d400) % 52),
        0x1d7ce..=0x1d7ff => ascii(u32::from(b'0') + (code - 0x1d7ce) % 10),
        0x24b6..=0x24e9 => letter(code - 0x24b6),
        0x249c..=0x24b5 => letter(code - 0x249c + 26),
        0x1f130..=0x1f149 => letter(code - 0x1f130),
        0x1f150..=0x1f169 => letter(code - 0x1f150),
        0x1f170..=0x1f189 => letter(code - 0x1f170),
        0x2044 | 0x2215 | 0x29f8 | 0x2571 => Fold::Hidden('/'),
        0x2216 | 0x29f5 | 0xfe68 => Fold::Hidden('\\'),
        0x2024 | 0xfe52 | 0xff61 => Fold::Hidden('.'),
        0x2236 | 0xfe55 | 0xa789 => Fold::Hidden(':'),
        0x37e | 0xfe54 => Fold::Hidden(';'),
        0x2223 | 0x2758 | 0x1c0 => Fold::Hidden('|'),
        0x2217 | 0xfe61 => Fold::Hidden('*'),
        0x2039 | 0x2329 | 0x3008 => Fold::Plain('<'),
        0x203a | 0x232a | 0x3009 => Fold::Plain('>'),
        0x2070..=0x209c | 0x2b0..=0x2e3 | 0x1d2c..=0x1d6a | 0x1d9c | 0x1da0 | 0x1dbb => table(c, SMALL_LETTERS, SMALL),
        0x100..=0x24f | 0x250..=0x2af | 0x1d00..=0x1d2b | 0xa730 | 0xa731 => table(c, CAPITAL_LETTERS, CAPITAL),
        0x2100..=0x214f => table(c, LETTERLIKE_LETTERS, LETTERLIKE),
        0x370..=0x3ff | 0x400..=0x52f | 0x561..=0x587 => match table(c, IMITATED, IMITATIONS) {
            Fold::Hidden(letter) => Fold::Imitation(letter),
            other => other,
        },
        0xfb00..=0xfb06 => Fold::Letters(match code {
            0xfb00 => "ff",
            0xfb01 => "fi",
            0xfb02 => "fl",
            0xfb03 => "ffi",
            0xfb04 => "ffl",
            _ => "st",
        }),
        _ => Fold::Same,
    }
}

/// True for letters of the scripts that have imitations which imitate nothing themselves: a text
/// with them is written in that script.
pub(super) fn is_of_its_own(c: char) -> bool {
    matches!(c as u32, 0x370..=0x3ff | 0x400..=0x52f | 0x561..=0x587) && fold(c) == Fold::Same
}

fn ascii(code: u32) -> Fold {
    char::from_u32(code).map_or(Fold::Same, Fold::Hidden)
}

/// The letter `index` of `A` to `Z`, `a` to `z`.
fn letter(index: u32) -> Fold {
    ascii(if index < 26 { u32::from(b'A') + index } else { u32::from(b'a') + (index - 26) })
}

/// The character of `letters` that stands where `c` stands in `forms`.
fn table(c: char, letters: &str, forms: &str) -> Fold {
    let place = forms.chars().position(|form| form == c);
    place.and_then(|place| letters.chars().nth(place)).map_or(Fold::Same, Fold::Hidden)
}

const SMALL: &str = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ";
const SMALL_LETTERS: &str = "abcdefghijklmnoprstuvwxyz";
const CAPITAL: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɑɡı";
const CAPITAL_LETTERS: &str = "abcdefghijklmnoprstuvwyzagi";
const LETTERLIKE: &str = "ℎℬℰℱℋℐℒℳℛℯℊℴℭℌℑℜℨℂℍℕℙℚℝℤℓ";
const LETTERLIKE_LETTERS: &str = "hBEFHILMRegoCHIRZCHNPQRZl";
/// Cyrillic, Greek and Armenian.
const IMITATIONS: &str = "аеорсухіјѕһԁԛԝѵкАВЕКМНОРСТХУІЈЅԌαονικρυΑΒΕΖΗΙΚΜΝΟΡΤΥΧօսոհ";
const IMITATED: &str = "aeopcyxijshdqwvkABEKMHOPCTXYIJSGaovikpuABEZHIKMNOPTYXounh";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_step() {
        for (letters, forms) in [
            (SMALL_LETTERS, SMALL),
            (CAPITAL_LETTERS, CAPITAL),
            (LETTERLIKE_LETTERS, LETTERLIKE),
            (IMITATED, IMITATIONS),
        ] {
            assert_eq!(letters.chars().count(), forms.chars().count(), "{forms}");
            for (letter, form) in letters.chars().zip(forms.chars()) {
                assert!(matches!(fold(form), Fold::Hidden(c) | Fold::Imitation(c) if c == letter), "{form}");
            }
        }
    }
}
