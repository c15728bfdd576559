//! Writes the built-in rules as the filter wants them: without what only people and tests read.
#![allow(clippy::expect_used, clippy::panic, reason = "a build that cannot go on has to end")]

use std::path::Path;
use std::{env, fs};

use serde_json::Value;

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let text = fs::read_to_string(SOURCE).expect("rules/secrets.json can be read");
    let mut rules: Vec<Value> = serde_json::from_str(&text).expect("rules/secrets.json is a JSON array");
    for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
        // `description` has to be there, as in rules of users.
        rule.insert("description".to_owned(), Value::from(""));
        for member in FOR_PEOPLE {
            rule.remove(member);
        }
    }
    let out = env::var_os("OUT_DIR").expect("cargo names the directory");
    let text = serde_json::to_string(&rules).expect("JSON values can be written");
    fs::write(Path::new(&out).join("secrets.json"), text).expect("the directory can be written to");
}

const SOURCE: &str = "rules/secrets.json";

/// Members that no rule is run by.
const FOR_PEOPLE: [&str; 4] = ["source", "remedy", "true", "false"];
