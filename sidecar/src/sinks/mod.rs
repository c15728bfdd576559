//! Where rows of the audit chain are sent as logs: OpenTelemetry and syslog. What is sent is for looking and alerting; what
//! counts is the chain.

mod event;
pub(crate) mod otlp;
pub(crate) mod position;
pub(crate) mod syslog;

use std::path::{Path, PathBuf};

pub(crate) use event::Event;

use crate::credentials::outgoing::Outgoing;
use crate::failure::Failure;

/// Which sinks there are.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Send rows of the audit chain as OpenTelemetry logs, by OTLP/HTTP: https://collector:4318/v1/logs
    #[arg(long, value_name = "URL")]
    otlp_logs: Option<String>,
    /// File with headers for it, a line each: `authorization: Bearer …`
    #[arg(long, value_name = "FILE", requires = "otlp_logs")]
    otlp_headers: Option<PathBuf>,
    /// Send them to syslog: tls://HOST[:6514], tcp://HOST:PORT, udp://HOST[:514] or unix:/dev/log
    #[arg(long, value_name = "ADDRESS")]
    syslog: Option<String>,
}

impl Options {
    /// What was asked for. `authorities` are trusted in place of the system's.
    pub(crate) fn open(&self, outgoing: &Outgoing, authorities: Option<&Path>) -> Result<Vec<Sink>, Failure> {
        let mut sinks = Vec::new();
        if let Some(url) = &self.otlp_logs {
            sinks.push(Sink::Otlp(otlp::Otlp::new(url, self.otlp_headers.as_deref(), outgoing)?));
        }
        if let Some(address) = &self.syslog {
            sinks.push(Sink::Syslog(syslog::Syslog::new(address, authorities)?));
        }
        Ok(sinks)
    }
}

/// One of them.
pub(crate) enum Sink {
    Otlp(otlp::Otlp),
    Syslog(syslog::Syslog),
}

/// Why rows were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It may be tried again.
    Now(&'static str),
    /// The receiver will never take one of them.
    Ever(&'static str),
}

impl Sink {
    /// Its name, under which its position is kept.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Otlp(_) => "otlp",
            Self::Syslog(_) => "syslog",
        }
    }

    /// Sends rows; when this returns the receiver has them, as far as its protocol tells. Returns how many of them it has
    /// thrown away.
    pub(crate) fn send(&self, events: &[Event<'_>], outgoing: &Outgoing) -> Result<u64, NotTaken> {
        match self {
            Self::Otlp(otlp) => otlp.send(events, outgoing),
            Self::Syslog(syslog) => syslog.send(events).map(|()| 0),
        }
    }
}
