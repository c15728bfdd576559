//! Writes the built-in rules as the filter wants them, without what only people and tests read, and the weights of the
//! learned tier; both packed.
#![allow(clippy::expect_used, clippy::panic, reason = "a build that cannot go on has to end")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::Path;
use std::{env, fs};

use serde_json::Value;

fn main() {
    let out = env::var_os("OUT_DIR").expect("cargo names the directory");
    write_rules(Path::new(&out));
    write_weights(Path::new(&out));
    write_lexicon(Path::new(&out));
    write_triggers(Path::new(&out));
}

fn write_rules(out: &Path) {
    println!("cargo::rerun-if-changed={SOURCE}");
    let text = fs::read_to_string(SOURCE).expect("rules/secrets.json can be read");
    let mut rules: Vec<Value> = serde_json::from_str(&text).expect("rules/secrets.json is a JSON array");
    for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
        // `description` has to be there, as in rules of users.
        rule.insert("description".to_owned(), Value::from(""));
        for member in FOR_PEOPLE {
            rule.remove(member);
        }
    }
    let text = serde_json::to_string(&rules).expect("JSON values can be written");
    fs::write(out.join("secrets.packed"), pack(&fold(text.as_bytes()))).expect("the directory can be written to");
}

/// The words of each concept as a line: a character that is the number of the concept, then the words.
fn write_lexicon(out: &Path) {
    println!("cargo::rerun-if-changed={LEXICON}.txt");
    let concepts = fs::read_to_string(format!("{LEXICON}.rs")).expect("lexicon.rs can be read");
    let concepts: BTreeMap<&str, u8> = concepts
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';')?.split_once(" = "))
        .filter_map(|(name, number)| Some((name, number.parse().ok()?)))
        .collect();
    let words = fs::read_to_string(format!("{LEXICON}.txt")).expect("lexicon.txt can be read");
    let mut lines = String::new();
    for line in words.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(words) = line.strip_prefix("    ") {
            lines.push(' ');
            lines.push_str(words);
            continue;
        }
        let number = concepts.get(line).unwrap_or_else(|| panic!("lexicon.txt: there is no concept {line}"));
        lines.push('\n');
        lines.push(char::from(b'!' + number));
    }
    fs::write(out.join("lexicon.packed"), pack(&fold(lines.trim_start().as_bytes())))
        .expect("the directory can be written to");
}

/// A word in each line; before a hint the number of its kind and a space.
fn write_triggers(out: &Path) {
    println!("cargo::rerun-if-changed={TRIGGERS}");
    let text = fs::read_to_string(TRIGGERS).expect("triggers.txt can be read");
    let words = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (kind, word) = line
            .split_at_checked(2)
            .filter(|(kind, _)| kind.starts_with(|c: char| c.is_ascii_digit()))
            .unwrap_or(("", line));
        let (start, end) = (word.starts_with('_'), word.ends_with('_'));
        format!("{kind}{}{}{}", if start { " " } else { "" }, word.trim_matches('_'), if end { " " } else { "" })
    });
    let lines = words.collect::<Vec<_>>().join("\n");
    fs::write(out.join("triggers.packed"), pack(&fold(lines.as_bytes()))).expect("the directory can be written to");
}

fn write_weights(out: &Path) {
    println!("cargo::rerun-if-changed={WEIGHTS}");
    let file = fs::read(WEIGHTS).expect("the weights can be read");
    let (header, weights) = file.split_at_checked(WEIGHTS_HEADER).expect("the weights have a header");
    fs::write(out.join("weights.packed"), [header, &pack(weights)].concat()).expect("the directory can be written to");
}

/// What was there before, told by its place (J. Ziv and A. Lempel, 1977): a byte `n` below 128 and the `n + 1` bytes behind it as they
/// are, or one above and how far back (two bytes, little-endian) there are `n - 124` bytes that come again.
fn fold(bytes: &[u8]) -> Vec<u8> {
    let mut known: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    let (mut out, mut plain, mut at) = (Vec::new(), Vec::new(), 0);
    let flush = |plain: &mut Vec<u8>, out: &mut Vec<u8>| {
        for part in plain.chunks(128) {
            out.push(u8::try_from(part.len() - 1).expect("at most 128"));
            out.extend_from_slice(part);
        }
        plain.clear();
    };
    while let Some(byte) = bytes.get(at) {
        let key = bytes.get(at..at + SHORTEST).unwrap_or_default();
        let same = |from: usize| {
            let pairs = bytes.iter().skip(from).zip(bytes.iter().skip(at));
            pairs.take(SHORTEST + 127).take_while(|(old, new)| old == new).count()
        };
        let near = known.get(key).into_iter().flatten().rev().take(256).filter(|from| at - **from <= 0xffff);
        let best = near.map(|from| (same(*from), at - from)).max_by_key(|(length, back)| (*length, Reverse(*back)));
        let taken = match best.filter(|(length, _)| *length >= SHORTEST) {
            Some((length, back)) => {
                flush(&mut plain, &mut out);
                out.push(u8::try_from(128 + length - SHORTEST).expect("at most 255"));
                out.extend_from_slice(&u16::try_from(back).expect("at most 64 KiB").to_le_bytes());
                length
            }
            None => {
                plain.push(*byte);
                1
            }
        };
        for place in at..at + taken {
            known.entry(bytes.get(place..place + SHORTEST).unwrap_or_default()).or_default().push(place);
        }
        at += taken;
    }
    flush(&mut plain, &mut out);
    out
}

/// A canonical Huffman code: the number of bytes (four bytes, little-endian), how many codes there are of each length from 1 on
/// (two bytes each), the number of values that occur less one, these in the order of their codes, and the codes,
/// highest bit first. `src/packed.rs` reads it.
fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut coded: Vec<(u32, u8)> = code_lengths(bytes).into_iter().map(|(value, length)| (length, value)).collect();
    coded.sort_unstable();
    let mut packed = u32::try_from(bytes.len()).expect("at most 4 GiB").to_le_bytes().to_vec();
    for length in 1..=LONGEST {
        let count = coded.iter().filter(|(other, _)| *other == length).count();
        packed.extend_from_slice(&u16::try_from(count).expect("at most 256").to_le_bytes());
    }
    packed.push(u8::try_from(coded.len() - 1).expect("at most 256"));
    packed.extend(coded.iter().map(|(_, value)| *value));
    let mut codes: BTreeMap<u8, (u32, u32)> = BTreeMap::new();
    let (mut code, mut before) = (0_u32, 0);
    for (length, value) in coded {
        code <<= length - before;
        codes.insert(value, (code, length));
        (code, before) = (code + 1, length);
    }
    let (mut bits, mut held) = (0_u64, 0);
    for byte in bytes {
        let (code, length) = codes.get(byte).expect("each value has a code");
        bits = bits << length | u64::from(*code);
        held += length;
        while held >= 8 {
            held -= 8;
            packed.push((bits >> held) as u8);
        }
    }
    packed.push((bits << (8 - held)) as u8);
    packed
}

/// The length of the code of each byte that occurs (D. A. Huffman, 1952).
fn code_lengths(bytes: &[u8]) -> BTreeMap<u8, u32> {
    let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
    for byte in bytes {
        *counts.entry(*byte).or_default() += 1;
    }
    let mut lengths: BTreeMap<u8, u32> = counts.keys().map(|byte| (*byte, 0)).collect();
    let mut trees: BinaryHeap<Reverse<(usize, Vec<u8>)>> =
        counts.into_iter().map(|(byte, count)| Reverse((count, vec![byte]))).collect();
    while let (Some(Reverse((one, mut bytes))), Some(Reverse((other, more)))) = (trees.pop(), trees.pop()) {
        bytes.extend(more);
        for byte in &bytes {
            *lengths.entry(*byte).or_default() += 1;
        }
        trees.push(Reverse((one + other, bytes)));
    }
    assert!(lengths.values().all(|length| (1..=LONGEST).contains(length)), "a code is too long");
    lengths
}

const WEIGHTS: &str = "src/scan/injection/model/weights.bin";

/// Bytes before the weights.
const WEIGHTS_HEADER: usize = 28;

/// The longest code there may be, in bits.
const LONGEST: u32 = 24;

/// The shortest piece that is told by its place.
const SHORTEST: usize = 4;

const LEXICON: &str = "src/scan/injection/lexicon";

const TRIGGERS: &str = "src/scan/injection/triggers.txt";

const SOURCE: &str = "rules/secrets.json";

/// Members that no rule is run by.
const FOR_PEOPLE: [&str; 4] = ["source", "remedy", "true", "false"];
