//! How far a sink has got in the chain of a tenant: kept as an item, so that a restart goes on where the last one ended. Of
//! several replicas one sends at a time.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::{ItemKind, StoreError, Tx};

/// Up to where rows were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The place of the last row that was taken; `None`: of none.
    pub(crate) seq: Option<u64>,
    /// Who sends now, and until when nobody else does: microseconds since the Unix epoch.
    by: String,
    until: u64,
}

/// Reads it.
pub(crate) fn read(tx: &mut dyn Tx, sink: &str) -> Result<Position, StoreError> {
    let body = tx.item(ItemKind::Sink, sink)?;
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default())
}

/// From now on nobody else sends, for a while. `None`: somebody else does.
pub(crate) fn claim(tx: &mut dyn Tx, sink: &str, by: &str) -> Result<Option<Position>, StoreError> {
    let known = read(tx, sink)?;
    if known.by != by && known.until > tx.now() {
        return Ok(None);
    }
    let claimed = Position { by: by.to_owned(), until: tx.now().saturating_add(LEASE_US), ..known };
    tx.put(ItemKind::Sink, sink, &json!(claimed).to_string())?;
    Ok(Some(claimed))
}

/// Notes that the rows up to `seq` were taken, and lets others send. False: it took so long that somebody else does.
pub(crate) fn advance(tx: &mut dyn Tx, sink: &str, by: &str, seq: Option<u64>) -> Result<bool, StoreError> {
    let known = read(tx, sink)?;
    if known.by != by {
        return Ok(false);
    }
    let next = Position { seq: seq.max(known.seq), by: String::new(), until: 0 };
    tx.put(ItemKind::Sink, sink, &json!(next).to_string())?;
    Ok(true)
}

/// Longer than sending a batch takes.
const LEASE_US: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Tenant;
    use crate::store::suite::{Backing, Bed};

    #[test]
    fn one_sends_at_a_time_and_goes_on_where_the_last_ended() {
        let bed = Bed::new(Backing::Sqlite);
        let (store, tenant) = (bed.open(), Tenant::new("").unwrap());
        let claim = |by: &'static str| store.write(&tenant, move |tx| claim(tx, "otlp", by)).unwrap();
        let advance = |by: &'static str, seq| store.write(&tenant, move |tx| advance(tx, "otlp", by, seq)).unwrap();
        assert_eq!(claim("a").unwrap().seq, None);
        assert!(claim("b").is_none() && claim("a").is_some() && !advance("b", Some(9)));
        assert!(advance("a", Some(4)));
        assert_eq!(claim("b").unwrap().seq, Some(4));
        // One that took too long moves nothing.
        assert!(!advance("a", Some(7)) && advance("b", None));
        assert_eq!(store.read(&tenant, |tx| read(tx, "otlp")).unwrap().seq, Some(4));
    }
}
