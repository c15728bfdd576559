//! Reading a configuration strictly: every struct refuses unknown fields, and every error names the place by JSON
//! Pointer.

mod error;
mod literal;
mod read;

pub use error::{ConfigError, nearest};
pub use literal::Literal;
pub use read::{Fields, Reader, Settings, from_json, from_value};
