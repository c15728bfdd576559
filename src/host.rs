//! Envoy's side of the proxy-wasm ABI (version 0.2.1), without the SDK's panics.
//!
//! The SDK's own wrappers panic on every status they do not list, so one call in a wrong phase would
//! kill the VM with all its streams. Here each call returns an `Option` or nothing.

use std::time::Duration;

use portcullis_engine::http::{Headers, Reply};
use portcullis_engine::sidecar::SERVICE;
use portcullis_engine::sidecar::wire::Writer;
use portcullis_engine::state::Unavailable;

/// Which half of an exchange a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Request,
    Response,
    /// Trailers of the response; as a body, the response's.
    Trailers,
}

impl Side {
    fn map(self) -> u32 {
        match self {
            Self::Request => 0,
            Self::Response => 2,
            Self::Trailers => 3,
        }
    }

    fn buffer(self) -> u32 {
        match self {
            Self::Request => 0,
            Self::Response | Self::Trailers => 1,
        }
    }
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info = 2,
    Warn = 3,
    Critical = 5,
}

/// Kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// A header map as Envoy serialised it: a count, the lengths of names and values, and these, each with
/// a NUL behind it.
pub struct HeaderBlob(Vec<u8>);

impl HeaderBlob {
    pub fn read(&self) -> Headers<'_> {
        Headers::new(self.pairs().unwrap_or_default())
    }

    fn pairs(&self) -> Option<Vec<(&str, &[u8])>> {
        let bytes = self.0.as_slice();
        let number = |at: usize| -> Option<usize> {
            Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize)
        };
        let count = number(0)?;
        let mut at = 4usize.checked_add(count.checked_mul(8)?)?;
        let mut pairs = Vec::with_capacity(count.min(bytes.len()));
        for index in 0..count {
            let (name, value) = (number(4 + index * 8)?, number(8 + index * 8)?);
            let name_end = at.checked_add(name)?;
            let value_end = name_end.checked_add(1)?.checked_add(value)?;
            let name = std::str::from_utf8(bytes.get(at..name_end)?).ok();
            let value = bytes.get(name_end + 1..value_end)?;
            // Envoy lets no such name through; were there one, nothing could match it.
            pairs.push((name.unwrap_or(""), value));
            at = value_end + 1;
        }
        Some(pairs)
    }
}

pub fn headers(side: Side) -> Option<HeaderBlob> {
    // SAFETY: the out-pointers are valid for the call.
    returned(|data, size| unsafe { proxy_get_header_map_pairs(side.map(), data, size) }).map(HeaderBlob)
}

/// The first `size` bytes of the body that is buffered or, while streaming, that just came.
pub fn body(side: Side, size: usize) -> Option<Vec<u8>> {
    // SAFETY: the out-pointers are valid for the call.
    returned(|data, out| unsafe { proxy_get_buffer_bytes(side.buffer(), 0, size, data, out) })
        .filter(|bytes| bytes.len() == size)
}

/// Replaces the whole body that is buffered or, while streaming, that just came.
pub fn set_body(side: Side, bytes: &[u8]) {
    // SAFETY: pointer and length describe `bytes`.
    unsafe { proxy_set_buffer_bytes(side.buffer(), 0, usize::MAX, bytes.as_ptr(), bytes.len()) };
}

pub fn set_header(side: Side, name: &str, value: &str) {
    // SAFETY: pointers and lengths describe the strings.
    unsafe {
        proxy_replace_header_map_value(side.map(), name.as_ptr(), name.len(), value.as_ptr(), value.len());
    }
}

pub fn remove_header(side: Side, name: &str) {
    // SAFETY: pointer and length describe `name`.
    unsafe { proxy_remove_header_map_value(side.map(), name.as_ptr(), name.len()) };
}

pub fn send_reply(reply: &Reply) {
    let headers: Vec<(&str, &str)> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let headers = serialize(&headers);
    let details = "portcullis";
    // SAFETY: pointers and lengths describe the buffers.
    unsafe {
        proxy_send_local_response(
            u32::from(reply.status),
            details.as_ptr(),
            details.len(),
            reply.body.as_ptr(),
            reply.body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        );
    }
}

/// An attribute of the request or connection.
pub fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    // SAFETY: pointer and length describe `path`; the out-pointers are valid for the call.
    returned(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

pub fn property_text(path: &[&str]) -> Option<String> {
    String::from_utf8(property(path)?).ok()
}

/// A string, or every string of a list.
pub fn property_strings(path: &[&str]) -> Vec<String> {
    let Some(bytes) = property(path) else { return Vec::new() };
    if let Some(items) = list_items(&bytes) {
        return items;
    }
    String::from_utf8(bytes).map(|text| vec![text]).unwrap_or_default()
}

/// Envoy serialises a list like a map; the items stand where a map has its names.
fn list_items(bytes: &[u8]) -> Option<Vec<String>> {
    let blob = HeaderBlob(bytes.to_vec());
    // A text of four bytes and more could be read as a count, but then its lengths do not add up.
    let pairs = blob.pairs()?;
    let used: usize = 4 + pairs.iter().map(|(name, value)| 8 + name.len() + 1 + value.len() + 1).sum::<usize>();
    (used == bytes.len()).then(|| pairs.iter().map(|(name, _)| (*name).to_owned()).collect())
}

/// Sets filter state that access logs read as `%FILTER_STATE(wasm.NAME:PLAIN)%`.
pub fn set_property(name: &str, value: &str) {
    // SAFETY: pointers and lengths describe the strings.
    unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

pub fn log(level: Level, line: &str) {
    // SAFETY: pointer and length describe `line`.
    unsafe { proxy_log(level as u32, line.as_ptr(), line.len()) };
}

pub fn define_metric(kind: Metric, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: pointer and length describe `name`; `id` is valid for the call.
    let status = unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) };
    (status == OK).then_some(id)
}

pub fn increment_metric(id: u32, by: i64) {
    // SAFETY: no pointers.
    unsafe { proxy_increment_metric(id, by) };
}

pub fn record_metric(id: u32, value: u64) {
    // SAFETY: no pointers.
    unsafe { proxy_record_metric(id, value) };
}

/// Nanoseconds since the Unix epoch.
pub fn now_ns() -> u64 {
    let mut now = 0;
    // SAFETY: `now` is valid for the call.
    unsafe { proxy_get_current_time_nanoseconds(&mut now) };
    now
}

/// Microseconds since the Unix epoch.
pub fn now_us() -> u64 {
    now_ns() / 1000
}

pub fn plugin_configuration(size: usize) -> Option<Vec<u8>> {
    // SAFETY: the out-pointers are valid for the call.
    returned(|data, out| unsafe { proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, size, data, out) })
}

/// A random key that all VMs of this process agree on.
pub fn shared_random_key(name: &str) -> Option<[u8; 32]> {
    if let Some(key) = shared(name) {
        return key.try_into().ok();
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).ok()?;
    // Only the first of several workers succeeds; all read what it wrote.
    share(name, &key);
    shared(name)?.try_into().ok()
}

/// What all VMs of this process share under `name`.
pub fn shared(name: &str) -> Option<Vec<u8>> {
    let mut cas = 0;
    // SAFETY: pointer and length describe `name`; the out-pointers are valid for the call.
    returned(|data, size| unsafe { proxy_get_shared_data(name.as_ptr(), name.len(), data, size, &mut cas) })
}

/// What all VMs share under `name`, with the number to name when swapping it; `None` where nothing was ever written.
pub fn read_shared(name: &str) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
    let (mut cas, mut status) = (0, OK);
    // SAFETY: pointer and length describe `name`; the out-pointers are valid for the call.
    let value = returned(|data, size| {
        status = unsafe { proxy_get_shared_data(name.as_ptr(), name.len(), data, size, &mut cas) };
        status
    });
    match (status, value) {
        (OK, Some(value)) => Ok(Some((value, cas))),
        (NOT_FOUND, _) => Ok(None),
        _ => Err(Unavailable),
    }
}

/// Shares a value if what stands there still has the number `cas`; false if it has another.
pub fn swap_shared(name: &str, value: &[u8], cas: u32) -> Result<bool, Unavailable> {
    // SAFETY: pointers and lengths describe `name` and `value`.
    match unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), cas) } {
        OK => Ok(true),
        CAS_MISMATCH => Ok(false),
        _ => Err(Unavailable),
    }
}

/// Shares a value, unless there is one already.
pub fn share(name: &str, value: &[u8]) {
    // SAFETY: pointers and lengths describe `name` and `value`.
    unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), CREATE) };
}

/// Shares a value in place of whatever there is.
pub fn replace_shared(name: &str, value: &[u8]) {
    // SAFETY: pointers and lengths describe `name` and `value`.
    unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), OVERWRITE) };
}

/// POSTs to a cluster and does not wait for the answer; false where it could not be sent.
pub fn post(cluster: &str, headers: Vec<(&str, &str)>, body: &[u8], timeout: Duration) -> bool {
    // The SDK must know the call, or its answer would find nobody and panic.
    proxy_wasm::hostcalls::dispatch_http_call(cluster, headers, Some(body), Vec::new(), timeout).is_ok()
}

/// Makes a gRPC call to a cluster of Envoy; the token that its answer will bear, `None` where it could not be made.
pub fn call(
    cluster: &str,
    method: &str,
    authorization: Option<&str>,
    message: &[u8],
    timeout: Duration,
) -> Option<u32> {
    // A plain name can be read as a `GrpcService` without a target, and then the whole Envoy aborts.
    let target = grpc_service(cluster);
    // The SDK wants text. The configuration allows no name so long that its length would be none.
    let target = std::str::from_utf8(&target).ok()?;
    let metadata = authorization.map(|value| ("authorization", value.as_bytes())).into_iter().collect();
    // The SDK must know the call, or its answer would find nobody.
    proxy_wasm::hostcalls::dispatch_grpc_call(target, SERVICE, method, metadata, Some(message), timeout).ok()
}

/// The message of the gRPC call that was just answered.
pub fn call_answer(size: usize) -> Option<Vec<u8>> {
    // SAFETY: the out-pointers are valid for the call.
    returned(|data, out| unsafe { proxy_get_buffer_bytes(GRPC_ANSWER, 0, size, data, out) })
        .filter(|bytes| bytes.len() == size)
}

/// Gives up a gRPC call whose answer nobody waits for any longer.
pub fn cancel_call(token: u32) {
    // SAFETY: no pointers.
    unsafe { proxy_grpc_cancel(token) };
}

/// Lets the request that was held go on.
pub fn resume_request() {
    // SAFETY: no pointers.
    unsafe { proxy_continue_stream(REQUEST_STREAM) };
}

/// Has the root context woken up each time so much time has passed.
pub fn tick_every(period: Duration) {
    // SAFETY: no pointers.
    unsafe { proxy_set_tick_period_milliseconds(u32::try_from(period.as_millis()).unwrap_or(u32::MAX)) };
}

/// A number that nobody can foresee.
pub fn random() -> Option<u64> {
    getrandom::u64().ok()
}

/// `envoy.config.core.v3.GrpcService { envoy_grpc { cluster_name } }`.
fn grpc_service(cluster: &str) -> Vec<u8> {
    let mut envoy_grpc = Writer::new();
    envoy_grpc.bytes(1, cluster);
    let mut service = Writer::new();
    service.item(1, envoy_grpc.finish());
    service.finish()
}

/// Takes over a buffer that the host allocated in this VM through `proxy_on_memory_allocate`.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let mut data = std::ptr::null_mut();
    let mut size = 0;
    if call(&mut data, &mut size) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: the host wrote `size` bytes into an allocation of exactly that size, made by the SDK's
    // `proxy_on_memory_allocate` with the global allocator, and forgot it.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

fn serialize(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&(pairs.len() as u32).to_le_bytes());
    for (name, value) in pairs {
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        for text in [name, value] {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
    }
    bytes
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, size: usize, data: *mut *mut u8, out: *mut usize) -> u32;
    fn proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, data: *const u8, data_size: usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_grpc_cancel(token: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_log(level: u32, line: *const u8, line_size: usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_get_current_time_nanoseconds(now: *mut u64) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;
const PLUGIN_CONFIGURATION: u32 = 7;
const GRPC_ANSWER: u32 = 5;
const REQUEST_STREAM: u32 = 0;
const NO_GRPC_STATUS: i32 = -1;
/// As the compare-and-swap number: write whatever there is.
const OVERWRITE: u32 = 0;
/// As the compare-and-swap number: write only where there is nothing yet.
pub const CREATE: u32 = u32::MAX;
