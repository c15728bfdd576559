//! A reader of SQL for scanners: tokens of all common dialects, statements, and SQL injection by the
//! structure of a fragment.
//!
//! ```
//! use portcullis_content::scan::sql::{self, Verb};
//!
//! let tokens = sql::lex("SELECT * FROM t; DELETE FROM t -- all of it");
//! let statements: Vec<_> = sql::statements(&tokens).collect();
//! assert!(statements[0].selects_everything() && statements[0].limit().is_none());
//! assert_eq!(statements[1].verb(), Some(Verb::Delete));
//! assert!(!statements[1].has("where"));
//! ```

mod harm;
pub mod injection;
mod lexer;
mod statement;

pub use harm::{Harm, harm, may_harm};
pub use lexer::{Kind, Token, lex, lex_within};
pub use statement::{Limit, Statement, Verb, statements};

#[cfg(test)]
mod tests;
