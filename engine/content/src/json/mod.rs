//! One strict parse of a JSON text, and edits that leave every other byte as it was.
//!
//! A firewall that reads a message differently from the server behind it can be talked past, so
//! this parser accepts only what every parser reads the same way: valid UTF-8, one value, no
//! trailing bytes, no duplicate keys at any depth (compared after unescaping), no lone surrogates,
//! bounded depth and size (RFC 8259, with the interoperability advice of its sections 4 and 8.2
//! and of RFC 7493 made mandatory). The result is a flat tape over the original bytes: no value is
//! copied, and what is forwarded are those very bytes with [`Edits`] applied.
//!
//! ```
//! use portcullis_content::json::{Document, Edits, Limits};
//!
//! let text = br#"{"a": 1.50, "token": "s3cret"}"#;
//! let doc = Document::parse(text, &Limits::default()).unwrap();
//! let mut edits = Edits::default();
//! edits.set_string(doc.root().get("token").unwrap(), "[REDACTED]");
//! assert_eq!(edits.apply(text), br#"{"a": 1.50, "token": "[REDACTED]"}"#);
//! ```

mod edit;
mod parse;
mod string;
mod value;

pub use edit::Edits;
pub(crate) use parse::head;
pub use parse::{ErrorKind, Limits, ParseError};
pub use string::raw_ranges;
pub use string::{escape, quote, quote_into, unescape};
pub use value::{Document, Elements, Kind, Locator, Members, Strings, Value};
