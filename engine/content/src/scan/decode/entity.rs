//! HTML character references (WHATWG HTML section 13.2.5.72).

/// The character that the reference at the start of `text` stands for, and how many bytes it takes.
pub(super) fn read(text: &[u8]) -> Option<(char, usize)> {
    match text {
        [b'&', b'#', b'x' | b'X', rest @ ..] => number(rest, 16).map(|(c, length)| (c, length + 3)),
        [b'&', b'#', rest @ ..] => number(rest, 10).map(|(c, length)| (c, length + 2)),
        [b'&', rest @ ..] => {
            let length = rest.iter().take(LONGEST).take_while(|byte| byte.is_ascii_alphabetic()).count();
            let name = rest.get(..length)?;
            // Most of what stands behind an `&` is no name.
            if length < 2 {
                return None;
            }
            let (_, c) = NAMES.iter().find(|(known, _)| known.as_bytes() == name)?;
            let closed = rest.get(length) == Some(&b';');
            // Only the oldest may stand without the semicolon.
            (closed || OPEN.contains(&name)).then_some((*c, 1 + length + usize::from(closed)))
        }
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<(char, usize)> {
    let mut value = 0_u32;
    let mut length = 0;
    for byte in digits.iter().take(10) {
        let Some(digit) = char::from(*byte).to_digit(radix) else { break };
        value = value.saturating_mul(radix).saturating_add(digit);
        length += 1;
    }
    let c = char::from_u32(value).filter(|_| length > 0)?;
    Some((c, length + usize::from(digits.get(length) == Some(&b';'))))
}

/// Longest name known here.
const LONGEST: usize = 8;

const OPEN: [&[u8]; 4] = [b"lt", b"gt", b"quot", b"amp"];

/// Names of ASCII characters and of some that are not seen; text needs no others hidden.
const NAMES: [(&str, char); 51] = [
    ("lt", '<'),
    ("gt", '>'),
    ("amp", '&'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("sol", '/'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("semi", ';'),
    ("period", '.'),
    ("comma", ','),
    ("lpar", '('),
    ("rpar", ')'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("rcub", '}'),
    ("rbrace", '}'),
    ("vert", '|'),
    ("verbar", '|'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("excl", '!'),
    ("quest", '?'),
    ("equals", '='),
    ("plus", '+'),
    ("minus", '-'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("ast", '*'),
    ("midast", '*'),
    ("lowbar", '_'),
    ("grave", '`'),
    ("commat", '@'),
    ("Hat", '^'),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("ensp", ' '),
    ("emsp", ' '),
    ("thinsp", ' '),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("shy", '\u{ad}'),
    ("tilde", '~'),
];
