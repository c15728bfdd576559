//! Members that a schema says nothing about.

use super::reference::resolve;
use super::{Budget, Failure, Stop};
use crate::json::{Kind, Value};

/// The keys of members, at any depth of `value`, that no part of `schema` names. An object whose schemas name no
/// members at all is free-form, and one whose schemas have an `additionalProperties` or `unevaluatedProperties` other
/// than `false` has invited them: their members are all known.
///
/// # Errors
/// [`Failure::Unsupported`] or [`Failure::TooMuch`] where that cannot be told.
pub fn unknown_members<'d>(schema: Value<'d>, value: Value<'d>) -> Result<Vec<Value<'d>>, Failure> {
    let mut search = Search { root: schema, budget: Budget::new(), found: Vec::new() };
    search.visit(&[schema], value)?;
    Ok(search.found)
}

struct Search<'d> {
    root: Value<'d>,
    budget: Budget,
    found: Vec<Value<'d>>,
}

impl<'d> Search<'d> {
    fn visit(&mut self, schemas: &[Value<'d>], value: Value<'d>) -> Result<(), Stop> {
        if !matches!(value.kind(), Kind::Object | Kind::Array) {
            return Ok(());
        }
        self.budget.enter()?;
        let mut all = Vec::new();
        for schema in schemas {
            self.gather(*schema, &mut all)?;
        }
        if value.kind() == Kind::Array {
            for (index, element) in value.elements().enumerate() {
                let about = self.about_element(&all, index)?;
                self.visit(&about, element)?;
            }
        } else {
            let open = |keyword: &str| all.iter().any(|s| s.get(keyword).is_some_and(|a| a.kind() != Kind::False));
            let named = all.iter().any(|schema| schema.get("properties").is_some());
            let closed = named && !open("additionalProperties") && !open("unevaluatedProperties");
            for (key, member) in value.members() {
                let about = self.about_member(&all, key)?;
                if about.is_empty() && closed {
                    self.found.push(key);
                } else {
                    self.visit(&about, member)?;
                }
            }
        }
        self.budget.leave();
        Ok(())
    }

    /// All schemas that may apply to the same value as this one does.
    fn gather(&mut self, schema: Value<'d>, out: &mut Vec<Value<'d>>) -> Result<(), Stop> {
        if schema.kind() != Kind::Object || out.iter().any(|known| known.span() == schema.span()) {
            return Ok(());
        }
        self.budget.enter()?;
        self.budget.spend(out.len() / 8)?;
        out.push(schema);
        for (key, operand) in schema.members() {
            match &*key.as_str().unwrap_or_default() {
                "$ref" => {
                    self.budget.spend(1 + self.root.raw().len() / 64)?;
                    let target = resolve(self.root, operand)?;
                    self.gather(target, out)?;
                }
                "$dynamicRef" | "$recursiveRef" => return Err(Stop::Unsupported("$dynamicRef")),
                "allOf" | "anyOf" | "oneOf" => {
                    for part in operand.elements() {
                        self.gather(part, out)?;
                    }
                }
                "if" | "then" | "else" => self.gather(operand, out)?,
                "dependentSchemas" | "dependencies" => {
                    for (_, part) in operand.members() {
                        self.gather(part, out)?;
                    }
                }
                _ => {}
            }
        }
        self.budget.leave();
        Ok(())
    }

    fn about_member(&mut self, schemas: &[Value<'d>], key: Value<'d>) -> Result<Vec<Value<'d>>, Stop> {
        let name = key.as_str().unwrap_or_default();
        let mut about = Vec::new();
        for schema in schemas {
            self.budget.spend(1)?;
            let before = about.len();
            if let Some(properties) = schema.get("properties") {
                self.budget.spend(properties.members().count() / 8)?;
                about.extend(properties.get(&name));
            }
            for (pattern, part) in schema.get("patternProperties").map(Value::members).into_iter().flatten() {
                self.budget.spend(pattern.raw().len().saturating_mul(name.len() + 16) / 32)?;
                let pattern = pattern.as_str().unwrap_or_default();
                let pattern = regex_lite::RegexBuilder::new(&pattern).size_limit(1 << 18).nest_limit(32).build();
                if pattern.map_err(|_| Stop::Unsupported("pattern"))?.is_match(&name) {
                    about.push(part);
                }
            }
            if about.len() == before {
                about.extend(schema.get("additionalProperties").filter(|rest| rest.kind() == Kind::Object));
            }
        }
        Ok(about)
    }

    fn about_element(&mut self, schemas: &[Value<'d>], index: usize) -> Result<Vec<Value<'d>>, Stop> {
        let mut about = Vec::new();
        for schema in schemas {
            self.budget.spend(1)?;
            let tuple = schema.get("prefixItems").or(schema.get("items").filter(|items| items.kind() == Kind::Array));
            match tuple.and_then(|tuple| tuple.element(index)) {
                Some(part) => about.push(part),
                None => about.extend(schema.get("items").filter(|items| items.kind() == Kind::Object)),
            }
        }
        Ok(about)
    }
}
