//! The plugin configuration (version "1"): types, strict loading, compilation.
