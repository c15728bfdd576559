//! What reads every byte of a message: the strict parser of JSON, the framer of event streams, and the scanners; with the
//! small things that they and the rest of the engine share.
//!
//! A crate of its own because none of it knows MCP, and so that how it is compiled can be chosen apart from the engine.
#![forbid(unsafe_code)]

// What is derived names this crate, within it as well.
extern crate self as portcullis_content;

pub mod glob;
pub mod json;
mod packed;
pub mod principal;
pub mod scan;
pub mod settings;
pub mod sort;
pub mod sse;
