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
mod flow;
pub mod http;
pub mod json;
pub mod mcp;
mod obligations;
mod packed;
pub mod pins;
pub mod policy;
pub mod principal;
mod quota;
pub mod scan;
pub mod schema;
pub mod sidecar;
mod sort;
pub mod sse;
pub mod state;
pub mod telemetry;
