//! What is done about a finding: the scanner's own actions, overrides and suppressions.

use sha2::{Digest, Sha256};

use super::config::{Actions, BySeverity, Choice, OverrideConfig, SuppressConfig};
use super::{Direction, ScanAction, ScanConfigError, ScannersConfig, Severity, Site, Surface};
use crate::glob::{Glob, Globs, globs};
use crate::principal::{PrincipalMatch, PrincipalMatcher, principal_matcher};
use crate::settings::{ConfigError, nearest};

/// The scanners, in the order in which the configuration lists them.
pub const NAMES: [&str; 7] = ["secrets", "pii", "injection", "destructive", "exfil", "bulk", "privesc"];

/// All actions of a configuration, compiled.
#[derive(Debug)]
pub(super) struct Table {
    grids: [Grid; NAMES.len()],
    overrides: Vec<Override>,
    suppressions: Suppressions,
}

/// A finding whose action is asked for.
pub(super) struct Subject<'t> {
    /// Index into [`NAMES`].
    pub(super) scanner: usize,
    pub(super) rule: &'t str,
    pub(super) severity: Severity,
    /// What was found, as it stands in the message.
    pub(super) value: &'t str,
}

impl Table {
    /// Compiles the actions of a configuration.
    pub(super) fn compile(config: &ScannersConfig) -> Result<Self, ScanConfigError> {
        let settings = settings(config);
        let grids = std::array::from_fn(|index| {
            let (request, response, description) = defaults(index);
            settings.get(index).map_or(Grid::default(), |own| Grid {
                request: own.request.clone().unwrap_or(request),
                description: own
                    .description
                    .clone()
                    .or(description)
                    .or_else(|| own.response.clone())
                    .unwrap_or(response.clone()),
                response: own.response.clone().unwrap_or(response),
            })
        });
        let overrides = config
            .overrides
            .iter()
            .enumerate()
            .map(|(index, one)| Override::compile(one, &format!("/overrides/{index}")));
        Ok(Self {
            grids,
            overrides: overrides.collect::<Result<_, _>>()?,
            suppressions: Suppressions::compile(&config.suppress, "/suppress")?,
        })
    }

    /// What is done about a finding; `None` if it counts for nothing. `locate` yields its JSON Pointer.
    pub(super) fn decide(
        &self,
        site: &Site<'_>,
        subject: &Subject<'_>,
        locate: &mut dyn FnMut() -> String,
    ) -> Option<ScanAction> {
        if self.suppressions.fit(site, subject, locate)
            || site.suppress.is_some_and(|own| own.fit(site, subject, locate))
        {
            return None;
        }
        let choice = match self.overrides.iter().find(|one| one.fits(site, subject)) {
            Some(one) => one.action,
            None => self.grids.get(subject.scanner).map_or(Choice::Block, |grid| grid.of(site).of(subject.severity)),
        };
        choice.action()
    }
}

/// The settings of each scanner, in the order of [`NAMES`].
pub(super) fn settings(config: &ScannersConfig) -> [&super::ScannerConfig; NAMES.len()] {
    let ScannersConfig {
        secrets,
        pii,
        injection,
        destructive,
        exfil,
        bulk,
        privesc,
        overrides: _,
        suppress: _,
        redaction: _,
    } = config;
    [secrets, pii, injection, destructive, exfil, bulk, privesc]
}

/// What one scanner does by itself.
#[derive(Debug)]
struct Grid {
    request: Actions,
    response: Actions,
    description: Actions,
}

impl Default for Grid {
    fn default() -> Self {
        let block = Actions::Same(Choice::Block);
        Self { request: block.clone(), response: block.clone(), description: block }
    }
}

impl Grid {
    fn of(&self, site: &Site<'_>) -> &Actions {
        match (site.context.direction, site.context.surface) {
            (_, Surface::Description) => &self.description,
            (Direction::Request, _) => &self.request,
            (Direction::Response, _) => &self.response,
        }
    }
}

/// Actions for request and response, and for descriptions where they differ from those for responses.
fn defaults(scanner: usize) -> (Actions, Actions, Option<Actions>) {
    let same = Actions::Same;
    let from_high = |choice: Choice| Actions::BySeverity(BySeverity { high: Some(choice), ..BySeverity::default() });
    match NAMES.get(scanner).copied().unwrap_or_default() {
        "secrets" => (same(Choice::Block), same(Choice::Redact), None),
        "pii" => (same(Choice::Log), from_high(Choice::Redact), Some(same(Choice::Log))),
        "injection" => (same(Choice::Log), from_high(Choice::Block), Some(from_high(Choice::Block))),
        "bulk" => (from_high(Choice::Block), same(Choice::Log), None),
        // destructive, exfil, privesc
        _ => (from_high(Choice::Block), same(Choice::Log), None),
    }
}

#[derive(Debug)]
struct Override {
    scanners: Option<Vec<usize>>,
    rules: Globs,
    severity: Option<Severity>,
    direction: Option<Direction>,
    surface: Option<Vec<Surface>>,
    tool: Globs,
    principal: Option<PrincipalMatcher>,
    action: Choice,
}

impl Override {
    fn compile(config: &OverrideConfig, at: &str) -> Result<Self, ScanConfigError> {
        let scanners = match &config.scanners {
            None => None,
            Some(names) if names.is_empty() => return Err(empty(&format!("{at}/scanners"))),
            Some(names) => {
                let indexes =
                    names.iter().enumerate().map(|(index, name)| scanner(name, &format!("{at}/scanners/{index}")));
                Some(indexes.collect::<Result<_, _>>()?)
            }
        };
        if config.surface.as_ref().is_some_and(Vec::is_empty) {
            return Err(empty(&format!("{at}/surface")));
        }
        let principal = match config.principal == PrincipalMatch::default() {
            true => None,
            false => Some(principal_matcher(&config.principal, &format!("{at}/principal")).map_err(translate)?),
        };
        Ok(Self {
            scanners,
            rules: globs(config.rules.as_deref(), &format!("{at}/rules")).map_err(translate)?,
            severity: config.severity,
            direction: config.direction,
            surface: config.surface.clone(),
            tool: globs(config.tool.as_deref(), &format!("{at}/tool")).map_err(translate)?,
            principal,
            action: config.action,
        })
    }

    fn fits(&self, site: &Site<'_>, subject: &Subject<'_>) -> bool {
        self.scanners.as_ref().is_none_or(|names| names.contains(&subject.scanner))
            && self.severity.is_none_or(|least| subject.severity >= least)
            && self.direction.is_none_or(|direction| site.context.direction == direction)
            && self.surface.as_ref().is_none_or(|surfaces| surfaces.contains(&site.context.surface))
            && self.rules.fit(Some(subject.rule))
            && self.tool.fit(site.tool)
            && self
                .principal
                .as_ref()
                .is_none_or(|matcher| site.principal.is_some_and(|principal| matcher.fits(principal)))
    }
}

/// Findings that count for nothing, compiled.
#[derive(Debug, Default)]
pub struct Suppressions(Vec<Suppression>);

impl Suppressions {
    /// Compiles a list of suppressions; `at` is its JSON Pointer, which errors begin with.
    ///
    /// # Errors
    /// [`ScanConfigError`] names the place: an unknown scanner, a bad glob, an entry that fits everything.
    pub fn compile(configs: &[SuppressConfig], at: &str) -> Result<Self, ScanConfigError> {
        let each = configs.iter().enumerate().map(|(index, one)| Suppression::compile(one, &format!("{at}/{index}")));
        each.collect::<Result<_, _>>().map(Self)
    }

    fn fit(&self, site: &Site<'_>, subject: &Subject<'_>, locate: &mut dyn FnMut() -> String) -> bool {
        self.0.iter().any(|one| one.fits(site, subject, locate))
    }
}

#[derive(Debug)]
struct Suppression {
    scanner: Option<usize>,
    rule: Option<Glob>,
    tool: Option<Glob>,
    path: Option<Glob>,
    digest: Option<[u8; 32]>,
}

impl Suppression {
    fn compile(config: &SuppressConfig, at: &str) -> Result<Self, ScanConfigError> {
        let glob = |pattern: &Option<String>, member: &str| match pattern {
            None => Ok(None),
            Some(pattern) => match Glob::new(pattern) {
                Ok(glob) => Ok(Some(glob)),
                Err(error) => Err(ScanConfigError::new(format!("{at}/{member}"), error.to_string())),
            },
        };
        if config.rule.is_none() && config.tool.is_none() && config.path.is_none() && config.value_sha256.is_none() {
            return Err(ScanConfigError::new(
                at,
                "expected `rule`, `tool`, `path` or `value_sha256`; to switch a scanner off use `enabled`",
            ));
        }
        let digest = match &config.value_sha256 {
            None => None,
            Some(text) => Some(digest(text).ok_or_else(|| {
                ScanConfigError::new(format!("{at}/value_sha256"), "expected 64 hexadecimal digits in lower case")
            })?),
        };
        let scanner = config.scanner.as_ref().map(|name| scanner(name, &format!("{at}/scanner"))).transpose()?;
        Ok(Self {
            scanner,
            rule: glob(&config.rule, "rule")?,
            tool: glob(&config.tool, "tool")?,
            path: glob(&config.path, "path")?,
            digest,
        })
    }

    fn fits(&self, site: &Site<'_>, subject: &Subject<'_>, locate: &mut dyn FnMut() -> String) -> bool {
        self.scanner.is_none_or(|scanner| scanner == subject.scanner)
            && self.rule.as_ref().is_none_or(|glob| glob.matches(subject.rule))
            && self.tool.as_ref().is_none_or(|glob| site.tool.is_some_and(|tool| glob.matches(tool)))
            && self.path.as_ref().is_none_or(|glob| glob.matches(&locate()))
            && self.digest.is_none_or(|digest| digest[..] == Sha256::digest(subject.value.as_bytes())[..])
    }
}

/// The index of a scanner in [`NAMES`].
fn scanner(name: &str, at: &str) -> Result<usize, ScanConfigError> {
    NAMES.iter().position(|known| *known == name).ok_or_else(|| {
        let hint = match nearest(name, NAMES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected one of {}", NAMES.map(|name| format!("`{name}`")).join(", ")),
        };
        ScanConfigError::new(at, format!("there is no scanner `{name}`; {hint}"))
    })
}

fn empty(at: &str) -> ScanConfigError {
    ScanConfigError::new(at, "is an empty list; leave the field out to match everything")
}

fn translate(error: ConfigError) -> ScanConfigError {
    let message = match error.remedy {
        Some(remedy) => format!("{}; {remedy}", error.message),
        None => error.message,
    };
    ScanConfigError { pointer: error.pointer, message }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}
