//! Messages of realistic JSON: documents with prose and nested objects. The same bytes in every run, and nothing
//! in them that a scanner should find.

use std::fmt::Write;
use std::ops::Range;

/// A message, or a stream of them, whose JSON-RPC id can be changed in place.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    id: Range<usize>,
}

impl Template {
    fn new(text: String) -> Self {
        let at = text.find(FIRST_ID).unwrap_or_default();
        Self { bytes: text.into_bytes(), id: at..at + FIRST_ID.len() }
    }

    /// The bytes with the id that was put last.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Puts an id of eight digits.
    #[allow(dead_code, reason = "the engine's benchmarks share this file")]
    pub fn put_id(&mut self, id: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.id.clone())
            && place.len() == id.len()
        {
            place.copy_from_slice(id);
        }
    }

    /// True where `body` is this message with `id`, as far as its length and its id tell.
    #[allow(dead_code, reason = "the engine's benchmarks share this file and do not look at answers")]
    pub fn is(&self, body: &[u8], id: &[u8]) -> bool {
        body.len() == self.bytes.len() && body.get(self.id.clone()) == Some(id)
    }
}

/// A call of the tool `search_documents`, `size` bytes long.
pub fn call(size: usize) -> Template {
    let head = format!(
        r#"{{"jsonrpc":"2.0","id":{FIRST_ID},"method":"tools/call","params":{{"name":"search_documents","arguments":{{"query":"quarterly revenue by region","path":"/srv/data/reports/2026/q3","limit":20,"filters":{{"language":["en","de"],"since":"2026-01-01T00:00:00Z","draft":false}},"documents":["#
    );
    Template::new(fill(head, r#"],"note":""#, r#""},"_meta":{"progressToken":7}}}"#, size))
}

/// The answer to [`call`]: a block of text and the same kind of thing as structured content, `size` bytes long.
pub fn answer(size: usize) -> Template {
    let mut head = format!(r#"{{"jsonrpc":"2.0","id":{FIRST_ID},"result":{{"content":[{{"type":"text","text":""#);
    let mut words = Words::new();
    while head.len() < size / 2 {
        words.sentence(&mut head);
        head.push_str(r#"\n- \""#);
        words.phrase(&mut head, 3);
        head.push_str(r#"\" "#);
    }
    head.push_str(r#""}],"structuredContent":{"documents":["#);
    Template::new(fill(head, r#"],"note":""#, r#""},"isError":false}}"#, size))
}

/// The answer to [`call`] as a stream of `count` events, each with `size` bytes of data: log messages, then the result.
pub fn events(count: usize, size: usize) -> Template {
    let mut text = String::new();
    for index in 1..count {
        let head = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","logger":"search","data":{{"step":{index},"documents":["#
        );
        let _ = write!(text, "event: message\ndata: {}\n\n", fill(head, r#"],"note":""#, r#""}}}"#, size));
    }
    let result = answer(size);
    let _ = write!(text, "event: message\ndata: {}\n\n", String::from_utf8_lossy(result.bytes()));
    Template::new(text)
}

/// An array of objects, `size` bytes long.
#[allow(dead_code, reason = "only the engine's benchmarks take it apart")]
pub fn objects(size: usize) -> String {
    fill("{\"documents\":[".to_owned(), r#"],"note":""#, r#""}"#, size)
}

/// Prose of about `size` bytes, without line ends and quotes.
#[allow(dead_code, reason = "only the engine's benchmarks take it apart")]
pub fn prose(size: usize) -> String {
    let mut words = Words::new();
    let mut text = String::with_capacity(size + 128);
    while text.len() < size {
        words.sentence(&mut text);
        text.push(' ');
    }
    text
}

/// `head`, as many documents as fit, `middle`, prose up to the size, `tail`.
fn fill(head: String, middle: &str, tail: &str, size: usize) -> String {
    let mut words = Words::new();
    let mut text = head;
    let mut first = true;
    let rest = middle.len() + tail.len();
    loop {
        let document = words.document();
        if text.len() + document.len() + 1 + rest > size {
            break;
        }
        if !std::mem::replace(&mut first, false) {
            text.push(',');
        }
        text.push_str(&document);
    }
    text.push_str(middle);
    while text.len() + tail.len() < size {
        let mut sentence = String::new();
        words.sentence(&mut sentence);
        sentence.push(' ');
        sentence.truncate(size - tail.len() - text.len());
        text.push_str(&sentence);
    }
    text.push_str(tail);
    text
}

/// Words by a small generator of pseudo-random numbers (Knuth's MMIX constants), the same in every run.
struct Words(u64);

impl Words {
    fn new() -> Self {
        Self(2026)
    }

    fn number(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn word(&mut self) -> &'static str {
        let index = self.number(VOCABULARY.len());
        VOCABULARY.get(index).copied().unwrap_or_default()
    }

    fn phrase(&mut self, out: &mut String, count: usize) {
        for index in 0..count {
            if index > 0 {
                out.push(' ');
            }
            let word = self.word();
            out.push_str(word);
        }
    }

    fn sentence(&mut self, out: &mut String) {
        let count = 6 + self.number(9);
        self.phrase(out, count);
        out.push('.');
    }

    fn document(&mut self) -> String {
        let (mut title, mut summary, mut name) = (String::new(), String::new(), String::new());
        self.phrase(&mut title, 4);
        self.sentence(&mut summary);
        self.phrase(&mut name, 2);
        let (id, day, score, size) =
            (self.number(1_000_000), 1 + self.number(28), self.number(10_000), self.number(90_000));
        let (tag, other, team) = (self.word(), self.word(), self.word());
        format!(
            r#"{{"id":"doc-{id:06}","title":"{title}","author":{{"name":"{name}","team":"{team}"}},"score":0.{score:04},"tags":["{tag}","{other}"],"updated":"2026-03-{day:02}T09:26:53Z","size":{size},"draft":false,"summary":"{summary}"}}"#
        )
    }
}

/// Ids have eight digits, so that a message keeps its length.
pub const FIRST_ID: &str = "10000000";

const VOCABULARY: [&str; 48] = [
    "report",
    "quarter",
    "revenue",
    "region",
    "customer",
    "growth",
    "the",
    "of",
    "and",
    "in",
    "for",
    "with",
    "market",
    "supply",
    "delivery",
    "planning",
    "budget",
    "review",
    "service",
    "incident",
    "summary",
    "analysis",
    "meeting",
    "decision",
    "roadmap",
    "release",
    "version",
    "change",
    "request",
    "network",
    "storage",
    "latency",
    "average",
    "increase",
    "compared",
    "previous",
    "year",
    "expected",
    "result",
    "team",
    "product",
    "design",
    "process",
    "quality",
    "measure",
    "forecast",
    "Zürich",
    "São Paulo",
];
