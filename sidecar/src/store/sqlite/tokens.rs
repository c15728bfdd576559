//! Tokens in SQLite.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Sqlite, audit};
use crate::audit::Hash;
use crate::store::{NewRecord, StoreError, Tenant, TokenStore};
use crate::tokens::Token;

impl TokenStore for Sqlite {
    fn create(&self, token: Token, hash: Hash, record: NewRecord, now: u64) -> Result<bool, StoreError> {
        self.write(move |connection, key| {
            let body = serde_json::to_string(&token).map_err(|error| StoreError::Database(error.to_string()))?;
            let sql = "INSERT OR IGNORE INTO token (name, hash, body) VALUES (?, ?, ?)";
            let new = connection.prepare_cached(sql)?.execute(params![token.name, hash, body])? > 0;
            if new {
                audit::append(connection, &chain_of(&token)?, key, &[record], now)?;
            }
            Ok(new)
        })
    }

    fn revoke(&self, name: &str, record: NewRecord, now: u64) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |connection, key| {
            let Some(token) = one(connection, "SELECT body FROM token WHERE name = ?1", &name)? else {
                return Ok(false);
            };
            connection.execute("DELETE FROM token WHERE name = ?1", [&name])?;
            audit::append(connection, &chain_of(&token)?, key, &[record], now)?;
            Ok(true)
        })
    }

    fn find(&self, hash: &Hash) -> Result<Option<Token>, StoreError> {
        self.inner.read(|connection| one(connection, "SELECT body FROM token WHERE hash = ?1", hash))
    }

    fn list(&self) -> Result<Vec<Token>, StoreError> {
        self.inner.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM token ORDER BY name")?;
            let bodies = statement.query_map([], |row| row.get::<_, String>(0))?;
            bodies.filter_map(|body| body.map(|body| serde_json::from_str(&body).ok()).transpose()).collect()
        })
    }
}

fn one(connection: &Connection, sql: &str, by: impl rusqlite::ToSql) -> rusqlite::Result<Option<Token>> {
    let body: Option<String> = connection.prepare_cached(sql)?.query_row([by], |row| row.get(0)).optional()?;
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
}

/// Where actions about a token are recorded: its tenant's chain, or the default one for tokens of all tenants.
fn chain_of(token: &Token) -> Result<Tenant, StoreError> {
    Tenant::new(&token.tenant).ok_or_else(|| StoreError::Database("the token's tenant has no valid name".to_owned()))
}
