//! Whether an answer keeps to the JSON schema that its request asked for.
//!
//! Own code for the part of JSON Schema that structured output of the providers
//! knows: types, properties, items, enumerations, bounds, `anyOf`, `allOf`,
//! `oneOf`, `not`, references within the schema. Annotations and `format` say nothing.
//! A keyword beyond that makes the schema one that is not understood, which is
//! said when it is read, never passed over.

use std::ops::Range;
use std::sync::Arc;

use testudo_bounded::json::{Document, Kind, Limits, Node};

/// Steps that one check may take.
const STEPS_MAX: usize = 200_000;
/// References followed without descending in the answer.
const DEPTH_MAX: usize = 64;
/// The longest schema that is kept, in bytes.
const SCHEMA_BYTES_MAX: usize = 256 << 10;

/// The schema of one request, as written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    text: Arc<str>,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conformance {
    Keeps,
    /// The first bytes of the answer that do not fit; the whole answer when it is no JSON.
    Breaks(Range<usize>),
    /// The schema has keywords that are not understood, or the check would take too long.
    Unknown,
}

impl Schema {
    /// The schema that a request asks its answer to keep to.
    #[must_use]
    pub fn of_request(root: Node<'_>) -> Option<Self> {
        let format = |node: Node<'_>| {
            let kind = node
                .get("type")
                .and_then(|kind| kind.as_str().map(|kind| kind.into_owned()));
            match kind.as_deref() {
                Some("json_schema") => node
                    .get("json_schema")
                    .unwrap_or(node)
                    .get("schema")
                    .and_then(Self::new),
                Some("json_object") => Some(Self {
                    text: Arc::from("{\"type\":\"object\"}"),
                }),
                _ => None,
            }
        };
        let places = [
            root.get("response_format"),
            root.get("text").and_then(|text| text.get("format")),
            root.get("output_format"),
            root.get("output_config").and_then(|config| config.get("format")),
        ];
        places.into_iter().flatten().find_map(format)
    }

    fn new(node: Node<'_>) -> Option<Self> {
        let text = std::str::from_utf8(node.raw()).ok()?;
        (text.len() <= SCHEMA_BYTES_MAX).then(|| Self { text: text.into() })
    }

    /// Checks a whole answer.
    #[must_use]
    pub fn check(&self, answer: &str, limits: &Limits) -> Conformance {
        let Ok(schema) = Document::parse(self.text.as_bytes(), limits) else {
            return Conformance::Unknown;
        };
        let Ok(instance) = Document::parse(answer.as_bytes(), limits) else {
            return Conformance::Breaks(0..answer.len());
        };
        let mut checking = Checking {
            root: schema.root(),
            steps: 0,
        };
        match checking.check(schema.root(), instance.root(), 0) {
            Ok(()) => Conformance::Keeps,
            Err(Stop::Breaks(range)) => Conformance::Breaks(range),
            Err(Stop::Unknown) => Conformance::Unknown,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    Breaks(Range<usize>),
    Unknown,
}

type Checked = Result<(), Stop>;

/// Keywords that constrain nothing here.
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
    "strict",
    "name",
    "propertyOrdering",
    "nullable",
];

struct Checking<'d> {
    root: Node<'d>,
    steps: usize,
}

impl<'d> Checking<'d> {
    fn check(&mut self, schema: Node<'d>, instance: Node<'_>, depth: usize) -> Checked {
        self.steps = self.steps.saturating_add(1);
        if self.steps > STEPS_MAX || depth > DEPTH_MAX {
            return Err(Stop::Unknown);
        }
        match schema.kind() {
            Kind::Object => {}
            Kind::Bool => return fits(schema.as_bool() == Some(true), instance),
            _ => return Err(Stop::Unknown),
        }
        for value in children(schema) {
            let key = value.key_text().unwrap_or_default();
            self.keyword(&key, value, schema, instance, depth)?;
        }
        Ok(())
    }

    fn keyword(&mut self, key: &str, value: Node<'d>, schema: Node<'d>, instance: Node<'_>, depth: usize) -> Checked {
        let deeper = depth.saturating_add(1);
        match key {
            "type" => fits(has_type(value, instance)?, instance),
            "enum" => fits(value.items().any(|item| same(item, instance)), instance),
            "const" => fits(same(value, instance), instance),
            "$ref" => {
                let target = self.reference(value)?;
                self.check(target, instance, deeper)
            }
            "properties"
            | "additionalProperties"
            | "required"
            | "minProperties"
            | "maxProperties"
            | "propertyNames" => self.object(key, value, schema, instance),
            "items" | "prefixItems" | "minItems" | "maxItems" | "uniqueItems" => {
                self.array(key, value, schema, instance)
            }
            "minLength" | "maxLength" | "pattern" => string(key, value, instance),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
                number(key, value, instance)
            }
            "allOf" => value.items().try_for_each(|each| self.check(each, instance, deeper)),
            "anyOf" | "oneOf" => self.some_of(value, instance, deeper, key == "oneOf"),
            "not" => match self.check(value, instance, deeper) {
                Ok(()) => fits(false, instance),
                Err(Stop::Breaks(_)) => Ok(()),
                Err(Stop::Unknown) => Err(Stop::Unknown),
            },
            _ if ANNOTATIONS.contains(&key) => Ok(()),
            _ => Err(Stop::Unknown),
        }
    }

    fn some_of(&mut self, value: Node<'d>, instance: Node<'_>, depth: usize, exactly_one: bool) -> Checked {
        let mut kept = 0_usize;
        let mut deepest: Option<Range<usize>> = None;
        for each in value.items() {
            match self.check(each, instance, depth) {
                Ok(()) => kept = kept.saturating_add(1),
                Err(Stop::Unknown) => return Err(Stop::Unknown),
                Err(Stop::Breaks(range)) => {
                    // The alternative that came furthest says most about what is wrong.
                    if deepest.as_ref().is_none_or(|deepest| range.len() < deepest.len()) {
                        deepest = Some(range);
                    }
                }
            }
            if kept > 0 && !exactly_one {
                return Ok(());
            }
        }
        match (kept, deepest) {
            (1, _) => Ok(()),
            (0, Some(range)) => Err(Stop::Breaks(range)),
            _ => fits(false, instance),
        }
    }

    /// Follows `#/a/b` and `#` within the schema.
    fn reference(&self, value: Node<'d>) -> Result<Node<'d>, Stop> {
        let pointer = value.as_str().ok_or(Stop::Unknown)?;
        let path = pointer.strip_prefix('#').ok_or(Stop::Unknown)?;
        let mut at = self.root;
        for part in path.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            at = at.get(&part).ok_or(Stop::Unknown)?;
        }
        Ok(at)
    }

    fn object(&mut self, key: &str, value: Node<'d>, schema: Node<'d>, instance: Node<'_>) -> Checked {
        if instance.kind() != Kind::Object {
            return Ok(());
        }
        match key {
            "properties" => {
                for each in children(value) {
                    if let Some(found) = instance.get(&each.key_text().unwrap_or_default()) {
                        self.check(each, found, 0)?;
                    }
                }
                Ok(())
            }
            "required" => {
                let all = value
                    .items()
                    .all(|name| name.as_str().is_some_and(|name| instance.get(&name).is_some()));
                fits(all, instance)
            }
            "additionalProperties" => {
                let known = schema.get("properties");
                for found in children(instance) {
                    let name = found.key_text().unwrap_or_default();
                    if known.is_none_or(|known| known.get(&name).is_none()) {
                        self.check(value, found, 0)?;
                    }
                }
                Ok(())
            }
            "minProperties" | "maxProperties" => counted(key, value, children(instance).count(), instance),
            _ => Err(Stop::Unknown),
        }
    }

    fn array(&mut self, key: &str, value: Node<'d>, schema: Node<'d>, instance: Node<'_>) -> Checked {
        if instance.kind() != Kind::Array {
            return Ok(());
        }
        match key {
            "items" => {
                let before = schema.get("prefixItems").map_or(0, |first| first.items().count());
                for item in instance.items().skip(before) {
                    self.check(value, item, 0)?;
                }
                Ok(())
            }
            "prefixItems" => {
                for (each, item) in value.items().zip(instance.items()) {
                    self.check(each, item, 0)?;
                }
                Ok(())
            }
            "uniqueItems" if value.as_bool() == Some(true) => {
                let items: Vec<Node<'_>> = instance.items().collect();
                self.steps = self.steps.saturating_add(items.len().saturating_mul(items.len()));
                if self.steps > STEPS_MAX {
                    return Err(Stop::Unknown);
                }
                let twice = items
                    .iter()
                    .enumerate()
                    .any(|(at, item)| items.iter().take(at).any(|other| same(*other, *item)));
                fits(!twice, instance)
            }
            "uniqueItems" => Ok(()),
            _ => counted(key, value, instance.items().count(), instance),
        }
    }
}

/// The direct values of an object.
fn children<'i>(object: Node<'i>) -> impl Iterator<Item = Node<'i>> {
    object.entries().map(|(_, value)| value)
}

fn fits(kept: bool, instance: Node<'_>) -> Checked {
    if kept {
        Ok(())
    } else {
        Err(Stop::Breaks(instance.range()))
    }
}

fn has_type(value: Node<'_>, instance: Node<'_>) -> Result<bool, Stop> {
    let one = |name: &str| match name {
        "object" => Ok(instance.kind() == Kind::Object),
        "array" => Ok(instance.kind() == Kind::Array),
        "string" => Ok(instance.kind() == Kind::String),
        "boolean" => Ok(instance.kind() == Kind::Bool),
        "null" => Ok(instance.is_null()),
        "number" => Ok(instance.kind() == Kind::Number),
        "integer" => {
            Ok(instance.kind() == Kind::Number && instance.as_f64().is_some_and(|number| number.fract() == 0.0))
        }
        _ => Err(Stop::Unknown),
    };
    if let Some(name) = value.as_str() {
        return one(&name);
    }
    for name in value.items() {
        if one(&name.as_str().ok_or(Stop::Unknown)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn counted(key: &str, value: Node<'_>, count: usize, instance: Node<'_>) -> Checked {
    let bound = value
        .as_u64()
        .and_then(|bound| usize::try_from(bound).ok())
        .ok_or(Stop::Unknown)?;
    fits(
        if key.starts_with("min") {
            count >= bound
        } else {
            count <= bound
        },
        instance,
    )
}

fn string(key: &str, value: Node<'_>, instance: Node<'_>) -> Checked {
    let Some(text) = instance.as_str() else {
        return Ok(());
    };
    if key == "pattern" {
        let pattern = value.as_str().ok_or(Stop::Unknown)?;
        let matched = testudo_detect::output::pattern_matches(&pattern, &text).ok_or(Stop::Unknown)?;
        return fits(matched, instance);
    }
    counted(key, value, text.chars().count(), instance)
}

fn number(key: &str, value: Node<'_>, instance: Node<'_>) -> Checked {
    if instance.kind() != Kind::Number {
        return Ok(());
    }
    let (Some(bound), Some(number)) = (value.as_f64(), instance.as_f64()) else {
        return Err(Stop::Unknown);
    };
    let kept = match key {
        "minimum" => number >= bound,
        "maximum" => number <= bound,
        "exclusiveMinimum" => number > bound,
        "exclusiveMaximum" => number < bound,
        _ if bound > 0.0 => {
            let ratio = number / bound;
            (ratio - ratio.round()).abs() < 1e-9
        }
        _ => return Err(Stop::Unknown),
    };
    fits(kept, instance)
}

/// Whether two values are equal, whatever their order of keys and way of writing.
fn same(a: Node<'_>, b: Node<'_>) -> bool {
    match (a.kind(), b.kind()) {
        (Kind::Number, Kind::Number) => a.raw() == b.raw() || a.as_f64().is_some() && a.as_f64() == b.as_f64(),
        (Kind::String, Kind::String) => a.as_str() == b.as_str(),
        (Kind::Bool, Kind::Bool) => a.as_bool() == b.as_bool(),
        (Kind::Array, Kind::Array) => {
            a.items().count() == b.items().count() && a.items().zip(b.items()).all(|(a, b)| same(a, b))
        }
        (Kind::Object, Kind::Object) => {
            a.entries().count() == b.entries().count()
                && children(a).all(|value| {
                    let name = value.key_text().unwrap_or_default();
                    b.get(&name).is_some_and(|other| same(value, other))
                })
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests;
