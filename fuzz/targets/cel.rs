//! Expressions compile or say where not, and evaluate in bounded time, to the same each time.
//!
//! Input: an expression, then 0xFF and the arguments as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::cel::{Facts, Moment, Program};
use portcullis_engine::json::{Document, Limits};
use portcullis_engine::mcp::Capability;
use portcullis_engine::principal::Principal;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == 0xff);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let program = match Program::compile(&text) {
        Ok(program) => program,
        Err(error) => return assert!(error.offset <= text.len(), "{error}"),
    };
    let document = Document::parse(parts.next().unwrap_or_default(), &Limits::default());
    let principal = Principal::default();
    let facts = Facts {
        principal: &principal,
        server: "s",
        environment: "",
        method: "tools/call",
        capability: Capability::Tool,
        name: Some("t"),
        arguments: document.as_ref().ok().map(Document::root),
        moment: Moment { now_us: Some(1_795_262_400_000_000), ..Moment::default() },
    };
    assert_eq!(program.show(&facts), program.show(&facts));
});
