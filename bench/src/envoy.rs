//! One Envoy with one configuration: started, watched, ended.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wire::{Reader, broken};

/// A running Envoy; it ends when this is dropped.
pub struct Envoy {
    child: Child,
    log: PathBuf,
    /// Where its listener is.
    pub address: SocketAddr,
    /// Where its admin interface is.
    admin: SocketAddr,
    /// From the start of the process until it said that it is ready.
    pub start: Duration,
}

/// Where and how Envoys are started.
#[derive(Debug)]
pub struct Launcher {
    /// Envoy's binary.
    pub binary: PathBuf,
    /// A directory for configurations and logs.
    pub directory: PathBuf,
    /// The core they are pinned to; `None` where the machine has but one, or no `taskset`.
    pub core: Option<usize>,
}

impl Launcher {
    /// Starts Envoy with `filter` before the router, if any, in front of `upstream`, and waits until it is ready.
    pub fn start(&self, name: &str, filter: Option<Value>, upstream: SocketAddr, workers: usize) -> io::Result<Envoy> {
        self.start_with(name, filter, upstream, None, workers)
    }

    /// As [`Launcher::start`], with a cluster [`SIDECAR`] for the filter.
    pub fn start_with(
        &self,
        name: &str,
        filter: Option<Value>,
        upstream: SocketAddr,
        sidecar: Option<SocketAddr>,
        workers: usize,
    ) -> io::Result<Envoy> {
        let file = |ending: &str| self.directory.join(format!("{}-{workers}.{ending}", name.replace(' ', "-")));
        let (config, admin, log) = (file("json"), file("admin"), file("log"));
        fs::write(&config, bootstrap(filter, upstream, sidecar).to_string())?;
        let _ = fs::remove_file(&admin);
        File::create(&log)?;
        let mut command = match self.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(core.to_string()).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        // Audit lines are of level info and go where Envoy's own log goes: to a file here, appended to, so that it
        // can be cut off between the runs.
        command
            .arg("-c")
            .arg(&config)
            .args(["--concurrency", &workers.to_string(), "--admin-address-path"])
            .arg(&admin)
            .args(["--use-dynamic-base-id", "-l", "warning", "--component-log-level", "wasm:info", "--log-path"])
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(OpenOptions::new().append(true).open(&log)?);
        let started = Instant::now();
        let child = command.spawn()?;
        let mut envoy = Envoy { child, log, address: upstream, admin: upstream, start: Duration::ZERO };
        envoy.admin = envoy.until_ready(&admin, started)?;
        envoy.start = started.elapsed();
        envoy.address = listener(envoy.admin)?;
        Ok(envoy)
    }
}

impl Envoy {
    /// CPU time used so far, of all its threads.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // Nanoseconds on a core (the kernel's Documentation/scheduler/sched-stats.rst); /proc/PID/stat counts
            // in hundredths of a second.
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> io::Result<u64> {
        resident(self.child.id())
    }

    /// The value of a counter or gauge; 0 where it was never set.
    pub fn metric(&self, name: &str) -> io::Result<u64> {
        let body = get(self.admin, &format!("/stats?usedonly&filter=^{name}$"))?;
        let text = String::from_utf8_lossy(&body);
        Ok(text.trim().rsplit(": ").next().and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// Empties the log, so that no number of runs fills the disk.
    pub fn cut_log(&self) -> io::Result<()> {
        OpenOptions::new().write(true).truncate(true).open(&self.log).map(drop)
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        last_words(&self.log)
    }

    fn until_ready(&mut self, admin: &Path, started: Instant) -> io::Result<SocketAddr> {
        while started.elapsed() < READY {
            if let Some(status) = self.child.try_wait()? {
                return Err(broken(&format!("Envoy ended with {status}:\n{}", self.last_words())));
            }
            let address = fs::read_to_string(admin).ok().and_then(|text| text.trim().parse().ok());
            if let Some(address) = address
                && get(address, "/ready").is_ok_and(|body| body.starts_with(b"LIVE"))
            {
                return Ok(address);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(broken(&format!("Envoy was not ready in time:\n{}", self.last_words())))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of a process in bytes.
pub fn resident(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.unwrap_or(0) * 1024)
}

/// A wasm filter.
pub fn wasm(module: &Path, root: &str, configuration: &str) -> Value {
    json!({
        "name": root,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": root, "root_id": root, "allow_on_headers_stop_iteration": true, "failure_policy": "FAIL_RELOAD",
                "vm_config": {"vm_id": root, "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": module}}},
                "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration}
            }
        }
    })
}

/// Envoy's own filter, which reads the request's message and writes what it found into dynamic metadata.
pub fn native() -> Value {
    json!({
        "name": "envoy.filters.http.mcp",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp",
            "max_request_body_size": 1 << 20
        }
    })
}

fn bootstrap(filter: Option<Value>, upstream: SocketAddr, sidecar: Option<SocketAddr>) -> Value {
    let mut filters: Vec<Value> = filter.into_iter().collect();
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    }));
    let socket = |address: &str, port: u16| json!({"socket_address": {"address": address, "port_value": port}});
    let cluster = |name: &str, to: SocketAddr| {
        json!({
            "name": name, "type": "STATIC", "connect_timeout": "2s", "per_connection_buffer_limit_bytes": BUFFER,
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": socket(&to.ip().to_string(), to.port())}}
            ]}]},
            // As many as the benchmark holds at once.
            "circuit_breakers": {"thresholds": [{"max_connections": 8192, "max_pending_requests": 8192, "max_requests": 8192}]}
        })
    };
    let mut clusters = vec![cluster("mcp", upstream)];
    if let Some(to) = sidecar {
        let mut sidecar = cluster(SIDECAR, to);
        let options = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {"max_concurrent_streams": 8192}}
        }});
        if let Some(members) = sidecar.as_object_mut() {
            members.insert("typed_extension_protocol_options".to_owned(), options);
        }
        clusters.push(sidecar);
    }
    json!({
        "admin": {"address": socket("127.0.0.1", 0)},
        "static_resources": {
            "listeners": [{
                "name": "mcp", "address": socket("127.0.0.1", 0), "per_connection_buffer_limit_bytes": BUFFER,
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                        "stat_prefix": "mcp", "codec_type": "HTTP1", "use_remote_address": true, "http_filters": filters,
                        "route_config": {"virtual_hosts": [{
                            "name": "mcp", "domains": ["*"],
                            "routes": [{"name": "mcp", "match": {"prefix": "/"}, "route": {"cluster": "mcp", "timeout": "0s"}}]
                        }]}
                    }
                }]}]
            }],
            "clusters": clusters
        }
    })
}

/// Where the listener came to be: it was given port 0.
fn listener(admin: SocketAddr) -> io::Result<SocketAddr> {
    let body = get(admin, "/listeners?format=json")?;
    let value: Value = serde_json::from_slice(&body)?;
    let socket = value.pointer("/listener_statuses/0/local_address/socket_address");
    let part = |name: &str| socket.and_then(|socket| socket.get(name));
    let host = part("address").and_then(Value::as_str).unwrap_or_default();
    let port = part("port_value").and_then(Value::as_u64).unwrap_or_default();
    format!("{host}:{port}").parse().map_err(|_| broken("Envoy tells no address of its listener"))
}

fn get(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
    let mut reader = Reader::new(stream);
    let Some((_, body)) = reader.message()? else { return Err(broken("no answer of the admin interface")) };
    Ok(body.to_vec())
}

fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().rev().take(4).collect();
    lines.reverse();
    lines.join("\n")
}

/// The cluster of the sidecar.
pub const SIDECAR: &str = "portcullis-sidecar";
/// Above the largest body of any case.
const BUFFER: u32 = 2 << 20;
/// A machine under load may take its time to compile a module.
const READY: Duration = Duration::from_secs(60);
