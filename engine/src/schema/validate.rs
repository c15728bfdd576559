//! Applying a schema to a value.

use regex_lite::{Regex, RegexBuilder};

use super::reference::resolve;
use super::{Budget, Failure, Stop, one_or_many};
use crate::config::canonical_json;
use crate::json::{Kind, Value};
use crate::policy::Decimal;
use crate::sort::Arrange;

/// Checks `value` against `schema`. Object members whose keys are in `ignored` count as absent.
///
/// # Errors
/// [`Failure`] says what does not fit and where, or why that cannot be told.
pub fn validate<'d>(schema: Value<'d>, value: Value<'d>, ignored: &[Value<'d>]) -> Result<(), Failure> {
    let tracks = schema.strings().any(|key| key.is_key() && key.raw().starts_with("\"unevaluated"));
    let mut validator = Validator {
        root: schema,
        ignored: ignored.iter().map(|key| key.span().start).collect(),
        budget: Budget::new(),
        tracks,
        patterns: Vec::new(),
        refused: None,
    };
    if validator.fits(schema, value, &mut Vec::new())? {
        return Ok(());
    }
    let (at, keyword) = validator.refused.unwrap_or((value, "false"));
    Err(Failure::Mismatch { at: at.location(), keyword })
}

struct Validator<'d> {
    root: Value<'d>,
    /// Where the keys begin that count as absent.
    ignored: Vec<usize>,
    budget: Budget,
    /// Some schema asks what others have evaluated.
    tracks: bool,
    patterns: Vec<(String, Regex)>,
    /// What was refused last, and by which keyword.
    refused: Option<(Value<'d>, &'static str)>,
}

/// Where the members and elements of one value begin that a schema has looked at.
type Seen = Vec<usize>;

impl<'d> Validator<'d> {
    /// Whether `value` fits `schema`; adds to `seen` which of its members and elements the schema is about.
    fn fits(&mut self, schema: Value<'d>, value: Value<'d>, seen: &mut Seen) -> Result<bool, Stop> {
        self.budget.enter()?;
        let fits = match schema.kind() {
            Kind::True => true,
            Kind::False => self.refuse(value, "false"),
            Kind::Object => self.keywords(schema, value, seen)?,
            _ => return Err(Stop::Unsupported("a schema that is neither object nor boolean")),
        };
        self.budget.leave();
        Ok(fits)
    }

    fn keywords(&mut self, schema: Value<'d>, value: Value<'d>, seen: &mut Seen) -> Result<bool, Stop> {
        for (key, operand) in schema.members() {
            let Some(keyword) = known(&key.as_str().unwrap_or_default()) else { continue };
            self.budget.spend(1)?;
            let fits = match keyword {
                "$ref" => {
                    let target = resolve(self.root, operand)?;
                    self.spend_size(self.root)?;
                    self.fits_alike(target, value, seen)?
                }
                "$dynamicRef" | "$recursiveRef" => return Err(Stop::Unsupported("$dynamicRef")),
                "allOf" => self.all_of(operand, value, seen)?,
                "anyOf" => self.count(operand, value, seen)? > 0 || self.refuse(value, keyword),
                "oneOf" => self.count(operand, value, seen)? == 1 || self.refuse(value, keyword),
                "not" => !self.fits(operand, value, &mut Vec::new())? || self.refuse(value, keyword),
                "if" => self.conditional(schema, operand, value, seen)?,
                "type" => {
                    one_or_many(operand).iter().any(|name| is_of_type(value, *name)) || self.refuse(value, keyword)
                }
                "const" => self.equal(operand, value)? || self.refuse(value, keyword),
                "enum" => {
                    let mut found = false;
                    for choice in operand.elements() {
                        found = found || self.equal(choice, value)?;
                    }
                    found || self.refuse(value, keyword)
                }
                _ => match value.kind() {
                    Kind::Number => self.number(keyword, operand, value)?,
                    Kind::String | Kind::Key => self.string(keyword, operand, value)?,
                    Kind::Array => self.array(keyword, schema, operand, value, seen)?,
                    Kind::Object => self.object(keyword, schema, operand, value, seen)?,
                    _ => true,
                },
            };
            if !fits {
                return Ok(false);
            }
        }
        if self.tracks { self.unevaluated(schema, value, seen) } else { Ok(true) }
    }

    // === combinations ===

    /// A subschema about the same value: what it has seen counts if it fits. It does not know what others have seen.
    fn fits_alike(&mut self, schema: Value<'d>, value: Value<'d>, seen: &mut Seen) -> Result<bool, Stop> {
        let mut own = Vec::new();
        let fits = self.fits(schema, value, &mut own)?;
        if fits && self.tracks {
            seen.append(&mut own);
        }
        Ok(fits)
    }

    fn all_of(&mut self, schemas: Value<'d>, value: Value<'d>, seen: &mut Seen) -> Result<bool, Stop> {
        for schema in schemas.elements() {
            if !self.fits_alike(schema, value, seen)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn count(&mut self, schemas: Value<'d>, value: Value<'d>, seen: &mut Seen) -> Result<usize, Stop> {
        let mut count = 0;
        for schema in schemas.elements() {
            count += usize::from(self.fits_alike(schema, value, seen)?);
        }
        Ok(count)
    }

    fn conditional(
        &mut self,
        schema: Value<'d>,
        condition: Value<'d>,
        value: Value<'d>,
        seen: &mut Seen,
    ) -> Result<bool, Stop> {
        let branch = if self.fits_alike(condition, value, seen)? { "then" } else { "else" };
        schema.get(branch).map_or(Ok(true), |branch| self.fits_alike(branch, value, seen))
    }

    // === values ===

    fn equal(&mut self, a: Value<'d>, b: Value<'d>) -> Result<bool, Stop> {
        if a.raw() == b.raw() {
            return Ok(true);
        }
        let text = |value: Value<'_>| matches!(value.kind(), Kind::String | Kind::Key);
        if !(text(a) && text(b)) && a.kind() != b.kind() {
            return Ok(false);
        }
        self.spend_size(a)?;
        self.spend_size(b)?;
        Ok(canonical_json(a) == canonical_json(b))
    }

    fn number(&mut self, keyword: &'static str, operand: Value<'d>, value: Value<'d>) -> Result<bool, Stop> {
        if !matches!(keyword, "multipleOf" | "maximum" | "exclusiveMaximum" | "minimum" | "exclusiveMinimum") {
            return Ok(true);
        }
        let bound = Decimal::parse(operand.raw()).filter(|_| operand.kind() == Kind::Number);
        let bound = bound.ok_or(Stop::Unsupported("a bound that is no number"))?;
        // A number that no two servers read alike fits no bound.
        let Some(number) = Decimal::parse(value.raw()) else { return Ok(self.refuse(value, keyword)) };
        let fits = match keyword {
            "maximum" => number <= bound,
            "exclusiveMaximum" => number < bound,
            "minimum" => number >= bound,
            "exclusiveMinimum" => number > bound,
            _ => number.is_multiple_of(&bound).ok_or(Stop::Unsupported("multipleOf"))?,
        };
        Ok(fits || self.refuse(value, keyword))
    }

    fn string(&mut self, keyword: &'static str, operand: Value<'d>, value: Value<'d>) -> Result<bool, Stop> {
        if !matches!(keyword, "maxLength" | "minLength" | "pattern") {
            return Ok(true);
        }
        let text = value.as_str().unwrap_or_default();
        self.budget.spend(text.len() / 64)?;
        let length = || Some(text.chars().count() as f64);
        let fits = match keyword {
            "maxLength" => length() <= operand.as_f64(),
            "minLength" => length() >= operand.as_f64(),
            _ => self.matches(operand, &text)?,
        };
        Ok(fits || self.refuse(value, keyword))
    }

    /// Whether a pattern matches somewhere in a text. Patterns are those of ECMA-262 as far as `regex-lite` has them.
    fn matches(&mut self, pattern: Value<'d>, text: &str) -> Result<bool, Stop> {
        let pattern = pattern.as_str().ok_or(Stop::Unsupported("pattern"))?;
        // Each byte of the text may meet each state of the pattern.
        self.budget.spend(pattern.len().saturating_mul(text.len() + 16) / 32)?;
        if let Some((_, regex)) = self.patterns.iter().find(|(known, _)| *known == *pattern) {
            return Ok(regex.is_match(text));
        }
        if pattern.len() > MAX_PATTERN {
            return Err(Stop::Unsupported("pattern"));
        }
        let compiled = RegexBuilder::new(&pattern).size_limit(MAX_REGEX_BYTES).nest_limit(32).build();
        let regex = compiled.map_err(|_| Stop::Unsupported("pattern"))?;
        let matches = regex.is_match(text);
        self.patterns.push((pattern.into_owned(), regex));
        Ok(matches)
    }

    // === arrays ===

    fn array(
        &mut self,
        keyword: &'static str,
        schema: Value<'d>,
        operand: Value<'d>,
        value: Value<'d>,
        seen: &mut Seen,
    ) -> Result<bool, Stop> {
        let count = || Some(value.elements().count() as f64);
        match keyword {
            "maxItems" => return Ok(count() <= operand.as_f64() || self.refuse(value, keyword)),
            "minItems" => return Ok(count() >= operand.as_f64() || self.refuse(value, keyword)),
            "uniqueItems" if operand.kind() == Kind::True => {
                self.spend_size(value)?;
                let mut texts: Vec<String> = value.elements().map(canonical_json).collect();
                texts.arrange();
                return Ok(
                    !texts.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) || self.refuse(value, keyword)
                );
            }
            "contains" => return self.contains(schema, operand, value, seen),
            _ => {}
        }
        let tuple = match keyword {
            "prefixItems" => operand.kind() == Kind::Array,
            "items" => operand.kind() == Kind::Array,
            _ => false,
        };
        if tuple {
            for (element, schema) in value.elements().zip(operand.elements()) {
                seen.push(element.span().start);
                if !self.fits(schema, element, &mut Vec::new())? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let skipped = match keyword {
            "items" => schema.get("prefixItems").map_or(0, |prefix| prefix.elements().count()),
            "additionalItems" => match schema.get("items").filter(|items| items.kind() == Kind::Array) {
                Some(items) => items.elements().count(),
                None => return Ok(true),
            },
            _ => return Ok(true),
        };
        for element in value.elements().skip(skipped) {
            seen.push(element.span().start);
            if !self.fits(operand, element, &mut Vec::new())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn contains(
        &mut self,
        schema: Value<'d>,
        wanted: Value<'d>,
        value: Value<'d>,
        seen: &mut Seen,
    ) -> Result<bool, Stop> {
        let mut count = 0_u32;
        for element in value.elements() {
            if self.fits(wanted, element, &mut Vec::new())? {
                seen.push(element.span().start);
                count += 1;
            }
        }
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let least = bound("minContains").unwrap_or(1.0);
        let fits = f64::from(count) >= least && bound("maxContains").is_none_or(|most| f64::from(count) <= most);
        Ok(fits || self.refuse(value, "contains"))
    }

    // === objects ===

    fn object(
        &mut self,
        keyword: &'static str,
        schema: Value<'d>,
        operand: Value<'d>,
        value: Value<'d>,
        seen: &mut Seen,
    ) -> Result<bool, Stop> {
        match keyword {
            "maxProperties" => {
                let count = Some(self.members(value).len() as f64);
                Ok(count <= operand.as_f64() || self.refuse(value, keyword))
            }
            "minProperties" => {
                let count = Some(self.members(value).len() as f64);
                Ok(count >= operand.as_f64() || self.refuse(value, keyword))
            }
            "required" => self.required(operand, value, keyword),
            "dependentRequired" | "dependentSchemas" | "dependencies" => {
                for (name, dependent) in operand.members() {
                    if self.member(value, name)?.is_none() {
                        continue;
                    }
                    let fits = match dependent.kind() {
                        Kind::Array => self.required(dependent, value, keyword)?,
                        _ => self.fits_alike(dependent, value, seen)?,
                    };
                    if !fits {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            "propertyNames" => {
                for (key, _) in self.members(value) {
                    if !self.fits(operand, key, &mut Vec::new())? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            "properties" => {
                for (key, member) in self.members(value) {
                    self.budget.spend(1 + operand.members().count() / 8)?;
                    let Some(schema) = key.as_str().and_then(|key| operand.get(&key)) else { continue };
                    seen.push(member.span().start);
                    if !self.fits(schema, member, &mut Vec::new())? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            "patternProperties" => {
                for (key, member) in self.members(value) {
                    for (pattern, schema) in operand.members() {
                        if self.matches(pattern, &key.as_str().unwrap_or_default())? {
                            seen.push(member.span().start);
                            if !self.fits(schema, member, &mut Vec::new())? {
                                return Ok(false);
                            }
                        }
                    }
                }
                Ok(true)
            }
            "additionalProperties" => {
                for (key, member) in self.members(value) {
                    if self.is_declared(schema, key)? {
                        continue;
                    }
                    seen.push(member.span().start);
                    if operand.kind() == Kind::False {
                        return Ok(self.refuse(member, keyword));
                    }
                    if !self.fits(operand, member, &mut Vec::new())? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    fn required(&mut self, names: Value<'d>, value: Value<'d>, keyword: &'static str) -> Result<bool, Stop> {
        for name in names.elements() {
            if self.member(value, name)?.is_none() {
                return Ok(self.refuse(value, keyword));
            }
        }
        Ok(true)
    }

    /// True where `properties` or `patternProperties` of this schema are about the key.
    fn is_declared(&mut self, schema: Value<'d>, key: Value<'d>) -> Result<bool, Stop> {
        let key = key.as_str().unwrap_or_default();
        if let Some(properties) = schema.get("properties") {
            self.budget.spend(1 + properties.members().count() / 8)?;
            if properties.get(&key).is_some() {
                return Ok(true);
            }
        }
        for (pattern, _) in schema.get("patternProperties").map(Value::members).into_iter().flatten() {
            if self.matches(pattern, &key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The members that count as present.
    fn members(&self, value: Value<'d>) -> Vec<(Value<'d>, Value<'d>)> {
        value.members().filter(|(key, _)| !self.ignored.contains(&key.span().start)).collect()
    }

    fn member(&mut self, value: Value<'d>, name: Value<'d>) -> Result<Option<Value<'d>>, Stop> {
        let name = name.as_str().unwrap_or_default();
        self.budget.spend(1 + value.members().count() / 8)?;
        let found = value.members().find(|(key, _)| key.is_str(&name));
        Ok(found.filter(|(key, _)| !self.ignored.contains(&key.span().start)).map(|(_, member)| member))
    }

    /// `unevaluatedItems` and `unevaluatedProperties`: about what nothing else in this schema was about.
    fn unevaluated(&mut self, schema: Value<'d>, value: Value<'d>, seen: &mut Seen) -> Result<bool, Stop> {
        let (keyword, children): (_, Vec<Value<'d>>) = match value.kind() {
            Kind::Array => ("unevaluatedItems", value.elements().collect()),
            Kind::Object => {
                ("unevaluatedProperties", self.members(value).into_iter().map(|(_, member)| member).collect())
            }
            _ => return Ok(true),
        };
        let Some(operand) = schema.get(keyword) else { return Ok(true) };
        for child in children {
            self.budget.spend(1 + seen.len() / 16)?;
            if seen.contains(&child.span().start) {
                continue;
            }
            seen.push(child.span().start);
            if operand.kind() == Kind::False {
                return Ok(self.refuse(child, keyword));
            }
            if !self.fits(operand, child, &mut Vec::new())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes what refuses a value.
    fn refuse(&mut self, value: Value<'d>, keyword: &'static str) -> bool {
        self.refused = Some((value, keyword));
        false
    }

    /// What it costs to walk over a value.
    fn spend_size(&mut self, value: Value<'_>) -> Result<(), Stop> {
        self.budget.spend(1 + value.raw().len() / 64)
    }
}

/// The keyword, if it is one that refuses values.
fn known(key: &str) -> Option<&'static str> {
    KEYWORDS.iter().find(|known| **known == key).copied()
}

fn is_of_type(value: Value<'_>, name: Value<'_>) -> bool {
    let is = |wanted| name.is_str(wanted);
    match value.kind() {
        Kind::Null => is("null"),
        Kind::True | Kind::False => is("boolean"),
        Kind::String | Kind::Key => is("string"),
        Kind::Array => is("array"),
        Kind::Object => is("object"),
        Kind::Number if is("integer") => Decimal::parse(value.raw()).is_some_and(|number| number.is_integer()),
        Kind::Number => is("number"),
    }
}

const KEYWORDS: [&str; 36] = [
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "$ref",
    "anyOf",
    "allOf",
    "oneOf",
    "not",
    "if",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "prefixItems",
    "additionalItems",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "$dynamicRef",
    "$recursiveRef",
];

/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 1024;
/// Largest compiled pattern, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 18;
