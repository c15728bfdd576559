//! The load: a fixed number of connections, each with one call under way (a closed loop).

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::policy;
use crate::samples::{self, Template};
use crate::upstream;
use crate::wire::{Reader, broken};

/// What is asked, and what comes back.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name in tables and for `--only`.
    pub name: &'static str,
    call: usize,
    answer: &'static str,
}

/// All cases.
pub const CASES: [Case; 4] = [
    Case { name: "1 KiB call, 1 KiB answer", call: upstream::SMALL, answer: "1k" },
    Case { name: "64 KiB call, 1 KiB answer", call: upstream::LARGE, answer: "1k" },
    Case { name: "1 KiB call, 64 KiB answer", call: upstream::SMALL, answer: "64k" },
    Case { name: "1 KiB call, stream of 10 events of 1 KiB", call: upstream::SMALL, answer: "events" },
];

/// What one run came to.
#[derive(Clone, Debug)]
pub struct Run {
    /// Calls a second.
    pub throughput: f64,
    /// Median latency.
    pub p50: Duration,
    /// Latency that one of a hundred exceeds.
    pub p99: Duration,
    /// CPU time of Envoy for one call.
    pub cpu: Duration,
}

/// Calls `target` for `time`; `cpu` reads the CPU time that Envoy has used so far.
pub fn run(target: SocketAddr, case: Case, time: Duration, cpu: impl Fn() -> io::Result<Duration>) -> io::Result<Run> {
    let barrier = Barrier::new(CONNECTIONS + 1);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let (barrier, stop) = (&barrier, &stop);
                scope.spawn(move || {
                    let ready = Client::connect(target, case, number).and_then(|mut client| {
                        for _ in 0..WARM {
                            client.call()?;
                        }
                        Ok(client)
                    });
                    // Who failed still comes to the barrier: the others wait there.
                    barrier.wait();
                    let mut client = ready?;
                    let mut latencies = Vec::with_capacity(1 << 14);
                    while !stop.load(Ordering::Relaxed) {
                        latencies.push(client.call()?);
                    }
                    io::Result::Ok(latencies)
                })
            })
            .collect();
        barrier.wait();
        let (started, used) = (Instant::now(), cpu()?);
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for client in clients {
            latencies.extend(client.join().map_err(|_| broken("a client panicked"))??);
        }
        let (elapsed, used) = (started.elapsed(), cpu()?.saturating_sub(used));
        latencies.sort_unstable();
        let count = latencies.len();
        let at = |part: f64| latencies.get((count as f64 * part) as usize).copied().unwrap_or_default();
        Ok(Run {
            throughput: count as f64 / elapsed.as_secs_f64(),
            p50: at(0.50),
            p99: at(0.99),
            cpu: used.checked_div(count as u32).unwrap_or_default(),
        })
    })
}

/// One connection.
struct Client {
    out: TcpStream,
    reader: Reader,
    head: Vec<u8>,
    call: Template,
    answer: Template,
    id: u32,
}

impl Client {
    fn connect(target: SocketAddr, case: Case, number: usize) -> io::Result<Self> {
        let out = TcpStream::connect(target)?;
        out.set_nodelay(true)?;
        out.set_read_timeout(Some(TIMEOUT))?;
        let reader = Reader::new(out.try_clone()?);
        let call = samples::call(case.call);
        let head = format!(
            "POST /documents/{} HTTP/1.1\r\nhost: mcp.example.com\r\nuser-agent: mcp-client/1.0\r\nauthorization: Bearer {}\r\n\
             accept: application/json, text/event-stream\r\naccept-encoding: gzip, deflate\r\ncontent-type: application/json\r\n\
             mcp-protocol-version: 2025-06-18\r\nmcp-session-id: 6f1c2a34-5b77-4a6e-9c0d-2f8e1b7a9d10\r\ncontent-length: {}\r\n\r\n",
            case.answer,
            policy::KEY,
            call.bytes().len()
        );
        let id = 10_000_000 + number as u32 * 5_000_000;
        let answer = upstream::answer(case.answer.as_bytes());
        Ok(Self { out, reader, head: head.into_bytes(), call, answer, id })
    }

    /// One call; an answer that is not the expected one is an error.
    fn call(&mut self) -> io::Result<Duration> {
        self.id += 1;
        let id = self.id.to_string();
        self.call.put_id(id.as_bytes());
        let mut request = self.head.clone();
        request.extend_from_slice(self.call.bytes());
        let started = Instant::now();
        self.out.write_all(&request)?;
        let Some((head, body)) = self.reader.message()? else { return Err(broken("no answer")) };
        let latency = started.elapsed();
        if head.status != 200 || !self.answer.is(body, id.as_bytes()) {
            let start: String = String::from_utf8_lossy(body).chars().take(300).collect();
            return Err(broken(&format!("status {}, {} bytes: {start}", head.status, body.len())));
        }
        Ok(latency)
    }
}

/// Connections, and calls under way.
pub const CONNECTIONS: usize = 16;
/// Calls of each connection before the measurement.
const WARM: usize = 20;
const TIMEOUT: Duration = Duration::from_secs(10);
