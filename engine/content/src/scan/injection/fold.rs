//! Letters as a reader takes them: without accents, lower case, look-alikes for what they imitate.

/// What a character is to the tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A letter or digit of a script that separates words; the folded character.
    Letter(char),
    /// A character of a script that is written without spaces: every one is a word of its own.
    Ideograph(char),
    /// Not shown, or shown on top of another one: as if it were not there.
    Invisible,
    /// Ends a sentence.
    Stop,
    /// Anything else.
    Gap,
}

/// The class of a character, with its folded form. ASCII is the fast path.
pub(super) fn classify(c: char) -> Class {
    match c {
        'a'..='z' | '0'..='9' => Class::Letter(c),
        'A'..='Z' => Class::Letter(c.to_ascii_lowercase()),
        '.' | '!' | '?' | ';' => Class::Stop,
        '\0'..='\u{7f}' => Class::Gap,
        _ => classify_wide(c),
    }
}

/// True for the characters that take no room and that honest text has little use for: zero-width
/// spaces and joiners, invisible operators, fillers, soft hyphens.
pub(super) fn is_zero_width(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
    )
}

/// The ASCII letter that a letter of another alphabet looks like; for words that mix alphabets.
pub(super) fn look_alike(c: char) -> Option<char> {
    LOOK_ALIKES.iter().find(|(_, imitations)| imitations.contains(c)).map(|(letter, _)| *letter)
}

/// The letter that a digit or a sign stands for in leetspeak.
pub(super) fn leet(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' => b'i',
        b'3' => b'e',
        b'4' => b'a',
        b'5' => b's',
        b'7' => b't',
        other => other,
    }
}

fn classify_wide(c: char) -> Class {
    match c {
        '\u{c0}'..='\u{24f}' => table(c, 0xc0, LATIN),
        '\u{1e00}'..='\u{1eff}' => table(c, 0x1e00, LATIN_ADDITIONAL),
        // Marks on top of a letter, variation selectors, directions, tags.
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5bd}'
        | '\u{610}'..='\u{61a}'
        | '\u{640}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0000}'..='\u{e0fff}' => Class::Invisible,
        _ if is_zero_width(c) => Class::Invisible,
        '。' | '！' | '？' | '；' | '।' | '॥' | '؟' | '۔' | '…' | '\u{2028}' | '\u{2029}' => Class::Stop,
        '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' | '\u{ff10}'..='\u{ff19}' => {
            Class::Letter(u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c).to_ascii_lowercase())
        }
        // Kana, Han, Thai, Lao, Khmer, Myanmar: no spaces between words.
        '\u{3041}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3134f}'
        | '\u{e01}'..='\u{e4e}'
        | '\u{e81}'..='\u{ecd}'
        | '\u{1780}'..='\u{17d3}'
        | '\u{1000}'..='\u{109f}' => Class::Ideograph(c),
        // Indic vowel signs and viramas belong to their word.
        '\u{900}'..='\u{dff}' => Class::Letter(c),
        _ if c.is_alphanumeric() => Class::Letter(c.to_lowercase().next().unwrap_or(c)),
        _ => Class::Gap,
    }
}

fn table(c: char, first: u32, letters: &str) -> Class {
    let index = u32::from(c).saturating_sub(first) as usize;
    match letters.as_bytes().get(index) {
        Some(letter) if letter.is_ascii_lowercase() => Class::Letter(char::from(*letter)),
        _ if c.is_alphabetic() => Class::Letter(c.to_lowercase().next().unwrap_or(c)),
        _ => Class::Gap,
    }
}

/// Base letters of U+00C0 to U+024F, by the decomposition of the Unicode Character Database, and by
/// sight where that has none.
const LATIN: &str = "aaaaaaaceeeeiiiidnooooo_ouuuuytsaaaaaaaceeeeiiiidnooooo_ouuuuytyaaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzsbb____o__dddd_e_e_fg___ikkl_mnnooo__pp_____ttttuuuvyyzz____________idddlllnnnaaiioouuuuuuuuuueaaaa__ggggkkoooo__jdddgg__nnaa____aaaaeeeeiiiioooorrrruuuusstt__hh_d____aaeeooooooooyylntj__acclt____bu_eejj__rryy";

/// Base letters of U+1E00 to U+1EFF.
const LATIN_ADDITIONAL: &str = "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmmmmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvvwwwwwwwwwwxxxxyyzzzzzzhtwyas____aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeeeeeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy______";

/// Letters by what they look like: Cyrillic, Greek, Armenian, Cherokee, small capitals, phonetic signs.
const LOOK_ALIKES: &[(char, &str)] = &[
    ('a', "аαаᴀɑꭺա"),
    ('b', "вьβʙЬᏏ"),
    ('c', "сϲᴄⅽ"),
    ('d', "ԁᴅɗɖժ"),
    ('e', "еεɛᴇҽєəɘ"),
    ('f', "ғꜰք"),
    ('g', "ɡɢգցԍ"),
    ('h', "һнհʜ"),
    ('i', "іιɪɩӏı"),
    ('j', "јᴊյ"),
    ('k', "кκᴋҡ"),
    ('l', "ӏʟⅼɭլ"),
    ('m', "мᴍⅿ"),
    ('n', "ոռղɴηп"),
    ('o', "оοσօᴏσөɵ"),
    ('p', "рρᴘ"),
    ('q', "ԛգզ"),
    ('r', "гʀɾɼ"),
    ('s', "ѕꜱʂ"),
    ('t', "тτᴛ"),
    ('u', "υսᴜʋ"),
    ('v', "νѵᴠⅴ"),
    ('w', "ѡԝᴡω"),
    ('x', "хχⅹ"),
    ('y', "уүγʏ"),
    ('z', "ᴢʐ"),
];
