//! Paths into a call's arguments, and what they lead to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Problem;
use crate::json::{Kind, Value};

/// A compiled path: a JSON Pointer (`/a/0/b`) or dotted (`a[0].b`, `files[*].path`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(Vec<Step>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// A member of an object; of a JSON Pointer also an element of an array.
    Name { name: String, index: Option<usize> },
    /// An element of an array.
    Index(usize),
    /// Every element of an array.
    Each,
}

impl Path {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let steps = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(token).collect::<Option<Vec<_>>>(),
            None => dotted(text),
        };
        steps.map(Self).ok_or_else(|| {
            Problem::new("is no path", "write a JSON Pointer (`/a/b`) or a dotted path (`a.b[0].c`, `files[*].path`)")
        })
    }

    fn follow<'d>(&self, root: Value<'d>) -> Vec<Leaf<'d>> {
        let mut leaves = vec![Leaf::Found(root)];
        for step in &self.0 {
            let mut next = Vec::with_capacity(leaves.len());
            for leaf in leaves {
                match leaf {
                    Leaf::Found(value) => step.take(value, &mut next),
                    stuck @ (Leaf::Missing | Leaf::Odd) => next.push(stuck),
                }
            }
            leaves = next;
        }
        leaves
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaf<'d> {
    Found(Value<'d>),
    Missing,
    /// Of the wrong type on the way, or read differently by different servers.
    Odd,
}

/// The arguments of one call, with what each path led to: many rules ask for the same one.
#[derive(Debug)]
pub(in crate::policy) struct Lookups<'p, 'd> {
    arguments: Option<Value<'d>>,
    found: RefCell<BTreeMap<&'p Path, Rc<Vec<Leaf<'d>>>>>,
}

impl<'p, 'd> Lookups<'p, 'd> {
    pub(in crate::policy) fn new(arguments: Option<Value<'d>>) -> Self {
        Self { arguments, found: RefCell::default() }
    }

    pub(super) fn find(&self, path: &'p Path) -> Rc<Vec<Leaf<'d>>> {
        let mut found = self.found.borrow_mut();
        Rc::clone(found.entry(path).or_insert_with(|| {
            Rc::new(match self.arguments {
                Some(root) => path.follow(root),
                None => vec![Leaf::Missing],
            })
        }))
    }
}

impl Step {
    fn take<'d>(&self, value: Value<'d>, out: &mut Vec<Leaf<'d>>) {
        let leaf = match (self, value.kind()) {
            (Self::Name { name, .. }, Kind::Object) => member(value, name),
            (Self::Name { index: Some(index), .. } | Self::Index(index), Kind::Array) => {
                value.element(*index).map_or(Leaf::Missing, Leaf::Found)
            }
            (Self::Each, Kind::Array) => {
                let before = out.len();
                out.extend(value.elements().map(Leaf::Found));
                if out.len() > before {
                    return;
                }
                Leaf::Missing
            }
            _ => Leaf::Odd,
        };
        out.push(leaf);
    }
}

/// The member `name`; odd where another key differs from it only in case: `encoding/json` of Go
/// would read that one, whichever comes last.
fn member<'d>(object: Value<'d>, name: &str) -> Leaf<'d> {
    let mut found = Leaf::Missing;
    for (key, value) in object.members() {
        if key.is_str(name) {
            found = Leaf::Found(value);
        } else if key.as_str().is_some_and(|key| same_but_for_case(&key, name)) {
            return Leaf::Odd;
        }
    }
    found
}

/// Equal under simple case folding (Go's `strings.EqualFold`: `ſ` is `s`, the Kelvin sign is `k`).
pub(super) fn same_but_for_case(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    let fold = |text: &str| -> Vec<char> {
        text.chars().flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
    };
    fold(a) == fold(b)
}

/// One token of a JSON Pointer (RFC 6901 section 3); `None` for a stray `~`.
fn token(text: &str) -> Option<Step> {
    let valid = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let name = text.replace("~1", "/").replace("~0", "~");
    valid.then(|| Step::Name { index: index(&name), name })
}

/// `a.b[0].c[*]`; `None` where that is not what it is.
fn dotted(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for (position, part) in text.split('.').enumerate() {
        let (name, mut brackets) = part.split_at_checked(part.find('[').unwrap_or(part.len()))?;
        // `[0].a` may begin a path; `a..b` and `a.[0]` are typing mistakes.
        if !name.is_empty() {
            steps.push(Step::Name { name: name.to_owned(), index: None });
        } else if position > 0 || brackets.is_empty() {
            return None;
        }
        while !brackets.is_empty() {
            let (inside, behind) = brackets.strip_prefix('[')?.split_once(']')?;
            steps.push(if inside == "*" { Step::Each } else { Step::Index(index(inside)?) });
            brackets = behind;
        }
    }
    Some(steps)
}

/// An array index (RFC 6901 section 4: no sign, no leading zeros).
fn index(text: &str) -> Option<usize> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
