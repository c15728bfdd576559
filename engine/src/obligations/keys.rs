//! Which members are meant: by key, or by path with globs.

use std::borrow::Cow;

use crate::config::ConfigError;
use crate::policy::Glob;

/// Patterns of members.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Vec<Step>>);

/// One step of a path.
#[derive(Debug)]
enum Step {
    /// Any number of members and elements, none included.
    Deep,
    /// One member (or element, by its index) whose name fits, without regard to case.
    Name(Glob),
}

/// Where a walk through a value stands in each of the patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(Vec<(u16, u16)>);

impl Keys {
    /// Compiles patterns that stand at `at` (a JSON Pointer).
    ///
    /// # Errors
    /// A pattern that is no path.
    pub(super) fn compile(patterns: &[String], at: &str) -> Result<Self, ConfigError> {
        let compile = |(index, pattern): (usize, &String)| {
            steps(pattern).ok_or_else(|| {
                ConfigError::new(format!("{at}/{index}"), "is no key and no path").remedy(
                    "write a key (`password`), a JSON Pointer (`/customer/*/ssn`) or a dotted path (`**.password`, `items[*].pin`)",
                )
            })
        };
        patterns.iter().enumerate().map(compile).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a walk begins.
    pub(super) fn start(&self) -> Places {
        let mut places = Places::default();
        for pattern in 0..self.0.len() {
            self.add(&mut places, (pattern as u16, 0));
        }
        places
    }

    /// Where the walk stands behind the member (or index) `name`.
    pub(super) fn step(&self, from: &Places, name: &str) -> Places {
        let name = if name.chars().any(char::is_uppercase) { Cow::Owned(name.to_lowercase()) } else { Cow::from(name) };
        let mut places = Places::default();
        for &(pattern, at) in &from.0 {
            match self.at((pattern, at)) {
                Some(Step::Deep) => self.add(&mut places, (pattern, at)),
                Some(Step::Name(glob)) if glob.matches(&name) => self.add(&mut places, (pattern, at + 1)),
                Some(Step::Name(_)) | None => {}
            }
        }
        places
    }

    /// True where some pattern is fulfilled.
    pub(super) fn is_met(&self, places: &Places) -> bool {
        places.0.iter().any(|place| self.at(*place).is_none())
    }

    /// The keys that are meant wherever they stand, as far as they are no globs.
    pub(super) fn anywhere(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|steps| match steps.as_slice() {
            [Step::Deep, Step::Name(glob)] => glob.literal(),
            _ => None,
        })
    }

    fn add(&self, places: &mut Places, place: (u16, u16)) {
        if places.0.contains(&place) {
            return;
        }
        places.0.push(place);
        // `**` may stand for nothing.
        if let (pattern, at) = place
            && matches!(self.at(place), Some(Step::Deep))
        {
            self.add(places, (pattern, at + 1));
        }
    }

    fn at(&self, (pattern, at): (u16, u16)) -> Option<&Step> {
        self.0.get(usize::from(pattern))?.get(usize::from(at))
    }
}

impl Places {
    /// Both.
    pub(super) fn and(mut self, other: &Self) -> Self {
        for place in &other.0 {
            if !self.0.contains(place) {
                self.0.push(*place);
            }
        }
        self
    }
}

fn steps(pattern: &str) -> Option<Vec<Step>> {
    let step = |name: &str| match name {
        "**" => Some(Step::Deep),
        _ => Glob::new(&name.to_lowercase()).ok().map(Step::Name),
    };
    if let Some(pointer) = pattern.strip_prefix('/') {
        return pointer.split('/').map(|token| step(&token.replace("~1", "/").replace("~0", "~"))).collect();
    }
    if !pattern.contains(['.', '[']) && !pattern.is_empty() {
        // A key by itself is meant wherever it stands: what is to be hidden is hidden too often rather than not.
        return Some(vec![Step::Deep, step(pattern)?]);
    }
    let mut out = Vec::new();
    for (position, part) in pattern.split('.').enumerate() {
        let (name, mut brackets) = part.split_at_checked(part.find('[').unwrap_or(part.len()))?;
        if !name.is_empty() {
            out.push(step(name)?);
        } else if position > 0 || brackets.is_empty() {
            return None;
        }
        while !brackets.is_empty() {
            let (inside, behind) = brackets.strip_prefix('[')?.split_once(']')?;
            let is_index = !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit());
            if inside != "*" && !is_index {
                return None;
            }
            out.push(step(inside)?);
            brackets = behind;
        }
    }
    (out.len() < MAX_STEPS).then_some(out)
}

/// Longest path, in steps.
const MAX_STEPS: usize = 64;

#[cfg(test)]
mod tests {
    use super::Keys;

    fn meets(pattern: &str, path: &str) -> bool {
        let keys = Keys::compile(&[pattern.to_owned()], "").unwrap();
        let mut places = keys.start();
        for name in path.split('/').skip(1) {
            places = keys.step(&places, name);
        }
        keys.is_met(&places)
    }

    #[test]
    fn keys_and_paths() {
        for (pattern, path, expected) in [
            ("password", "/password", true),
            ("password", "/a/0/Password", true),
            ("password", "/password/x", false),
            ("pass*", "/a/passphrase", true),
            ("**.password", "/password", true),
            ("**.password", "/a/b/password", true),
            ("**.password", "/a/passwords", false),
            ("/customer/*/ssn", "/customer/7/ssn", true),
            ("/customer/*/ssn", "/customer/ssn", false),
            ("/customer/*/ssn", "/x/customer/7/ssn", false),
            ("/customer/**/ssn", "/customer/ssn", true),
            ("/a~1b", "/a~1b", false),
            ("customer.ssn", "/customer/SSN", true),
            ("customer.ssn", "/ssn", false),
            ("items[*].pin", "/items/3/pin", true),
            ("items[0].pin", "/items/3/pin", false),
            ("**.a.**.b", "/x/a/y/b", true),
            ("**.a.**.b", "/x/b/y/a", false),
            ("ÄPFEL", "/äpfel", true),
        ] {
            assert_eq!(meets(pattern, path), expected, "{pattern} {path}");
        }
        for pattern in ["", "a..b", "a[", "a[x]", "a.[", "\\x", "a."] {
            assert!(Keys::compile(&[pattern.to_owned()], "/k").is_err(), "{pattern}");
        }
    }
}
