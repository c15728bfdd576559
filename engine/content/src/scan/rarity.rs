//! How rare a run of bytes is in JSON and prose: what the shared pass looks for first should hardly ever stand there.

/// How rare some folded bytes are, one behind the other: about the negative binary logarithm of their frequency. It ranks, no more.
pub(super) fn rarity(bytes: &[u8]) -> u32 {
    let of = |row: &[u8; KINDS], byte: u8| {
        row.get(kind(byte)).map_or(0, |digit| char::from(*digit).to_digit(16).unwrap_or(0))
    };
    let first = bytes.first().map_or(0, |byte| of(FIRST, *byte));
    let pair = |pair: &[u8]| match pair {
        [before, byte] => BEHIND.get(kind(*before)).map_or(0, |row| of(row, *byte)),
        _ => 0,
    };
    first + bytes.windows(2).map(pair).sum::<u32>()
}

/// Letters, white space, digits, the rest of ASCII, and what is beyond.
fn kind(byte: u8) -> usize {
    match byte.to_ascii_lowercase() {
        letter @ b'a'..=b'z' => usize::from(letter - b'a'),
        b' ' | b'\t' | b'\n' | b'\r' => 26,
        b'0'..=b'9' => 27,
        0..=127 => 28,
        _ => 29,
    }
}

/// How many kinds of bytes are told apart.
const KINDS: usize = 30;

// Counted in a megabyte of documentation and package metadata: bits, as hexadecimal digits, in the order of `kind`. A kind of several bytes
// is taken to be shared by eight digits, six signs or twenty other bytes.

/// How rare each kind is by itself.
const FIRST: &[u8; KINDS] = b"56554665587565468544677879385b";

/// How rare each kind is behind each.
const BEHIND: [&[u8; KINDS]; KINDS] = [
    b"a545a759596353a5934356896a4b8d", // a
    b"4877388846938849946739a84a595b", // b
    b"39584aa357459a27947456aa6a5a6c", // c
    b"5886287a3a967848a75969ab6a2a5c", // d
    b"565466898b9564857335a6757b2b6e", // e
    b"497945982996993a9575499969296b", // f
    b"695838753896745795485999983a5b", // g
    b"2a8a1aaa4aa9794996946aaa893a6c", // h
    b"5545555aaa845245b53396a8b77b8d", // i
    b"57773875778777587727565777685a", // j
    b"47872778478775678746689887395b", // k
    b"4885379a37838947a845599a5a4a6c", // l
    b"3565289a47955844a96869a98a4a6b", // m
    b"5953464968768646c94366996a3b6d", // n
    b"8755746a79654255b35446597a4b8d", // o
    b"397739775a84593593545999695a6c", // p
    b"787777766774677766662777776749", // q
    b"4766286a4a766748b644569a5a3b6d", // r
    b"6b5939954a76885787536a787a2b5d", // s
    b"4a6939924a978a46b5457a895b3b6d", // t
    b"655557495a8353759333a9a8a95a7b", // u
    b"39861988488888488887888888685a", // v
    b"388848833888854895479969994a6b", // w
    b"47465797678758738873787668484a", // x
    b"67687878788766439845986889295b", // y
    b"577737765666665766665676665749", // z
    b"45566576598666569554785a8b295d", // space
    b"77777788887878888788778888354a", // digit
    b"66666666667666667655777888274a", // other ASCII
    b"666666666666666767566666665748", // beyond ASCII
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_common_is_not_rare() {
        for (common, rare) in [
            ("ing ", "zqxj"),
            ("service", "e\":\"x1"),
            ("customer", "tor\"})x7"),
            ("ummary", "r summ"),
            ("quest", "quokk"),
        ] {
            assert!(rarity(common.as_bytes()) < rarity(rare.as_bytes()), "{common} {rare}");
        }
        assert_eq!(rarity(b"REQUEST"), rarity(b"request"));
        assert_eq!(rarity(b""), 0);
    }
}
