//! The OpenAPI 3.1 document, made from the types that endpoints take and answer.

use axum::http::{Method, StatusCode};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::caller::Operation;
use super::refusal::{PROBLEM_JSON, Problem};
use super::types::NO_CONTROLS;

/// All endpoints.
pub(super) struct Document {
    paths: Map<String, Value>,
    /// Types that are read, and types that are written: what is optional differs.
    input: SchemaGenerator,
    output: SchemaGenerator,
}

/// One endpoint that is being described.
pub(super) struct Description<'d> {
    document: &'d mut Document,
    path: String,
    method: String,
    /// The operation object of the specification.
    operation: Map<String, Value>,
}

impl Default for Document {
    fn default() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            paths: Map::new(),
            input: settings().into_generator(),
            output: settings().for_serialize().into_generator(),
        }
    }
}

impl Document {
    pub(super) fn endpoint(&mut self, method: &Method, path: &str, is: Operation, summary: &str) -> Description<'_> {
        let method = method.as_str().to_lowercase();
        let words = path.split(['/', '{', '}', '-']).filter(|word| !word.is_empty());
        let id = std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_");
        let tag = path.split('/').nth(1).unwrap_or_default();
        let role = is.role().as_str();
        let operation = json!({
            "operationId": id, "tags": [tag], "summary": summary, "description": format!("Takes the role `{role}`."),
            "x-portcullis-role": role, "parameters": [], "responses": responses(&["400", "401", "403", "404", "503"]),
        });
        let operation = operation.as_object().cloned().unwrap_or_default();
        let mut description = Description { document: self, path: path.to_owned(), method, operation };
        if is.is_of_tenant() {
            description.parameter(json!({
                "name": "tenant", "in": "query", "required": false,
                "description": "The tenant, where the token is for all; `default` without it",
                "schema": {"type": "string", "maxLength": 128, "pattern": NO_CONTROLS},
            }));
        }
        description
    }

    pub(super) fn finish(mut self) -> String {
        let problem = self.output.subschema_for::<Problem>();
        let mut schemas = self.output.take_definitions(true);
        let input = self.input.take_definitions(true);
        // Two types of one name, or one that is read otherwise than it is written.
        let differs = |name: &&String| schemas.get(*name).is_some_and(|other| Some(other) != input.get(*name));
        let twice: Vec<String> = input.keys().filter(differs).cloned().collect();
        for (name, mut schema) in input {
            refer_to_input(&mut schema, &twice);
            schemas.insert(if twice.contains(&name) { format!("{name}Input") } else { name }, schema);
        }
        for operation in self.paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
            operation.get_mut("requestBody").into_iter().for_each(|body| refer_to_input(body, &twice));
        }
        let refused = |(status, words): &(&str, &str)| {
            ((*status).to_owned(), json!({"description": words, "content": {PROBLEM_JSON: {"schema": problem}}}))
        };
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Portcullis",
                "version": "1",
                "description": "The admin API of `portcullis serve`. Errors are problem details (RFC 9457).",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/api/v1"}],
            "security": [{"token": []}],
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "responses": REFUSED.iter().map(refused).collect::<Map<_, _>>(),
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        });
        // Writing JSON that was just made cannot fail.
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl Description<'_> {
    pub(super) fn path<P: JsonSchema>(&mut self) {
        self.parameters::<P>("path");
    }

    pub(super) fn query<Q: JsonSchema>(&mut self) {
        self.parameters::<Q>("query");
    }

    pub(super) fn body<B: JsonSchema>(&mut self) {
        let schema = self.document.input.subschema_for::<B>();
        let body = json!({"required": true, "content": {"application/json": {"schema": schema}}});
        self.operation.insert("requestBody".to_owned(), body);
        self.respond(responses(&["409", "413", "415"]));
    }

    pub(super) fn answer<T: JsonSchema>(&mut self, status: StatusCode) {
        let schema = self.document.output.subschema_for::<T>();
        let content = json!({"application/json": {"schema": schema}});
        self.succeed(status, &content);
    }

    pub(super) fn raw_answer(&mut self, types: &[&str]) {
        let types = types.iter().map(|name| ((*name).to_owned(), json!({"schema": {"type": "string"}})));
        self.succeed(StatusCode::OK, &Value::Object(types.collect()));
    }

    fn succeed(&mut self, status: StatusCode, content: &Value) {
        let words = status.canonical_reason().unwrap_or_default();
        self.respond(json!({status.as_str(): {"description": words, "content": content}}));
        if self.method != "get" {
            self.respond(responses(&["409", "502"]));
        }
    }

    fn respond(&mut self, more: Value) {
        if let (Some(Value::Object(all)), Value::Object(more)) = (self.operation.get_mut("responses"), more) {
            all.extend(more);
        }
    }

    fn parameter(&mut self, parameter: Value) {
        if let Some(Value::Array(all)) = self.operation.get_mut("parameters") {
            all.push(parameter);
        }
    }

    fn parameters<T: JsonSchema>(&mut self, place: &str) {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(members) = schema.get("properties").and_then(Value::as_object) else { return };
        for (name, schema) in members {
            let mut schema = without_null(schema);
            let words = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            self.parameter(json!({
                "name": name, "in": place, "required": place == "path" || required.contains(&name.as_str().into()),
                "description": words.unwrap_or_else(|| "".into()), "schema": schema,
            }));
        }
    }
}

impl Drop for Description<'_> {
    fn drop(&mut self) {
        let path = self.document.paths.entry(self.path.clone()).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(self.method.clone(), Value::Object(std::mem::take(&mut self.operation)));
        }
    }
}

/// An optional parameter is one that is not there: nobody can send null.
fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(Value::Array(either)) = schema.get("anyOf") {
        let one = either.iter().find(|one| one.get("type") != Some(&"null".into())).cloned().unwrap_or_default();
        let words = schema.get("description").cloned();
        schema = one;
        if let (Some(members), Some(words)) = (schema.as_object_mut(), words) {
            members.insert("description".to_owned(), words);
        }
    }
    if let Some(types @ Value::Array(_)) = schema.get_mut("type") {
        let names = types.as_array().into_iter().flatten().filter(|name| *name != "null");
        let names: Vec<_> = names.cloned().collect();
        *types = if let [one] = names.as_slice() { one.clone() } else { names.into() };
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    schema
}

/// Makes references to the types that are called otherwise as input.
fn refer_to_input(value: &mut Value, twice: &[String]) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(to) if name == "$ref" => {
                        if twice.iter().any(|name| to.strip_prefix("#/components/schemas/") == Some(name)) {
                            to.push_str("Input");
                        }
                    }
                    _ => refer_to_input(member, twice),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer_to_input(item, twice)),
        _ => {}
    }
}

fn responses(statuses: &[&str]) -> Value {
    let one = |status: &&str| ((*status).to_owned(), json!({"$ref": format!("#/components/responses/{status}")}));
    Value::Object(statuses.iter().map(one).collect())
}

const REFUSED: [(&str, &str); 9] = [
    ("400", "The request is not as documented"),
    ("401", "The token is missing or unknown"),
    ("403", "The token's role or tenant does not allow it"),
    ("404", "There is no such thing"),
    ("409", "Not possible as things stand"),
    ("413", "The body is too large"),
    ("415", "The body is not application/json"),
    ("502", "Somebody else did not answer as agreed"),
    ("503", "The store cannot do it now"),
];
