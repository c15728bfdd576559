//! What filters saw of the tools that servers list: versions, changes and risk flags, taken from the audit records of
//! lists, and which versions a person has looked at.
//!
//! Records have fingerprints and the places of changes, never a definition's text, so there is none here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::audit::action::{Action, new_record};
use crate::audit::{hex, unhex};
use crate::store::{ItemKind, NewRecord, StoreError, Tx};
use crate::{clock, proto};

/// One tool of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tool {
    pub(crate) server: String,
    /// Empty: the server's instructions.
    pub(crate) tool: String,
    /// By when they were seen for the first time.
    pub(crate) versions: Vec<Version>,
    pub(crate) changes: Vec<Change>,
    pub(crate) risks: Vec<Risk>,
    pub(crate) acknowledgements: Vec<Acknowledgement>,
}

/// A version of a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Version {
    /// Its fingerprint, as `pins.approved` of the policy takes it.
    pub(crate) sha256: String,
    /// RFC 3339, as all times.
    pub(crate) first_seen: String,
    /// The list it came with.
    pub(crate) correlation_id: String,
}

/// That a list had another definition than the trusted one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Change {
    /// When it was seen for the first time.
    pub(crate) time: String,
    pub(crate) severity: String,
    /// What came in with it.
    pub(crate) causes: Vec<String>,
    /// JSON Pointers of what differs.
    pub(crate) fields: Vec<String>,
    /// The trusted version, where it is known.
    pub(crate) from: Option<String>,
    pub(crate) to: String,
}

/// What scanners found in a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Risk {
    pub(crate) time: String,
    /// Of the gravest flag.
    pub(crate) severity: String,
    pub(crate) flags: Vec<String>,
    /// The version, where the record has it.
    pub(crate) sha256: Option<String>,
}

/// That a person has looked at a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Acknowledgement {
    pub(crate) sha256: String,
    pub(crate) person: String,
    pub(crate) time: String,
    pub(crate) note: String,
}

/// What filters trust of a tool, whatever else is known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    server: String,
    tool: String,
    /// The version that any filter saw first. It stays, however many come after it.
    first: Option<String>,
    /// Those that people have looked at.
    approved: Vec<String>,
}

/// What acknowledging came to.
pub(crate) enum Acknowledged {
    Done(Box<Tool>),
    NoTool,
    /// The tool was not seen in this version.
    NoVersion,
}

impl Tool {
    /// A person has looked at the version that came up last.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.newest().is_some_and(|newest| self.acknowledgements.iter().any(|one| one.sha256 == newest))
    }

    /// The fingerprint that came up last.
    pub(crate) fn newest(&self) -> Option<&str> {
        self.versions.last().map(|version| version.sha256.as_str())
    }

    fn see(&mut self, version: Version) {
        if !self.versions.iter().any(|known| known.sha256 == version.sha256) {
            push(&mut self.versions, version);
        }
    }
}

/// Takes what records say about tools, in the transaction that keeps the records. What is known changes nothing, so a record
/// that comes again does not either.
pub(crate) fn observe(tx: &mut dyn Tx, records: &[NewRecord]) -> Result<(), StoreError> {
    for record in records.iter().filter(|record| is_about_tools(&record.record)) {
        let Ok(value) = serde_json::from_str::<Value>(&record.record) else { continue };
        let server = text(&value, "server");
        for tool in named(&value) {
            let id = id(&server, &tool);
            // One that cannot be read is begun anew: it must keep no record from being taken.
            let before = match tx.item(ItemKind::Tool, &id)?.and_then(|body| read(&body).ok()) {
                Some(tool) => Some(tool),
                None if count(tx)? >= MAX_TOOLS => {
                    tx.put(ItemKind::Count, INCOMPLETE, "1")?;
                    continue;
                }
                None => None,
            };
            let new = before.is_none();
            let before =
                before.unwrap_or_else(|| Tool { server: server.clone(), tool: tool.clone(), ..Tool::default() });
            let mut after = before.clone();
            take(&mut after, &value);
            if new || after != before {
                tx.put(ItemKind::Tool, &id, &body(&after)?)?;
                pin_first(tx, &id, &after)?;
            }
            if new {
                let count = count(tx)? + 1;
                tx.put(ItemKind::Count, TOOLS, &count.to_string())?;
            }
        }
    }
    Ok(())
}

/// Tools behind an id, by id.
pub(crate) fn list(tx: &mut dyn Tx, after: &str, limit: u64) -> Result<Vec<(String, Tool)>, StoreError> {
    tx.items(ItemKind::Tool, after, limit)?.into_iter().map(|(id, body)| Ok((id, read(&body)?))).collect()
}

pub(crate) fn one(tx: &mut dyn Tx, id: &str) -> Result<Option<Tool>, StoreError> {
    tx.item(ItemKind::Tool, id)?.map(|body| read(&body)).transpose()
}

/// Whether all tools that were seen are kept.
pub(crate) fn is_complete(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    Ok(tx.item(ItemKind::Count, INCOMPLETE)?.is_none())
}

/// Keeps that a person has looked at a version, with a row in the chain.
pub(crate) fn acknowledge(
    tx: &mut dyn Tx,
    id: &str,
    sha256: &str,
    person: &str,
    note: &str,
) -> Result<Acknowledged, StoreError> {
    let Some(mut tool) = one(tx, id)? else { return Ok(Acknowledged::NoTool) };
    if !tool.versions.iter().any(|version| version.sha256 == sha256) {
        return Ok(Acknowledged::NoVersion);
    }
    let note: String = note.chars().filter(|c| !c.is_control()).take(MAX_NOTE).collect();
    let (now, time) = (tx.now(), clock::rfc3339(tx.now()));
    let details = json!({"server": tool.server, "tool": tool.tool, "sha256": sha256, "note": note});
    tx.record(new_record(Action::ToolAcknowledged, person, now, details).map_err(|_| StoreError::Closed)?)?;
    let one = Acknowledgement { sha256: sha256.to_owned(), person: person.to_owned(), time, note };
    push(&mut tool.acknowledgements, one);
    tx.put(ItemKind::Tool, id, &body(&tool)?)?;
    let mut pin = pin(tx, id, &tool)?;
    if !pin.approved.iter().any(|known| known == sha256) {
        push(&mut pin.approved, sha256.to_owned());
        put_pin(tx, id, &pin)?;
    }
    Ok(Acknowledged::Done(Box::new(tool)))
}

/// What filters are told of a tenant's tools: of so many at most, those that people have looked at before others.
pub(crate) fn told(tx: &mut dyn Tx, limit: usize) -> Result<Vec<proto::Pin>, StoreError> {
    let kept = tx.items(ItemKind::Pin, "", MAX_TOOLS)?;
    // One that cannot be read is one that there is not: then filters trust less.
    let mut pins: Vec<Pin> = kept.iter().filter_map(|(_, body)| serde_json::from_str(body).ok()).collect();
    pins.sort_by_key(|pin| pin.approved.is_empty());
    let bytes = |sha256: &String| unhex::<32>(sha256).map(Vec::from);
    let tenant = tx.tenant().as_str().to_owned();
    let told = pins.iter().take(limit).map(|pin| proto::Pin {
        tenant: tenant.clone(),
        server: pin.server.clone(),
        tool: pin.tool.clone(),
        first: pin.first.as_ref().and_then(bytes).unwrap_or_default(),
        approved: pin.approved.iter().filter_map(bytes).collect(),
    });
    Ok(told.filter(|pin| pin.server.len().max(pin.tool.len()) <= MAX_TOLD_NAME).collect())
}

/// Pins the version that was trusted when the tool came up, unless one is pinned already.
fn pin_first(tx: &mut dyn Tx, id: &str, tool: &Tool) -> Result<(), StoreError> {
    let mut pin = pin(tx, id, tool)?;
    if pin.first.is_some() {
        return Ok(());
    }
    // A filter may have trusted one before the sidecar was there.
    let trusted = tool.changes.first().and_then(|change| change.from.clone());
    let first = trusted.or_else(|| tool.versions.first().map(|version| version.sha256.clone()));
    let Some(first) = first.filter(|first| unhex::<32>(first).is_some()) else { return Ok(()) };
    pin.first = Some(first);
    put_pin(tx, id, &pin)
}

fn pin(tx: &mut dyn Tx, id: &str, tool: &Tool) -> Result<Pin, StoreError> {
    let kept = tx.item(ItemKind::Pin, id)?.and_then(|body| serde_json::from_str(&body).ok());
    Ok(kept.unwrap_or_else(|| Pin { server: tool.server.clone(), tool: tool.tool.clone(), ..Pin::default() }))
}

fn put_pin(tx: &mut dyn Tx, id: &str, pin: &Pin) -> Result<(), StoreError> {
    let body = serde_json::to_string(pin).map_err(|error| StoreError::Database(error.to_string()))?;
    tx.put(ItemKind::Pin, id, &body)
}

/// The id of a server's tool: a hash, as names may have any characters and any length.
pub(crate) fn id(server: &str, tool: &str) -> String {
    let mut hash = Sha256::new();
    for part in [server, tool] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut id = hex(&hash.finalize());
    id.truncate(32);
    id
}

/// Most records are not, and are not parsed for it.
fn is_about_tools(record: &str) -> bool {
    ["\"versions\":[", "\"drift\":[", "\"risks\":["].iter().any(|member| record.contains(member))
}

/// The tools that a record says something about, each once.
fn named(record: &Value) -> Vec<String> {
    let mut names: Vec<String> =
        MEMBERS.iter().flat_map(|member| entries(record, member)).map(|entry| text(entry, "tool")).collect();
    names.sort();
    names.dedup();
    names
}

fn take(tool: &mut Tool, record: &Value) {
    let (time, correlation_id) = (text(record, "time"), text(record, "correlation_id"));
    let name = tool.tool.clone();
    let of = |member| entries(record, member).iter().filter(|entry| text(entry, "tool") == name);
    let version = |sha256: String| Version { sha256, first_seen: time.clone(), correlation_id: correlation_id.clone() };
    for listed in of("versions") {
        tool.see(version(text(listed, "sha256")));
    }
    for drift in of("drift") {
        let change = Change {
            time: time.clone(),
            severity: text(drift, "severity"),
            causes: texts(drift, "causes"),
            fields: texts(drift, "fields"),
            from: drift.get("from").and_then(Value::as_str).map(str::to_owned),
            to: text(drift, "to"),
        };
        // It is in the record of every list until somebody approves it.
        if !tool.changes.iter().any(|known| (&known.from, &known.to) == (&change.from, &change.to)) {
            tool.see(version(change.to.clone()));
            push(&mut tool.changes, change);
        }
    }
    for risk in of("risks") {
        let sha256 = of("versions").map(|listed| text(listed, "sha256")).next();
        let risk = Risk { time: time.clone(), severity: text(risk, "severity"), flags: texts(risk, "flags"), sha256 };
        if !tool.risks.iter().any(|known| (&known.flags, &known.sha256) == (&risk.flags, &risk.sha256)) {
            push(&mut tool.risks, risk);
        }
    }
}

/// Adds to a list that keeps its newest entries.
fn push<T>(list: &mut Vec<T>, entry: T) {
    if list.len() >= MAX_ENTRIES {
        list.remove(0);
    }
    list.push(entry);
}

fn entries<'v>(record: &'v Value, member: &str) -> &'v [Value] {
    record.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value, member: &str) -> String {
    value.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(value: &Value, member: &str) -> Vec<String> {
    entries(value, member).iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn count(tx: &mut dyn Tx) -> Result<u64, StoreError> {
    Ok(tx.item(ItemKind::Count, TOOLS)?.and_then(|body| body.parse().ok()).unwrap_or_default())
}

fn read(body: &str) -> Result<Tool, StoreError> {
    serde_json::from_str(body)
        .map_err(|_| StoreError::Database("a tool has not the form that it was written in".to_owned()))
}

fn body(tool: &Tool) -> Result<String, StoreError> {
    serde_json::to_string(tool).map_err(|error| StoreError::Database(error.to_string()))
}

/// What records of lists have about tools.
const MEMBERS: [&str; 3] = ["versions", "drift", "risks"];
/// Ids of the counts.
const TOOLS: &str = "tools";
const INCOMPLETE: &str = "tools-incomplete";
/// Tools of a tenant: a server that makes up names all the time does not fill the disk.
const MAX_TOOLS: u64 = 10_000;
/// Versions, changes, risks and acknowledgements of one tool; of more the newest.
const MAX_ENTRIES: usize = 64;
const MAX_NOTE: usize = 500;
/// Longest name that filters are told, in bytes; they keep none that is longer in mind either.
const MAX_TOLD_NAME: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::{Backing, Bed};
    use crate::store::{Store, Tenant};
    use std::sync::Arc;

    fn record(id: u64, json: Value) -> NewRecord {
        NewRecord { id: id.to_string(), record: json.to_string() }
    }

    fn see(store: &Arc<Store>, records: Vec<NewRecord>) {
        let tenant = Tenant::new("").unwrap();
        let kept = records.clone();
        store.tenant(&tenant).append_and(records, 1, move |tx| observe(tx, &kept)).unwrap();
    }

    fn seen(store: &Arc<Store>) -> Vec<Tool> {
        let all = store.read(&Tenant::new("").unwrap(), |tx| list(tx, "", 1000)).unwrap();
        all.into_iter().map(|(_, tool)| tool).collect()
    }

    #[test]
    fn what_comes_again_changes_nothing() {
        for backing in [Backing::Sqlite, Backing::Postgres] {
            let bed = Bed::new(backing);
            let store = bed.open();
            let listed = json!({"server": "s", "time": "t1", "versions": [{"tool": "a", "sha256": "1"}, {"tool": "b", "sha256": "2"}],
                "risks": [{"tool": "a", "severity": "high", "flags": ["x:y"]}]});
            let drift = |time: &str| {
                json!({"server": "s", "time": time, "drift": [{"tool": "a", "severity": "low", "causes": ["reworded"],
                    "fields": ["/description"], "from": "1", "to": "3"}]})
            };
            see(&store, vec![record(1, listed.clone())]);
            let first = seen(&store);
            see(&store, vec![record(1, listed)]);
            assert_eq!(seen(&store), first);
            see(
                &store,
                vec![record(2, drift("t2")), record(3, drift("t3")), record(4, json!({"drift": [{}], "server": 1}))],
            );
            let all = seen(&store);
            let tool = all.iter().find(|tool| tool.tool == "a").unwrap();
            let versions: Vec<_> = tool.versions.iter().map(|version| version.sha256.as_str()).collect();
            assert_eq!((versions, tool.changes.len(), tool.risks.len()), (vec!["1", "3"], 1, 1));
            assert_eq!((tool.changes[0].time.as_str(), tool.risks[0].sha256.as_deref()), ("t2", Some("1")));
            // Another tenant has seen nothing.
            let other = store.read(&Tenant::new("other").unwrap(), |tx| list(tx, "", 10)).unwrap();
            assert!(other.is_empty());
        }
    }

    #[test]
    fn a_server_that_makes_up_names_does_not_fill_the_disk() {
        let bed = Bed::new(Backing::Sqlite);
        let store = bed.open();
        let many = |from: u64| {
            let versions: Vec<_> =
                (from..from + 500).map(|n| json!({"tool": format!("t{n}"), "sha256": "1"})).collect();
            vec![record(from, json!({"server": "s", "versions": versions}))]
        };
        for batch in 0..=MAX_TOOLS / 500 {
            assert!(store.read(&Tenant::new("").unwrap(), is_complete).unwrap(), "{batch}");
            see(&store, many(batch * 500));
        }
        let tenant = Tenant::new("").unwrap();
        assert!(!store.read(&tenant, is_complete).unwrap());
        let all = store.read(&tenant, |tx| list(tx, "", 2 * MAX_TOOLS)).unwrap();
        assert_eq!(all.len() as u64, MAX_TOOLS);
        // Of one that is known, the newest versions stay.
        let versions = (0..200).map(|n| {
            record(100_000 + n, json!({"server": "s", "versions": [{"tool": "t1", "sha256": n.to_string()}]}))
        });
        see(&store, versions.collect());
        let tool = store.read(&tenant, |tx| one(tx, &id("s", "t1"))).unwrap().unwrap();
        assert_eq!((tool.versions.len(), tool.newest()), (MAX_ENTRIES, Some("199")));
    }
}
