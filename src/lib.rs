//! The Envoy filter: proxy-wasm callbacks translated to engine calls and back.
//!
//! No decision is made here, no pattern known, no JSON read: the callbacks fetch what the engine asks
//! for and carry out the step it returns.

mod facts;
mod filter;
mod host;
mod root;
mod shared;
mod sidecar;
mod telemetry;

/// What Envoy calls first.
#[allow(missing_docs, reason = "the macro writes the exported function")]
mod entry {
    use proxy_wasm::traits::RootContext;
    use proxy_wasm::types::LogLevel;

    use crate::root::Root;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
    }}
}
