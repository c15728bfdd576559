//! How fast the scanners are inside Envoy, under load: a wasm filter that holds each body, parses it, scans it with all
//! seven and takes the time of the scan alone by Envoy's clock. It decides nothing. Counters of Envoy's say what it came to:
//! `bytes` and `ns` of each direction, and `least_ns`, the least that a body of [`LARGE`] took.
#![allow(missing_docs, reason = "the macro writes the exported function")]

use std::rc::Rc;
use std::time::SystemTime;

use hold::Hold;
use portcullis_engine::json::{Document, Limits};
use portcullis_engine::scan::{self, Direction, Scanners, ScannersConfig, Surface};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel, MetricType};

mod hold;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { timer: None }) });
}}

struct Root {
    timer: Option<Rc<Timer>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.timer = Timer::new().map(Rc::new);
        self.timer.is_some()
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let timer = Rc::clone(self.timer.as_ref()?);
        Some(Box::new(Hold(move |buffer, size| timer.take(buffer, size))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Timer {
    scanners: Scanners,
    request: Metrics,
    response: Metrics,
}

impl Timer {
    fn new() -> Option<Self> {
        let scanners = Scanners::compile(&ScannersConfig::default()).ok()?;
        Some(Self { scanners, request: Metrics::of("request")?, response: Metrics::of("response")? })
    }

    /// Times the scan of one body and counts it. What is no JSON or has findings is said, and not counted: it is not what is measured.
    fn take(&self, buffer: BufferType, size: usize) {
        let (direction, surface, metrics) = match buffer {
            BufferType::HttpRequestBody => (Direction::Request, Surface::Arguments, &self.request),
            _ => (Direction::Response, Surface::Result, &self.response),
        };
        let body = hostcalls::get_buffer(buffer, 0, size).ok().flatten().unwrap_or_default();
        let Ok(document) = Document::parse(&body, &Limits::default()) else {
            return complain("a body is no JSON");
        };
        let mut found = Vec::new();
        let start = SystemTime::now();
        self.scanners.scan_value(scan::Context { direction, surface }, document.root(), &mut found);
        let taken = start.elapsed().unwrap_or_default().as_nanos() as u64;
        if !found.is_empty() {
            return complain("a body has findings");
        }
        metrics.add(body.len() as u64, taken);
    }
}

/// Numbers of Envoy's metrics.
struct Metrics {
    bytes: u32,
    ns: u32,
    least_ns: u32,
}

impl Metrics {
    fn of(direction: &str) -> Option<Self> {
        let define = |kind, name| hostcalls::define_metric(kind, &format!("timed.{direction}.{name}")).ok();
        Some(Self {
            bytes: define(MetricType::Counter, "bytes")?,
            ns: define(MetricType::Counter, "ns")?,
            least_ns: define(MetricType::Gauge, "least_ns")?,
        })
    }

    fn add(&self, bytes: u64, ns: u64) {
        if bytes < LARGE {
            return;
        }
        let least = hostcalls::get_metric(self.least_ns).unwrap_or(0);
        let said = hostcalls::increment_metric(self.bytes, bytes as i64)
            .and_then(|()| hostcalls::increment_metric(self.ns, ns as i64))
            .and_then(|()| if least == 0 || ns < least { hostcalls::record_metric(self.least_ns, ns) } else { Ok(()) });
        if said.is_err() {
            complain("a metric could not be set");
        }
    }
}

fn complain(what: &str) {
    // Where the log cannot be written there is nobody to tell.
    let _ = hostcalls::log(LogLevel::Error, what);
}

/// Bodies below this are not counted, in bytes.
const LARGE: u64 = 60 << 10;
