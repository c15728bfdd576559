//! Runs of base64 in both alphabets, whole and cut: whatever comes out leads back to the run.
//!
//! Input: a byte that chooses alphabet and padding, then what is coded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::decode;

fuzz_target!(|input: &[u8]| {
    let Some((choice, plain)) = input.split_first() else { return };
    decode(&String::from_utf8_lossy(plain));
    let signs: [char; 2] = if choice & 1 == 0 { ['+', '/'] } else { ['-', '_'] };
    let mut coded = String::new();
    for three in plain.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            coded.push(match bits >> (18 - 6 * place) & 63 {
                six @ 0..=25 => char::from(b'A' + six as u8),
                six @ 26..=51 => char::from(b'a' + six as u8 - 26),
                six @ 52..=61 => char::from(b'0' + six as u8 - 52),
                six => signs[six as usize - 62],
            });
        }
        if choice & 2 == 0 {
            (three.len()..3).for_each(|_| coded.push('='));
        }
        if choice & 4 != 0 && coded.len() % 76 < 4 {
            coded.push('\n');
        }
    }
    decode(&coded);
    decode(&format!("echo {coded} | sh"));
    decode(coded.get(..coded.len() / 2).unwrap_or_default());
});
