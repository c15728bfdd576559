//! A wasm filter that holds headers and bodies, as one must that decides by the bodies.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType};

/// Hands each whole body, which is in a buffer of Envoy's and has a size in bytes, to a function.
pub struct Hold<F>(pub F);

impl<F: FnMut(BufferType, usize)> Hold<F> {
    fn body(&mut self, buffer: BufferType, size: usize, end: bool) -> Action {
        if end {
            (self.0)(buffer, size);
        }
        until(end)
    }
}

impl<F> Context for Hold<F> {}

impl<F: FnMut(BufferType, usize)> HttpContext for Hold<F> {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        until(end)
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.body(BufferType::HttpRequestBody, size, end)
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        until(end)
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.body(BufferType::HttpResponseBody, size, end)
    }
}

fn until(end: bool) -> Action {
    if end { Action::Continue } else { Action::Pause }
}
