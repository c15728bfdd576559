//! The sans-I/O core of Portcullis, a firewall for the Model Context Protocol (MCP).
//!
//! Bytes and facts go in, verdicts with their reasons come out: no network, no clock, no threads,
//! no randomness. The Envoy filter, the command line and every test drive this same code.
#![forbid(unsafe_code)]

pub mod answer;
pub mod audit;
pub mod cel;
pub mod config;
pub mod driver;
pub mod exchange;
pub mod firewall;
pub mod flow;
pub mod http;
pub mod mcp;
mod obligations;
pub mod pins;
pub mod policy;
pub mod quota;
pub mod schema;
pub mod sidecar;
pub mod state;
pub mod telemetry;

use portcullis_content::{glob, sort};
pub use portcullis_content::{json, principal, scan, sse};
