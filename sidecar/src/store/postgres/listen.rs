//! What other replicas do, as PostgreSQL tells it (LISTEN).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::fallible_iterator::FallibleIterator;

use super::connection::Target;
pub(super) use crate::store::Change;
use crate::store::{StoreError, Tenant};

/// Tells of changes until `closed`, from a thread of its own.
pub(super) fn start(
    target: Target,
    closed: Arc<AtomicBool>,
    tell: Box<dyn Fn(Change) + Send>,
) -> Result<(), StoreError> {
    let work = move || {
        while !closed.load(Ordering::Relaxed) {
            // Ends when the connection is lost. Who waits goes on waiting until there is something to look at again.
            let _ = listen(&target, &closed, tell.as_ref());
            thread::sleep(PAUSE);
        }
    };
    let thread = thread::Builder::new().name("store-listener".to_owned()).spawn(work);
    thread.map(drop).map_err(|_| StoreError::Closed)
}

fn listen(target: &Target, closed: &AtomicBool, tell: &dyn Fn(Change)) -> Result<(), StoreError> {
    let mut connection = target.connect()?;
    connection.client.batch_execute(&format!("LISTEN {CHANNEL}"))?;
    // What happened until now nobody tells.
    tell(Change::Unknown);
    let mut asked = Instant::now();
    while !closed.load(Ordering::Relaxed) {
        {
            let mut notifications = connection.client.notifications();
            let mut heard = notifications.timeout_iter(STEP);
            while let Some(notification) = heard.next()? {
                tell(Change::read(notification.payload()));
            }
        }
        if asked.elapsed() > LIFE {
            // A server that is gone without a word is noticed by this.
            connection.client.batch_execute("SELECT 1")?;
            asked = Instant::now();
        }
    }
    Ok(())
}

impl Change {
    /// As it is sent. No approval: something that filters are told of.
    pub(super) fn of(tenant: &Tenant, approval: &str) -> String {
        serde_json::json!([tenant.as_str(), approval]).to_string()
    }

    fn read(payload: &str) -> Self {
        let Ok((tenant, id)) = serde_json::from_str::<(String, String)>(payload) else { return Self::Unknown };
        match Tenant::new(&tenant) {
            Some(tenant) if id.is_empty() => Self::Told(tenant),
            Some(tenant) => Self::Approval(tenant, id),
            None => Self::Unknown,
        }
    }
}

pub(super) const CHANNEL: &str = "portcullis_approval";
/// How soon it ends once it is to.
const STEP: Duration = Duration::from_secs(1);
const LIFE: Duration = Duration::from_secs(15);
/// Before a lost connection is made anew.
const PAUSE: Duration = Duration::from_millis(500);
