//! Answers of the sidecar, and whatever stands in the shared data that records wait in: nothing panics, only an
//! allowance allows, a batch keeps to the contract, and no record leaves that was not sent.
//!
//! Input: the answer, then behind a 0xFF what somebody wrote into the segments and the lease.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::exchange::Answer;
use portcullis_engine::sidecar::wire::{Reader, Value};
use portcullis_engine::sidecar::{AdmitResponse, AuditRecord, Entry, Outbox, RecordResponse, Verdict};
use portcullis_engine::state::{MemoryStore, Revision, Store};

fuzz_target!(|input: &[u8]| {
    let split = input.iter().position(|byte| *byte == 0xff).unwrap_or(input.len());
    let (answer, stored) = (&input[..split], input.get(split + 1..).unwrap_or_default());

    let decoded = AdmitResponse::decode(answer);
    match Answer::of_call(0, Some(answer)) {
        Answer::Admitted(response) => assert_eq!(decoded.as_ref(), Ok(&response)),
        other => assert!(decoded.is_err() && other == Answer::Unavailable),
    }
    if decoded.is_ok_and(|response| response.verdict == Verdict::Allow) {
        let said = |field| matches!(field, Ok(field) if field == portcullis_engine::sidecar::wire::Field { number: 1, value: Value::Number(1) });
        assert!(Reader::new(answer).any(said));
    }

    let store = MemoryStore::default();
    for name in ["0", "9", "lease"] {
        store.swap(&format!("portcullis.outbox.o.{name}"), stored, Revision::Absent).expect("memory is there");
    }
    let outbox = Outbox::new(&store, "o", 4 << 20);
    let own = AuditRecord { id: "own".to_owned(), tenant: String::new(), json: "{}".to_owned() };
    for unique in 0..8 {
        let _ = outbox.push(unique, Entry::Record, &own.encode());
    }
    let (mut now_us, response) = (1 << 40, RecordResponse::decode(answer).ok());
    for _ in 0..4 {
        let Some(batch) = outbox.take(now_us, 1_000_000) else { break };
        assert!(batch.count > 0 && batch.count <= 1000 && batch.message.len() < 4 << 20);
        let settled = outbox.settle(&batch, response.as_ref(), now_us);
        assert!(settled.delivered + settled.rejected <= batch.count);
        now_us += 1 << 32;
    }
});
