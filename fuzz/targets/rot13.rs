//! ROT13: twice is the text itself, and every byte stays where it was.
//!
//! Input: a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::scan::rot13;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let turned = rot13(&text);
    assert_eq!(turned.len(), text.len());
    assert_eq!(rot13(&turned), text);
});
