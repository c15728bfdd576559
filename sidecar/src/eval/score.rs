//! Counting: recall, false positives, precision, speed; by scanner and by source.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Case, Label};
use crate::style;

/// All counts of a run.
pub(super) struct Scores {
    available: BTreeSet<String>,
    scanners: BTreeMap<String, Scanner>,
    overall: Overall,
}

/// Benign cases and what all scanners together do to them.
#[derive(Default)]
struct Overall {
    benign: usize,
    blocked: usize,
    /// By rule, how many cases it stops.
    rules: BTreeMap<String, usize>,
}

#[derive(Default)]
struct Scanner {
    total: Count,
    sources: BTreeMap<String, Count>,
    misses: Vec<Miss>,
}

/// A case that came out wrong.
struct Miss {
    label: Label,
    id: String,
    source: String,
    /// The rules that found something where nothing was.
    rules: BTreeSet<String>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    attack: usize,
    benign: usize,
    /// Attacks that were found.
    found: usize,
    /// Benign cases in which something was found.
    alarms: usize,
    bytes: usize,
    time: Duration,
}

impl Scores {
    pub(super) fn new(available: BTreeSet<String>) -> Self {
        Self { available, scanners: BTreeMap::new(), overall: Overall::default() }
    }

    /// Counts a case that was run: with the rules of its own scanner that found something, and those of any that stop it.
    pub(super) fn add(&mut self, case: &Case, rules: BTreeSet<String>, blocking: BTreeSet<String>, time: Duration) {
        if case.label == Label::Benign {
            self.overall.benign += 1;
            self.overall.blocked += usize::from(!blocking.is_empty());
            blocking.into_iter().for_each(|rule| *self.overall.rules.entry(rule).or_default() += 1);
        }
        let scanner = self.scanners.entry(case.scanner.clone()).or_default();
        let hit = !rules.is_empty();
        for count in [&mut scanner.total, scanner.sources.entry(case.source.clone()).or_default()] {
            count.label(case.label);
            match case.label {
                Label::Attack => count.found += usize::from(hit),
                Label::Benign => count.alarms += usize::from(hit),
            }
            count.bytes += case.content.len();
            count.time += time;
        }
        if hit != (case.label == Label::Attack) {
            let (id, source) = (case.id.clone(), case.source.clone());
            scanner.misses.push(Miss { label: case.label, id, source, rules });
        }
    }

    /// Counts a case whose scanner there is none of.
    pub(super) fn skip(&mut self, case: &Case) {
        self.scanners.entry(case.scanner.clone()).or_default().total.label(case.label);
    }

    pub(super) fn text(&self, misses: bool) -> String {
        let style = style::stdout();
        let mut text = style.bold(&format!(
            "{:<26} {:>7} {:>7} {:>8} {:>8} {:>9} {:>8}\n",
            "scanner / source", "attack", "benign", "recall", "FP rate", "precision", "MB/s"
        ));
        for (name, scanner) in &self.scanners {
            let total = scanner.total;
            if !self.available.contains(name) {
                let cases = format!("{name:<26} {:>7} {:>7}", total.attack, total.benign);
                text += &format!("{cases} {}\n", style.yellow(" no such scanner in this build, or it is off"));
                continue;
            }
            text += &style.bold(&format!("{name:<26} {}\n", total.row()));
            for (source, count) in &scanner.sources {
                text += &format!("  {source:<24} {}\n", count.row());
            }
        }
        if self.scanners.is_empty() {
            text += "no cases\n";
        }
        if self.overall.benign > 0 {
            text += &style.bold(&self.overall.text());
        }
        if misses {
            for (name, scanner) in &self.scanners {
                for miss in &scanner.misses {
                    text += &miss.line(name);
                }
            }
        }
        text
    }

    pub(super) fn json(&self, policy_version: &str, misses: bool) -> Value {
        let scanners = self.scanners.iter().map(|(name, scanner)| {
            if !self.available.contains(name) {
                let Count { attack, benign, .. } = scanner.total;
                return json!({"scanner": name, "available": false, "attack": attack, "benign": benign});
            }
            let sources: Map<String, Value> =
                scanner.sources.iter().map(|(source, count)| (source.clone(), Value::Object(count.json()))).collect();
            let mut object = scanner.total.json();
            object.insert("scanner".to_owned(), json!(name));
            object.insert("available".to_owned(), json!(true));
            object.insert("sources".to_owned(), Value::Object(sources));
            if misses {
                object.insert("misses".to_owned(), scanner.misses.iter().map(Miss::json).collect());
            }
            Value::Object(object)
        });
        json!({
            "policy_version": policy_version,
            "scanners": scanners.collect::<Vec<_>>(),
            "benign": self.overall.json(),
        })
    }
}

impl Overall {
    fn rate(&self) -> Option<f64> {
        ratio(self.blocked, self.benign)
    }

    fn text(&self) -> String {
        let rate = self.rate().unwrap_or_default() * 100.0;
        let mut text =
            format!("benign cases stopped by any scanner: {} of {} ({rate:.2}%)\n", self.blocked, self.benign);
        let mut rules: Vec<(&String, &usize)> = self.rules.iter().collect();
        rules.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        rules.iter().for_each(|(rule, count)| text += &format!("  {rule:<34} {count:>5}\n"));
        text
    }

    fn json(&self) -> Value {
        json!({"cases": self.benign, "blocked": self.blocked, "rate": self.rate(), "rules": self.rules})
    }
}

impl Count {
    fn label(&mut self, label: Label) {
        match label {
            Label::Attack => self.attack += 1,
            Label::Benign => self.benign += 1,
        }
    }

    fn recall(&self) -> Option<f64> {
        ratio(self.found, self.attack)
    }

    fn false_positive_rate(&self) -> Option<f64> {
        ratio(self.alarms, self.benign)
    }

    fn precision(&self) -> Option<f64> {
        ratio(self.found, self.found + self.alarms)
    }

    /// Megabytes of content a second, with everything the exchange does around the scanners.
    fn speed(&self) -> Option<f64> {
        let seconds = self.time.as_secs_f64();
        (seconds > 0.0).then(|| self.bytes as f64 / 1e6 / seconds)
    }

    fn row(&self) -> String {
        let percent = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{:.1}%", value * 100.0));
        format!(
            "{:>7} {:>7} {:>8} {:>8} {:>9} {:>8}",
            self.attack,
            self.benign,
            percent(self.recall()),
            percent(self.false_positive_rate()),
            percent(self.precision()),
            self.speed().map_or("-".to_owned(), |speed| format!("{speed:.1}")),
        )
    }

    fn json(&self) -> Map<String, Value> {
        let members = [
            ("attack", json!(self.attack)),
            ("benign", json!(self.benign)),
            ("found", json!(self.found)),
            ("false_positives", json!(self.alarms)),
            ("recall", json!(self.recall())),
            ("false_positive_rate", json!(self.false_positive_rate())),
            ("precision", json!(self.precision())),
            ("bytes", json!(self.bytes)),
            ("mb_per_second", json!(self.speed())),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Miss {
    fn what(&self) -> &'static str {
        match self.label {
            Label::Attack => "missed",
            Label::Benign => "false alarm",
        }
    }

    fn line(&self, scanner: &str) -> String {
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
        format!("{}\t{scanner}\t{}\t{}\t{}\n", self.what(), self.source, self.id, rules.join(","))
    }

    fn json(&self) -> Value {
        json!({"what": self.what(), "id": self.id, "source": self.source, "rules": self.rules})
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
