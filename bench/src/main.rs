//! Real Envoy under load, with Portcullis and without. `bench/README.md` says how and why.

mod envoy;
mod load;
mod policy;
mod report;
mod samples;
mod sidecar;
#[cfg(test)]
mod tests;
mod timed;
mod upstream;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs, io, thread};

use clap::{Parser, Subcommand};
use serde_json::Value;

use envoy::{Envoy, Launcher};
use load::{CASES, CONNECTIONS, Case};
use policy::Scan;
use report::Table;
use sidecar::Means;

/// Measures Envoy with Portcullis against plain Envoy.
///
/// Paths come from the environment, as `make bench` sets them: ENVOY, PORTCULLIS_WASM (the filter) and
/// PORTCULLIS_YARDSTICK (the wasm filters it is measured by, `timed.wasm` beside it); PORTCULLIS_CLI is the command line, PORTCULLIS_POSTGRES the
/// script that starts a PostgreSQL.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Subcommands>,
    /// A few seconds, to prove that it runs; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// How often every configuration has its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of one run
    #[arg(long, default_value_t = 1.2)]
    seconds: f64,
    /// Only cases and configurations whose name holds this text (may be repeated; plain Envoy always runs); `sidecar` for those
    /// with the sidecar, `timed` for the scanners' own speed
    #[arg(long)]
    only: Vec<String>,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Print the policy of 100 rules, as committed in bench/policy-100.json
    Policy,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if let Some(Subcommands::Policy) = arguments.command {
        println!("{:#}", policy::realistic(100, Scan::Secrets));
        return ExitCode::SUCCESS;
    }
    if arguments.quick {
        (arguments.rounds, arguments.seconds) = (1, 0.1);
    }
    match measure(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portcullis-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One way to set up Envoy.
struct Configuration {
    name: &'static str,
    filter: Option<Value>,
}

fn measure(arguments: &Arguments) -> io::Result<()> {
    let wasm = path_of("PORTCULLIS_WASM")?;
    let launcher = launcher()?;
    let upstream = upstream::start()?;
    print_machine(&launcher)?;
    let all = arguments.only.is_empty();
    let asked = |part: &str| arguments.only.iter().any(|text| text == part);
    if all || arguments.only.iter().any(|text| !PARTS.contains(&text.as_str())) {
        beside_plain(arguments, &launcher, &wasm, upstream)?;
    }
    if all || asked(TIMED) {
        timed::speed(&launcher, &path_of("PORTCULLIS_YARDSTICK")?.with_file_name("timed.wasm"), upstream, arguments)?;
    }
    if all || asked(SIDECAR) {
        let (cli, postgres) = (path_of("PORTCULLIS_CLI")?, path_of("PORTCULLIS_POSTGRES")?);
        let means = Means { cli, postgres, wasm: &wasm, launcher: &launcher, upstream };
        sidecar::costs(&means, arguments.rounds, Duration::from_secs_f64(arguments.seconds))?;
        sidecar::approvals(&means, if arguments.quick { 50 } else { 1000 })?;
    }
    fs::remove_dir_all(&launcher.directory)
}

/// The filter, and what else can stand in its place, against plain Envoy.
fn beside_plain(arguments: &Arguments, launcher: &Launcher, wasm: &Path, upstream: SocketAddr) -> io::Result<()> {
    let configurations = configurations(wasm, &path_of("PORTCULLIS_YARDSTICK")?);
    let picked = |name: &str| arguments.only.iter().any(|text| name.contains(text.as_str()));
    // A text may pick a case or a configuration: what it does not speak of is not narrowed by it.
    let cases: Vec<Case> = narrowed(&CASES, |case| picked(case.name)).copied().collect();
    let narrowed_configurations: Vec<&Configuration> = {
        let any = configurations.iter().any(|configuration| picked(configuration.name));
        let wanted =
            |configuration: &&Configuration| configuration.filter.is_none() || !any || picked(configuration.name);
        configurations.iter().filter(wanted).collect()
    };

    let mut running: Vec<(&str, Envoy)> = Vec::new();
    for configuration in narrowed_configurations {
        let envoy = launcher.start(configuration.name, configuration.filter.clone(), upstream, 1)?;
        running.push((configuration.name, envoy));
    }
    let time = Duration::from_secs_f64(arguments.seconds);
    let warm_up = if arguments.quick { Duration::from_millis(50) } else { WARM_UP };
    for case in cases {
        let mut table = Table { case: case.name, rows: running.iter().map(|(name, _)| (*name, Vec::new())).collect() };
        // V8 compiles what runs often once more, better: not within the measurement.
        for (name, envoy) in &running {
            run(name, envoy, case, warm_up)?;
        }
        for _ in 0..arguments.rounds {
            for ((name, envoy), (_, runs)) in running.iter().zip(&mut table.rows) {
                runs.push(run(name, envoy, case, time)?);
            }
        }
        table.print();
    }
    drop(running);
    footprint(arguments, launcher, wasm, &configurations, upstream)
}

fn run(name: &str, envoy: &Envoy, case: Case, time: Duration) -> io::Result<load::Run> {
    let run = load::run(envoy.address, case, time, || envoy.cpu());
    let run =
        run.map_err(|error| io::Error::other(format!("{name}, {}: {error}\n{}", case.name, envoy.last_words())))?;
    envoy.cut_log()?;
    Ok(run)
}

/// Plain Envoy first: the others are compared with it.
fn configurations(wasm: &Path, yardstick: &Path) -> Vec<Configuration> {
    let ours = |policy: Value| Some(envoy::wasm(wasm, "portcullis", &policy.to_string()));
    let by = |what: &str| Some(envoy::wasm(yardstick, "yardstick", what));
    [
        ("plain", None),
        ("native mcp", Some(envoy::native())),
        ("wasm no-op", by("noop")),
        ("wasm hold and copy", by("copy")),
        ("portcullis allow-all", ours(policy::allow_all())),
        // What the line per message in Envoy's log costs: the next row writes lines for refusals only.
        ("portcullis allow-all, quiet", ours(policy::quiet(policy::allow_all()))),
        ("portcullis 100 rules", ours(policy::realistic(100, Scan::Nothing))),
        ("portcullis 1000 rules", ours(policy::realistic(1000, Scan::Nothing))),
        ("portcullis 100 rules, secrets", ours(policy::realistic(100, Scan::Secrets))),
        ("portcullis 100 rules, all scanners", ours(policy::realistic(100, Scan::Everything))),
        ("portcullis 100 rules, secrets, quiet", ours(policy::quiet(policy::realistic(100, Scan::Secrets)))),
    ]
    .into_iter()
    .map(|(name, filter)| Configuration { name, filter })
    .collect()
}

/// Size of the module, start time and memory.
fn footprint(
    arguments: &Arguments,
    launcher: &Launcher,
    wasm: &Path,
    configurations: &[Configuration],
    upstream: SocketAddr,
) -> io::Result<()> {
    println!("\n### Footprint\n");
    println!("The filter's module: {} KiB\n", fs::metadata(wasm)?.len() / 1024);
    println!("| configuration | start ms | resident, 1 worker MiB | each further worker MiB |");
    println!("|---|---:|---:|---:|");
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    for name in ["plain", "wasm no-op", "portcullis 100 rules, secrets"] {
        let Some(configuration) = configurations.iter().find(|configuration| configuration.name == name) else {
            continue;
        };
        let (mut starts, mut one, mut each) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..if arguments.quick { 1 } else { 3 } {
            let mut resident = Vec::new();
            for workers in [1, MANY] {
                let envoy = launcher.start(name, configuration.filter.clone(), upstream, workers)?;
                if workers == 1 {
                    starts.push(envoy.start.as_secs_f64() * 1e3);
                }
                // Some calls, so that every worker's VM has worked.
                run(name, &envoy, CASES[0], Duration::from_millis(100))?;
                resident.push(envoy.resident()? as f64);
            }
            if let [single, many] = resident.as_slice() {
                one.push(mib(*single));
                each.push(mib(many - single) / (MANY - 1) as f64);
            }
        }
        println!(
            "| {name} | {:.0} | {:.1} | {:.1} |",
            report::median(starts.into_iter()),
            report::median(one.into_iter()),
            report::median(each.into_iter())
        );
    }
    Ok(())
}

/// Pins this process to one core, and the Envoys it will start to another.
fn launcher() -> io::Result<Launcher> {
    let cores = thread::available_parallelism()?.get();
    let me = std::process::id().to_string();
    let pinned = cores > 1
        && Command::new("taskset")
            .args(["-a", "-p", "-c", "0", &me])
            .output()
            .is_ok_and(|output| output.status.success());
    let directory = env::temp_dir().join(format!("portcullis-bench-{me}"));
    fs::create_dir_all(&directory)?;
    Ok(Launcher { binary: path_of("ENVOY")?, directory, core: pinned.then_some(1) })
}

fn print_machine(launcher: &Launcher) -> io::Result<()> {
    let output = |program: &Path, argument: &str| -> io::Result<String> {
        let output = Command::new(program).arg(argument).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let version = output(&launcher.binary, "--version")?;
    // Of the form `envoy  version: commit/number/state/build/TLS library`.
    let version = version.rsplit("version: ").next().and_then(|parts| parts.split('/').nth(1)).unwrap_or_default();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, model)| model.trim());
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    println!("{}, Envoy {version}, {model}, {cores} cores", output(Path::new("date"), "-uI")?);
    match launcher.core {
        Some(core) => {
            println!("Envoy (one worker) on core {core}, load and upstream on core 0, {CONNECTIONS} connections")
        }
        None => println!("Not pinned: there is one core only, or no taskset. {CONNECTIONS} connections"),
    }
    Ok(())
}

fn narrowed<T>(all: &[T], picked: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
    let any = all.iter().any(&picked);
    all.iter().filter(move |item| !any || picked(item))
}

fn path_of(variable: &str) -> io::Result<PathBuf> {
    let path = env::var_os(variable)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("{variable} is not set; run make bench")))?;
    if path.is_file() {
        Ok(path)
    } else {
        Err(io::Error::other(format!("{variable}: there is no file {}", path.display())))
    }
}

/// What `--only` names besides cases and configurations.
const PARTS: [&str; 2] = [SIDECAR, TIMED];
const SIDECAR: &str = "sidecar";
const TIMED: &str = "timed";
/// Before the runs of each case.
const WARM_UP: Duration = Duration::from_millis(1000);
/// Workers of the Envoy whose memory is compared with one of one worker.
const MANY: usize = 5;
