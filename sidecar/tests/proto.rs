//! The generated code of the contract is that of `proto/`.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{env, fs};

use common::repository;

/// `PORTCULLIS_REGENERATE=1` writes the file instead of comparing it.
#[test]
fn generated_code_is_current() {
    let descriptors = protox::compile(["portcullis/v1/portcullis.proto"], [repository("proto")]).unwrap();
    let out = format!("{}/proto", env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&out).unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .client_mod_attribute("portcullis.v1", "#[cfg(test)]")
        .out_dir(&out)
        .compile_fds(descriptors)
        .unwrap();
    let generated = fs::read_to_string(format!("{out}/portcullis.v1.rs")).unwrap();
    let path = repository("sidecar/src/proto/portcullis.v1.rs");
    if env::var_os("PORTCULLIS_REGENERATE").is_some() {
        fs::write(path, generated).unwrap();
        return;
    }
    let remedy = "proto/ has changed: PORTCULLIS_REGENERATE=1 cargo test -p portcullis --test proto";
    assert!(fs::read_to_string(path).unwrap() == generated, "{remedy}");
}
