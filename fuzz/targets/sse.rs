//! However a stream is cut into chunks, the same events come out and no byte is lost; a rewritten event is
//! still one event.
//!
//! Input: a byte that seeds the sizes of the chunks, then the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::sse::{Event, Framer, Rewrite};

fuzz_target!(|input: &[u8]| {
    let Some((seed, stream)) = input.split_first() else { return };
    let whole = run(std::iter::once(stream));
    let mut state = u32::from(*seed) | 0x100;
    let mut rest = stream;
    let cut = run(std::iter::from_fn(|| {
        // A linear congruential generator (Numerical Recipes): small chunks for most seeds, larger for some.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = 1 + (state >> 16) as usize % (1 + (*seed as usize & 0x1f));
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        (!chunk.is_empty()).then_some(chunk)
    }));
    assert_eq!(joined(&whole), stream);
    assert_eq!(joined(&cut), stream);
    assert_eq!(messages(&whole.0), messages(&cut.0));
    for (index, event) in whole.0.iter().enumerate() {
        check_rewriting(event, index == 0);
    }
});

fn check_rewriting(event: &Event, first: bool) {
    assert!(&event.rewrite(|_| Rewrite::Keep) == event);
    let hard = event.harden();
    assert!(!hard.has_foreign_line_breaks());
    assert_eq!(hard.data().is_some(), event.data().is_some());
    let Some(data) = event.data() else { return };
    // Read again where it stood: a byte order mark leads only the first event of a stream.
    let before: &[u8] = if first { b"" } else { b":\n" };
    for new in [&data[..], b"{}", b"a\nb", b""] {
        let (events, tail) = run(std::iter::once(&[before, &event.with_data(new), b"data: next\n\n"].concat()[..]));
        let [.., edited, next] = events.as_slice() else { panic!("an edited event did not end") };
        assert!(tail.is_none() && next.raw() == b"data: next\n\n");
        assert_eq!(edited.data().as_deref(), Some(new));
        assert_eq!((edited.id(), edited.retry(), edited.event_type()), (event.id(), event.retry(), event.event_type()));
    }
    let dropped = run(std::iter::once(&event.dropped()[..]));
    assert!(dropped.1.is_none() && dropped.0.len() <= 1 && dropped.0.iter().all(|event| !event.is_message()));
}

type Output = (Vec<Event>, Option<Event>);

fn run<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Output {
    let mut framer = Framer::new(1 << 20);
    let mut events = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        while let Some(event) = framer.next_event() {
            events.push(event.expect("no input is that long"));
        }
    }
    let tail = framer.finish();
    (events, tail)
}

fn joined((events, tail): &Output) -> Vec<u8> {
    events.iter().chain(tail).flat_map(|event| event.raw()).copied().collect()
}

/// What a client dispatches: type, data and the id that stands by then.
fn messages(events: &[Event]) -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let mut id = Vec::new();
    let mut out = Vec::new();
    for event in events {
        id = event.id().map_or(id, <[u8]>::to_vec);
        if let Some(data) = event.data() {
            out.push((event.event_type().unwrap_or_default().to_vec(), data.into_owned(), id.clone()));
        }
    }
    out
}
