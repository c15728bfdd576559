//! Tokens of the admin API, which are found before it is known whose they are.

use super::{NewRecord, Store, StoreError, Tenant};
use crate::audit::Hash;
use crate::tokens::Token;

impl Store {
    /// Keeps a token with the hash of its secret. False: the name is taken.
    pub(crate) fn create_token(
        &self,
        token: Token,
        hash: Hash,
        record: NewRecord,
        now: u64,
    ) -> Result<bool, StoreError> {
        self.change(&chain_of(&token)?, now, move |tx| {
            let body = serde_json::to_string(&token).map_err(|error| StoreError::Database(error.to_string()))?;
            let new = tx.tables.add_token(&token.name, &hash, &body)?;
            if new {
                tx.append(vec![record])?;
            }
            Ok(new)
        })
    }

    /// Removes a token. False: there is none of this name.
    pub(crate) fn revoke_token(&self, name: &str, record: NewRecord, now: u64) -> Result<bool, StoreError> {
        let tokens = self.all_tokens()?;
        let Some(found) = tokens.into_iter().find(|token| token.name == name) else { return Ok(false) };
        self.change(&chain_of(&found)?, now, move |tx| {
            // Another of this name, made meanwhile, is not the one that was meant.
            if tx.tables.named_token(&found.name)?.map(|body| read(&body)).transpose()?.as_ref() != Some(&found) {
                return Ok(false);
            }
            tx.tables.remove_token(&found.name)?;
            tx.append(vec![record])?;
            Ok(true)
        })
    }

    /// Whose secret has this hash.
    pub(crate) fn find_token(&self, hash: &Hash) -> Result<Option<Token>, StoreError> {
        self.database.token(hash)?.map(|body| read(&body)).transpose()
    }

    /// All, by name.
    pub(crate) fn all_tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.database.tokens()?.iter().map(|body| read(body)).collect()
    }
}

pub(super) fn read(body: &str) -> Result<Token, StoreError> {
    serde_json::from_str(body)
        .map_err(|_| StoreError::Database("a token has not the form that it was written in".to_owned()))
}

/// Where actions about a token are recorded: its tenant's chain, or the default one for tokens of all tenants.
fn chain_of(token: &Token) -> Result<Tenant, StoreError> {
    Tenant::new(&token.tenant).ok_or_else(|| StoreError::Database("the token's tenant has no valid name".to_owned()))
}
