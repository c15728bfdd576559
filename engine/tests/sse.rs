//! Server-Sent Events: whatever the chunks, the events are those of the standard and no byte is lost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use portcullis_engine::sse::{Event, Field, Framer, Rewrite, TooLarge};
use proptest::prelude::*;

#[test]
fn the_examples_of_the_standard() {
    let messages = |stream: &str| -> Vec<String> {
        one_shot(stream.as_bytes()).dispatched().iter().map(|message| text(&message.data)).collect()
    };
    assert_eq!(messages("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    let four = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
    assert_eq!(messages(four), ["first event", "second event", " third event"]);
    assert_eq!(messages("data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(messages("data:test\n\ndata: test\n\n"), ["test", "test"]);
}

#[test]
fn split_at_every_byte_position() {
    for stream in corpus() {
        let whole = one_shot(&stream);
        assert_eq!(whole.dispatched(), reference(&stream), "{:?}", text(&stream));
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            let cut = run(&[head, tail]);
            assert_eq!(cut.joined(), stream, "bytes, cut at {at} of {:?}", text(&stream));
            assert_eq!(cut.dispatched(), whole.dispatched(), "events, cut at {at} of {:?}", text(&stream));
        }
        let bytewise = run(&stream.iter().map(std::slice::from_ref).collect::<Vec<_>>());
        assert_eq!(bytewise.joined(), stream);
        assert_eq!(bytewise.dispatched(), whole.dispatched(), "byte by byte: {:?}", text(&stream));
    }
}

#[test]
fn an_event_leaves_with_its_last_byte() {
    for ending in ["\n", "\r", "\r\n"] {
        let stream = format!("data: 1{ending}{ending}data: 2{ending}{ending}");
        let complete = if ending == "\r\n" { stream.len() - 1 } else { stream.len() };
        let mut framer = Framer::new(MAX);
        let mut seen = 0;
        for (index, byte) in stream.bytes().enumerate() {
            framer.push(&[byte]);
            while let Some(event) = framer.next_event() {
                seen += usize::from(event.unwrap().is_message());
            }
            assert_eq!(seen == 2, index + 1 >= complete, "{ending:?} at {index}");
        }
    }
    // The second byte of CRLF is passed on as it comes, not with the next event: a reader may wait for it.
    let mut framer = Framer::new(MAX);
    framer.push(b"data: 1\r\n\r");
    assert_eq!(framer.next_event().unwrap().unwrap().raw(), b"data: 1\r\n\r");
    assert_eq!(framer.next_event(), None);
    framer.push(b"\n");
    assert_eq!(framer.next_event().unwrap().unwrap().raw(), b"\n");
}

#[test]
fn keep_alive_comments_pass_at_once() {
    let mut framer = Framer::new(MAX);
    for _ in 0..3 {
        framer.push(b":\n");
        assert_eq!(framer.next_event().unwrap().unwrap().raw(), b":\n");
        assert_eq!(framer.next_event(), None);
    }
    framer.push(b"data: 1\n: within\n");
    assert_eq!(framer.next_event(), None, "a comment behind a field belongs to the event");
    framer.push(b"\n");
    assert_eq!(framer.next_event().unwrap().unwrap().raw(), b"data: 1\n: within\n\n");
}

#[test]
fn too_large_is_said_once_and_ends_the_stream() {
    let limit = 16;
    let fits = b"data: 34567890\n\n";
    assert_eq!(fits.len(), limit);
    let stream = [&fits[..], b"data: 345678901\n\ndata: 1\n\n"].concat();
    for chunk in [1, 3, 100] {
        let mut framer = Framer::new(limit);
        let mut results = Vec::new();
        for bytes in stream.chunks(chunk) {
            framer.push(bytes);
            results.extend(std::iter::from_fn(|| framer.next_event()));
        }
        assert_eq!(results.len(), 2, "in chunks of {chunk}");
        assert_eq!(results[0].as_ref().unwrap().raw(), fits);
        assert_eq!(results[1], Err(TooLarge { max_event_bytes: limit }));
        assert!(framer.finish().is_none());
    }
}

#[test]
fn a_megabyte_byte_by_byte_is_linear() {
    // Quadratic work here would take many minutes instead of a moment.
    let mut framer = Framer::new(4 << 20);
    for _ in 0..1 << 20 {
        framer.push(b"x");
        assert_eq!(framer.next_event(), None);
    }
    framer.push(&b"\n".repeat(1 << 20));
    assert_eq!(std::iter::from_fn(|| framer.next_event()).count(), (1 << 20) - 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_chunking_gives_the_same_events(stream in stream(), cuts in prop::collection::vec(0usize..200, 0..6)) {
        let whole = one_shot(&stream);
        prop_assert_eq!(whole.dispatched(), reference(&stream));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).chain([0, stream.len()]).collect();
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let cut = run(&chunks);
        prop_assert_eq!(cut.joined(), stream);
        prop_assert_eq!(cut.dispatched(), whole.dispatched());
    }

    #[test]
    fn rewriting_changes_what_it_says_and_nothing_else(stream in stream(), data in "[a-z{}\" \r\n\u{2028}]{0,12}") {
        for (index, event) in one_shot(&stream).events.iter().enumerate() {
            // Read again where it stood: a mark leads only the first event of a stream.
            let before: &[u8] = if index == 0 { b"" } else { b":\n" };
            let again = |bytes: &[u8], after: &[u8]| {
                let mut output = one_shot(&[before, bytes, after].concat());
                output.events.drain(..index.min(1));
                output
            };
            let others = |event: &Event| -> Vec<String> {
                event.fields().filter(|f| !matches!(f, Field::Data(_))).map(show).collect()
            };
            let ends = |event: &Event| event.fields().any(|f| !matches!(f, Field::Comment(_)));
            let edited = event.with_data(data.as_bytes());
            if ends(event) {
                // Still one event.
                let edited = again(&edited, b"data: next\n\n");
                prop_assert_eq!(edited.events.len(), 2);
                let lines = data.replace("\r\n", "\n").replace('\r', "\n");
                prop_assert_eq!(text(&edited.events[0].data().unwrap()), lines);
                prop_assert_eq!(others(&edited.events[0]), others(event));
            }
            prop_assert_eq!(&event.rewrite(|_| Rewrite::Keep), event);

            let hard = event.harden();
            prop_assert!(!hard.has_foreign_line_breaks());
            prop_assert!(event.has_foreign_line_breaks() || hard == *event);
            prop_assert_eq!(hard.data().is_some(), event.data().is_some());
            prop_assert_eq!(again(hard.raw(), b"").dispatched().len(), again(event.raw(), b"").dispatched().len());

            let dropped = again(&event.dropped(), b"");
            prop_assert_eq!(dropped.events.is_empty(), event.id().is_none() && event.retry().is_none());
            prop_assert!(dropped.tail.is_none() && dropped.events.len() <= 1);
            for left in &dropped.events {
                prop_assert!(!left.is_message() && left.id() == event.id() && left.retry() == event.retry());
            }
        }
    }
}

/// Streams dense in what makes framing hard.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let names = vec!["data:", "data: ", "data", "id:", "id: ", "event: ", "retry:", ":", "foo: ", " data: "];
    let values = vec!["{\"a\":1}", "x", " ", "7", "\0", "\u{feff}", "\u{2028}", "\u{85}", "\u{b}", "å"];
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\n\r"]),
        4 => prop::sample::select(names),
        2 => prop::sample::select(values),
    ];
    let pieces = prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes());
    (any::<prop::sample::Index>(), prop::option::weighted(0.1, any::<u8>()), pieces).prop_map(
        |(at, byte, mut stream)| {
            if let Some(byte) = byte {
                stream.insert(at.index(stream.len() + 1), byte);
            }
            stream
        },
    )
}

fn corpus() -> Vec<Vec<u8>> {
    let mut streams: Vec<Vec<u8>> = [
        "",
        "\n",
        "\r",
        "\r\n",
        "data: a\n\ndata: b\n\n",
        "data: a\r\rdata: b\r\r",
        "data: a\r\n\r\ndata: b\r\n\r\n",
        "data: a\r\n\ndata: b\n\r\ndata: c\r\r\n",
        "data: a\n\rdata: b\r\n\rdata: c\n\n",
        "\u{feff}data: a\n\n\u{feff}data: b\n\n",
        "\u{feff}\n\u{feff}data: b\n\ndata: c\n\n",
        "\u{feff}\u{feff}data: a\n\n",
        "\u{feff}: c\n\n",
        "data\n\ndata\ndata\n\ndata:",
        "data:a\ndata: b\ndata:  c\ndata\ndata:\n\n",
        "id: 1\nevent: message\nretry: 3000\ndata: {\"jsonrpc\":\"2.0\"}\n\n",
        "id: p\ndata:\n\n: ping\n\n:\n:\ndata: x\n: y\n\n",
        "id: a\0b\ndata: x\n\n",
        "Data: x\ndata : x\n data: x\nunknown\n\ndata: y\n\n",
        "data: a:b: c\n\n:data: x\n\n",
        "event: endpoint\ndata: /messages?session_id=1\n\n",
        "data: cut in the middle",
        "data: complete line\n",
        "data: \u{2028}\u{85}\u{c}é😀\n\n",
        "\n\n\r\r\n\n\r\ndata: z\n\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    streams.push(b"data: \xff\xfe\xc0\xaf\n\n\xef\xbb\ndata: a\n\n".to_vec());
    streams.push(b"\xef\xbb\ndata: a\n\n".to_vec());
    streams
}

/// The standard's algorithm over the whole stream at once, written as plainly as it is there.
fn reference(stream: &[u8]) -> Vec<Message> {
    let mut rest = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let (mut messages, mut now, mut has_data) = (Vec::new(), Message::default(), false);
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let line = &rest[..end];
        rest = &rest[end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
        if line.is_empty() {
            if std::mem::take(&mut has_data) {
                now.data.pop();
                messages.push(now.clone());
            }
            (now.data, now.event_type) = (Vec::new(), Vec::new());
            continue;
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                has_data = true;
                now.data.extend_from_slice(value);
                now.data.push(b'\n');
            }
            b"event" => now.event_type = value.to_vec(),
            b"id" if !value.contains(&0) => now.id = value.to_vec(),
            _ => {}
        }
    }
    messages
}

/// What a client dispatches.
#[derive(Debug, PartialEq, Eq, Clone, Default)]
struct Message {
    event_type: Vec<u8>,
    data: Vec<u8>,
    id: Vec<u8>,
}

/// What the framer made of a stream.
struct Output {
    events: Vec<Event>,
    tail: Option<Event>,
}

impl Output {
    fn joined(&self) -> Vec<u8> {
        self.events.iter().chain(&self.tail).flat_map(|event| event.raw().iter().copied()).collect()
    }

    fn dispatched(&self) -> Vec<Message> {
        let mut id = Vec::new();
        let mut messages = Vec::new();
        for event in &self.events {
            id = event.id().map_or(id, <[u8]>::to_vec);
            if let Some(data) = event.data() {
                let event_type = event.event_type().unwrap_or_default().to_vec();
                messages.push(Message { event_type, data: data.into_owned(), id: id.clone() });
            }
        }
        messages
    }
}

fn one_shot(stream: &[u8]) -> Output {
    run(&[stream])
}

fn run(chunks: &[&[u8]]) -> Output {
    let mut framer = Framer::new(MAX);
    let mut events = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        events.extend(std::iter::from_fn(|| framer.next_event()).map(Result::unwrap));
    }
    Output { events, tail: framer.finish() }
}

fn show(field: Field<'_>) -> String {
    match field {
        Field::Comment(value) => format!("comment {}", text(value)),
        Field::Data(value) => format!("data {}", text(value)),
        Field::EventType(value) => format!("event {}", text(value)),
        Field::Id(value) => format!("id {}", text(value)),
        Field::Retry(value) => format!("retry {}", text(value)),
        Field::Unknown { name, value } => format!("{} {}", text(name), text(value)),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const MAX: usize = 1 << 22;
