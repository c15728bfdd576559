//! The Envoy filter: proxy-wasm callbacks translated to engine calls and back.
