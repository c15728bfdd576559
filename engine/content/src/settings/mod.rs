//! Reading a configuration strictly: every struct refuses unknown fields, and every error names the place by JSON
//! Pointer.

mod de;
mod error;
mod literal;

pub use de::from_value;
pub use error::{ConfigError, nearest};
pub use literal::Literal;
