//! Paths into a call's arguments, and what they lead to.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use super::Problem;
use crate::json::{Kind, Value};

/// A compiled path: a JSON Pointer (`/a/0/b`) or dotted (`a[0].b`, `files[*].path`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

    fn follow<'d>(&self, root: Value<'d>) -> Leaves<'d> {
        let mut here = root;
        let mut steps = self.0.iter();
        while let Some(step) = steps.next() {
            match step.single(here) {
                Some(Leaf::Found(value)) => here = value,
                Some(stuck @ (Leaf::Missing | Leaf::Odd)) => return Leaves::One(stuck),
                None => return Leaves::Many(each(here, steps.as_slice())),
            }
        }
        Leaves::One(Leaf::Found(here))
    }
}

/// Follows the steps behind a `[*]` from every element of `array`.
fn each<'d>(array: Value<'d>, steps: &[Step]) -> Vec<Leaf<'d>> {
    let mut leaves = Vec::new();
    Step::Each.take(array, &mut leaves);
    for step in steps {
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

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaf<'d> {
    Found(Value<'d>),
    Missing,
    /// Of the wrong type on the way, or read differently by different servers.
    Odd,
}

/// One leaf is the rule.
#[derive(Debug)]
enum Leaves<'d> {
    One(Leaf<'d>),
    Many(Vec<Leaf<'d>>),
}

/// The different paths and conditions of a policy, each with its number.
#[derive(Debug, Default)]
pub(in crate::policy) struct Numbers {
    paths: BTreeMap<Path, usize>,
    /// By the path's number, and by what the condition says of it.
    conditions: BTreeMap<(usize, Box<str>), usize>,
}

impl Numbers {
    pub(super) fn path(&mut self, path: &Path) -> usize {
        let next = self.paths.len();
        *self.paths.entry(path.clone()).or_insert(next)
    }

    pub(super) fn condition(&mut self, path: usize, said: Box<str>) -> usize {
        let next = self.conditions.len();
        *self.conditions.entry((path, said)).or_insert(next)
    }
}

/// The arguments of one call, with what each path led to and what each condition came to: many rules ask for
/// the same.
#[derive(Debug)]
pub(in crate::policy) struct Lookups<'d> {
    arguments: Option<Value<'d>>,
    /// By the path's number.
    found: Vec<OnceCell<Leaves<'d>>>,
    /// By the condition's number.
    judged: Vec<Cell<Option<bool>>>,
}

impl<'d> Lookups<'d> {
    pub(in crate::policy) fn new(arguments: Option<Value<'d>>, numbers: &Numbers) -> Self {
        Self {
            arguments,
            found: std::iter::repeat_with(OnceCell::new).take(numbers.paths.len()).collect(),
            judged: vec![Cell::new(None); numbers.conditions.len()],
        }
    }

    /// Whether the condition of this number holds; `judge` is asked the first time only.
    pub(super) fn judged(&self, number: usize, judge: impl FnOnce() -> bool) -> bool {
        let Some(cell) = self.judged.get(number) else { return judge() };
        cell.get().unwrap_or_else(|| {
            let holds = judge();
            cell.set(Some(holds));
            holds
        })
    }

    /// `number`: as [`Numbers::path`] gave it for this path. One that it did not give leads to nothing sure.
    pub(super) fn find(&self, path: &Path, number: usize) -> &[Leaf<'d>] {
        let Some(cell) = self.found.get(number) else { return &[Leaf::Odd] };
        let follow = || match self.arguments {
            Some(root) => path.follow(root),
            None => Leaves::One(Leaf::Missing),
        };
        match cell.get_or_init(follow) {
            Leaves::One(leaf) => std::slice::from_ref(leaf),
            Leaves::Many(leaves) => leaves,
        }
    }
}

impl Step {
    fn take<'d>(&self, value: Value<'d>, out: &mut Vec<Leaf<'d>>) {
        let leaf = match self.single(value) {
            Some(leaf) => leaf,
            None => {
                let before = out.len();
                out.extend(value.elements().map(Leaf::Found));
                if out.len() > before {
                    return;
                }
                Leaf::Missing
            }
        };
        out.push(leaf);
    }

    /// Where this leads, if to one place; `None` for every element of an array.
    fn single<'d>(&self, value: Value<'d>) -> Option<Leaf<'d>> {
        Some(match (self, value.kind()) {
            (Self::Name { name, .. }, Kind::Object) => member(value, name),
            (Self::Name { index: Some(index), .. } | Self::Index(index), Kind::Array) => {
                value.element(*index).map_or(Leaf::Missing, Leaf::Found)
            }
            (Self::Each, Kind::Array) => return None,
            _ => Leaf::Odd,
        })
    }
}

/// The member `name`; odd where another key differs from it only in case: `encoding/json` of Go
/// would read that one, whichever comes last.
fn member<'d>(object: Value<'d>, name: &str) -> Leaf<'d> {
    let mut found = Leaf::Missing;
    for (key, value) in object.members() {
        // A plain key of another length is another name.
        if name.is_ascii()
            && key.raw_str().is_some_and(|raw| raw.len() != name.len() && raw.is_ascii())
            && !key.has_escapes()
        {
            continue;
        }
        if key.is_str(name) {
            found = Leaf::Found(value);
        } else if key.as_str().is_some_and(|key| same_but_for_case(&key, name)) {
            return Leaf::Odd;
        }
    }
    found
}

/// Equal under simple case folding (Go's `strings.EqualFold`: `ſ` is `s`, the Kelvin sign is `k`).
pub(crate) fn same_but_for_case(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    fold(a) == fold(b)
}

/// The small letters of the capitals of all letters: only few of them are others.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        let other = || FOLDED.split(' ').find_map(|entry| entry.strip_prefix(letter));
        match Some(letter).filter(|letter| !letter.is_ascii()).and_then(|_| other()) {
            Some(other) => folded.push_str(other),
            None => folded.push(letter),
        }
    }
    folded
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

/// Letters in their small form, each with the small letters of its capital where they are others. Through the capitals themselves it
/// would take their table into the filter: 14 KB.
const FOLDED: &str = "µμ ßss ıi ŉʼn ſs ǰj\u{30c} \u{345}ι ΐι\u{308}\u{301} ΰυ\u{308}\u{301} ςσ ϐβ ϑθ ϕφ ϖπ ϰκ ϱρ ϵε ևեւ ᲀв \
    ᲁд ᲂо ᲃс ᲄт ᲅт ᲆъ ᲇѣ ᲈꙋ ẖh\u{331} ẗt\u{308} ẘw\u{30a} ẙy\u{30a} ẚaʾ ẛṡ ὐυ\u{313} ὒυ\u{313}\u{300} \
    ὔυ\u{313}\u{301} ὖυ\u{313}\u{342} ᾀἀι ᾁἁι ᾂἂι ᾃἃι ᾄἄι ᾅἅι ᾆἆι ᾇἇι ᾐἠι ᾑἡι ᾒἢι ᾓἣι ᾔἤι ᾕἥι ᾖἦι ᾗἧι \
    ᾠὠι ᾡὡι ᾢὢι ᾣὣι ᾤὤι ᾥὥι ᾦὦι ᾧὧι ᾲὰι ᾳαι ᾴάι ᾶα\u{342} ᾷα\u{342}ι ιι ῂὴι ῃηι ῄήι ῆη\u{342} ῇη\u{342}ι \
    ῒι\u{308}\u{300} ΐι\u{308}\u{301} ῖι\u{342} ῗι\u{308}\u{342} ῢυ\u{308}\u{300} ΰυ\u{308}\u{301} \
    ῤρ\u{313} ῦυ\u{342} ῧυ\u{308}\u{342} ῲὼι ῳωι ῴώι ῶω\u{342} ῷω\u{342}ι ﬀff ﬁfi ﬂfl ﬃffi ﬄffl ﬅst ﬆst \
    ﬓմն ﬔմե ﬕմի ﬖվն ﬗմխ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_as_by_the_capitals() {
        for letter in '\0'..=char::MAX {
            let capitals = letter.to_lowercase().flat_map(char::to_uppercase);
            let expected: String = capitals.flat_map(char::to_lowercase).collect();
            assert_eq!(fold(&letter.to_string()), expected, "{:x}", u32::from(letter));
        }
        assert!(same_but_for_case("Maſke", "MASKE") && same_but_for_case("STRASSE", "straße"));
        assert!(!same_but_for_case("Maske", "Masken") && !same_but_for_case("é", "e"));
    }
}
