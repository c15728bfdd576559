//! How fast the scanners are inside Envoy, by themselves: what `bench/timed.rs` counts under load.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::envoy::{self, Envoy, Launcher};
use crate::load::{self, CASES};
use crate::wire::broken;
use crate::{Arguments, WARM_UP, report};

/// Prints the speed of all seven scanners over clean JSON of 64 KiB, as it goes through Envoy.
pub fn speed(launcher: &Launcher, module: &Path, upstream: SocketAddr, arguments: &Arguments) -> io::Result<()> {
    let envoy = launcher.start("timed", Some(envoy::wasm(module, "timed", "")), upstream, 1)?;
    println!("\n### The scanners by themselves, inside Envoy under load\n");
    println!("| 64 KiB | MB/s, median of the rounds | least–most | the fastest scan |");
    println!("|---|---:|---:|---:|");
    for (name, direction, case) in [("call", "request", CASES[1]), ("answer", "response", CASES[2])] {
        let run = |time| load::run(envoy.address, case, time, || envoy.cpu());
        let mut rounds = Vec::new();
        run(if arguments.quick { Duration::from_millis(50) } else { WARM_UP })?;
        for _ in 0..arguments.rounds {
            let before = Counted::of(&envoy, direction)?;
            run(Duration::from_secs_f64(arguments.seconds))?;
            rounds.push(Counted::of(&envoy, direction)?.since(before)?);
        }
        let least = envoy.metric(&format!("wasmcustom.timed.{direction}.least_ns"))?;
        let (slow, fast) =
            rounds.iter().fold((f64::MAX, 0.0_f64), |(slow, fast), one| (slow.min(*one), fast.max(*one)));
        let median = report::median(rounds.into_iter());
        println!("| {name} | **{median:.0}** | {slow:.0}–{fast:.0} | {:.0} |", 65_536.0 * 1e3 / least as f64);
    }
    Ok(())
}

/// What the filter has counted so far.
#[derive(Clone, Copy)]
struct Counted {
    bytes: u64,
    ns: u64,
}

impl Counted {
    fn of(envoy: &Envoy, direction: &str) -> io::Result<Self> {
        let metric = |name: &str| envoy.metric(&format!("wasmcustom.timed.{direction}.{name}"));
        Ok(Self { bytes: metric("bytes")?, ns: metric("ns")? })
    }

    /// MB/s since then.
    fn since(self, before: Self) -> io::Result<f64> {
        let (bytes, ns) = (self.bytes - before.bytes, self.ns - before.ns);
        if ns == 0 {
            return Err(broken("nothing was scanned"));
        }
        Ok(bytes as f64 * 1e3 / ns as f64)
    }
}
