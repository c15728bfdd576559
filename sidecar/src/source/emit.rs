//! Writing a tree: indented JSON, and YAML that any reader reads the same way.

use portcullis_engine::json::quote;

use super::{Node, Value};

impl Node {
    /// Indented JSON with a line break at its end. What fits on a line is on one.
    pub(crate) fn to_pretty_json(&self) -> String {
        let mut out = String::new();
        json(self, 0, &mut out);
        out.push('\n');
        out
    }

    /// YAML in block style with a line break at its end.
    pub(crate) fn to_yaml(&self) -> String {
        let mut out = String::new();
        yaml(self, 0, &mut out);
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out
    }
}

fn json(node: &Node, indent: usize, out: &mut String) {
    let line = node.to_json();
    if indent > 0 && line.len() + 2 * indent <= LINE {
        return out.push_str(&spaced(node));
    }
    let inner = "  ".repeat(indent + 1);
    match &node.value {
        Value::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "[\n" } else { ",\n" });
                out.push_str(&inner);
                json(element, indent + 1, out);
            }
            out.push_str(&format!("\n{}]", "  ".repeat(indent)));
        }
        Value::Object(members) if !members.is_empty() => {
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "{\n" } else { ",\n" });
                out.push_str(&format!("{inner}{}: ", quote(key)));
                json(value, indent + 1, out);
            }
            out.push_str(&format!("\n{}}}", "  ".repeat(indent)));
        }
        _ => out.push_str(&line),
    }
}

/// One line of JSON with a space behind commas and colons.
fn spaced(node: &Node) -> String {
    match &node.value {
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{}: {}", quote(key), spaced(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        _ => node.to_json(),
    }
}

/// Writes a value; a block begins on a new line at `indent`, unless it stands at the start of the text.
fn yaml(node: &Node, indent: usize, out: &mut String) {
    let margin = "  ".repeat(indent);
    match &node.value {
        Value::Object(members) if !members.is_empty() => {
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 || !out.ends_with("- ") {
                    out.push_str(&margin);
                }
                out.push_str(&format!("{}:", scalar(key)));
                entry(value, indent, out);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for element in elements {
                out.push_str(&margin);
                out.push_str("- ");
                if is_block(element) && element.is_object() {
                    yaml(element, indent + 1, out);
                } else {
                    out.push_str(&flow(element));
                    out.push('\n');
                }
            }
        }
        _ => out.push_str(&flow(node)),
    }
}

fn entry(value: &Node, indent: usize, out: &mut String) {
    if is_block(value) {
        out.push('\n');
        yaml(value, indent + 1, out);
    } else {
        out.push(' ');
        out.push_str(&flow(value));
        out.push('\n');
    }
}

/// Objects, and lists that hold one or are long, get lines of their own.
fn is_block(node: &Node) -> bool {
    match &node.value {
        Value::Object(members) => !members.is_empty() && (members.iter().any(|(_, v)| is_nested(v)) || is_long(node)),
        Value::Array(elements) => elements.iter().any(|element| element.is_object()) || is_long(node),
        _ => false,
    }
}

fn is_nested(node: &Node) -> bool {
    node.is_object() || node.elements().iter().any(Node::is_object) || is_long(node)
}

fn is_long(node: &Node) -> bool {
    (node.is_object() || node.is_array()) && flow(node).len() > LINE
}

fn flow(node: &Node) -> String {
    match &node.value {
        Value::String(text) => scalar(text),
        Value::Array(elements) => format!("[{}]", elements.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{}: {}", scalar(key), flow(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        _ => node.to_json(),
    }
}

/// A string: plain where no reader of any YAML version takes it for something else, quoted as in JSON otherwise.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if plain {
        return text.to_owned();
    }
    // JSON leaves these as they are, YAML has other uses for them.
    quote(text).replace('\u{7f}', "\\u007F").replace('\u{85}', "\\u0085").replace('\u{feff}', "\\uFEFF")
}

/// Plain scalars that one YAML version or another takes for a boolean or null.
const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
/// The length of a line up to which a value stays on it.
const LINE: usize = 100;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::source::{Node, parse};

    #[test]
    fn reads_back_as_it_was() {
        for text in [
            r#"{"version":"1","rules":[{"id":"a","match":{"name":["x","no","1.5","a b"]},"arguments":[{"path":"","op":"eq","value":null}]}],"empty":{},"none":[],"nested":[[1,[2]],{"a":[{"b":1}]}]}"#,
            r#"{"text":"- a: b\n# c","key with space":"é\u0000\u007f\u0085","on":"off","Null":1.50}"#,
            r#"[1,{"a":{"b":{"c":[]}}}]"#,
        ] {
            let node: Node = parse(Path::new("t.json"), text.as_bytes()).unwrap();
            let yaml = node.to_yaml();
            let again =
                parse(Path::new("t.yaml"), yaml.as_bytes()).unwrap_or_else(|refused| panic!("{refused}\n{yaml}"));
            assert_eq!(again.to_json(), node.to_json(), "{yaml}");
            let json = node.to_pretty_json();
            assert_eq!(parse(Path::new("t.json"), json.as_bytes()).unwrap().to_json(), node.to_json(), "{json}");
        }
    }
}
