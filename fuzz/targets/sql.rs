//! The SQL reader: tokens stand within the text, one behind the other, also within either quote.
//!
//! Input: a query.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::scan::sql;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    for quote in [None, Some(b'\''), Some(b'"')] {
        let tokens = sql::lex_within(&text, quote);
        let mut end = 0;
        for token in &tokens {
            assert!(token.start() >= end && token.end() <= text.len(), "{token:?} in {text:?}");
            end = token.end();
        }
        if let Some((_, range)) = sql::harm(&tokens) {
            assert!(text.get(range.clone()).is_some(), "{range:?} in {text:?}");
        }
    }
});
