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
    fs::write(out.join("secrets.packed"), pack(text.as_bytes())).expect("the directory can be written to");
}

fn write_weights(out: &Path) {
    println!("cargo::rerun-if-changed={WEIGHTS}");
    let file = fs::read(WEIGHTS).expect("the weights can be read");
    let (header, weights) = file.split_at_checked(WEIGHTS_HEADER).expect("the weights have a header");
    fs::write(out.join("weights.packed"), [header, &pack(weights)].concat()).expect("the directory can be written to");
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

const SOURCE: &str = "rules/secrets.json";

/// Members that no rule is run by.
const FOR_PEOPLE: [&str; 4] = ["source", "remedy", "true", "false"];
