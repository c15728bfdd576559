//! What a wasm filter costs in itself, to measure ours by: one that does nothing, and one that holds and copies
//! each body. The plugin configuration, `noop` or `copy`, says which.
#![allow(missing_docs, reason = "the macro writes the exported function")]

use hold::Hold;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType};

mod hold;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { copy: false }) });
}}

struct Root {
    copy: bool,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.copy = self.get_plugin_configuration().as_deref() == Some(b"copy");
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(if self.copy { Box::new(Hold(copy)) } else { Box::new(Noop) })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Noop;

impl Context for Noop {}

impl HttpContext for Noop {}

/// Puts a copy in a body's place.
fn copy(buffer: BufferType, size: usize) {
    if let Ok(Some(body)) = hostcalls::get_buffer(buffer, 0, size) {
        // Where that fails the answer is still the same.
        let _ = hostcalls::set_buffer(buffer, 0, size, &body);
    }
}
