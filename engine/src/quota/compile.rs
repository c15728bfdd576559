//! From the configuration's `quotas` to [`Quotas`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::counter::Terms;
use super::limit::{LIMIT_FORM, Limit, MAX_COUNT, UNITS, duration};
use super::{Quota, Quotas};
use crate::config::{Config, ConfigError, Mode, QuotaAlgorithm, QuotaConfig, QuotaStore};
use crate::policy::{Selector, Side, Sum, name};

impl Quotas {
    /// Compiles the quotas of a configuration; those that are disabled, or for another environment, are
    /// checked and left out.
    ///
    /// # Errors
    /// The first mistake found, with its JSON Pointer.
    pub(crate) fn compile(config: &Config) -> Result<Self, ConfigError> {
        let mut ids = BTreeSet::new();
        let mut quotas = Vec::with_capacity(config.quotas.len());
        for (index, quota) in config.quotas.iter().enumerate() {
            let at = format!("/quotas/{index}");
            name(&quota.id, &format!("{at}/id"))?;
            if !ids.insert(quota.id.as_str()) {
                return Err(ConfigError::new(format!("{at}/id"), format!("a second quota `{}`", quota.id))
                    .remedy("every quota needs an id of its own"));
            }
            let mode = quota.mode.unwrap_or(config.mode);
            let compiled = compile(quota, mode, config, &at)?;
            if mode != Mode::Disabled && compiled.selector.is_here() {
                quotas.push(Arc::new(compiled));
            }
        }
        Ok(Self(quotas))
    }
}

fn compile(quota: &QuotaConfig, mode: Mode, whole: &Config, at: &str) -> Result<Quota, ConfigError> {
    let terms = terms(quota, at)?;
    if quota.store == QuotaStore::Sidecar && whole.sidecar.is_none() {
        return Err(ConfigError::new(format!("{at}/store"), "needs the sidecar, which counts")
            .remedy("add the block `sidecar`, or leave it out"));
    }
    let amount = match &quota.amount {
        Some(path) => Some(Sum::compile(path, &format!("{at}/amount"))?),
        None => None,
    };
    for (index, per) in quota.per.iter().enumerate() {
        if quota.per.iter().take(index).any(|earlier| earlier == per) {
            return Err(ConfigError::new(format!("{at}/per/{index}"), "is named twice"));
        }
    }
    let reason = match &quota.reason {
        Some(reason) => {
            name(reason, &format!("{at}/reason"))?;
            Arc::from(reason.as_str())
        }
        None => Arc::from(format!("The limit of {} is used up.", quota.limit.trim())),
    };
    Ok(Quota {
        rule: Arc::from(format!("quota:{}", quota.id)),
        shadow: mode == Mode::Shadow,
        selector: Selector::compile(&quota.r#match, &quota.arguments, Side::Restricts, whole, at)?.with_when(
            quota.when.as_deref(),
            Side::Restricts,
            whole,
            at,
        )?,
        everything: quota.r#match.capability.is_some() || quota.r#match.method.is_some(),
        terms,
        per: quota.per.clone(),
        amount,
        on_tool_error: quota.on_tool_error,
        reason,
        shared: quota.store == QuotaStore::Sidecar,
    })
}

fn terms(quota: &QuotaConfig, at: &str) -> Result<Terms, ConfigError> {
    let limit_at = format!("{at}/limit");
    let limit =
        Limit::parse(&quota.limit).map_err(|problem| ConfigError::new(&limit_at, problem).remedy(LIMIT_FORM))?;
    if quota.algorithm == QuotaAlgorithm::FixedWindow && !limit.divides_a_day() {
        return Err(ConfigError::new(&limit_at, "is no window of the calendar")
            .remedy("use a second, minute, hour or day, or a time that divides a day, like `15m`"));
    }
    if quota.amount.is_none() && limit.units % UNITS != 0 {
        return Err(ConfigError::new(&limit_at, "is no whole number of calls").remedy(LIMIT_FORM));
    }
    let burst = match quota.burst {
        None => limit.units,
        Some(_) if quota.algorithm != QuotaAlgorithm::TokenBucket => {
            return Err(ConfigError::new(format!("{at}/burst"), "has no meaning without a bucket")
                .remedy("leave it out, or use the algorithm `token_bucket`"));
        }
        Some(burst) if !(1..=MAX_COUNT).contains(&burst) => {
            return Err(ConfigError::new(format!("{at}/burst"), "is out of range")
                .remedy(format!("use a number from 1 to {MAX_COUNT}")));
        }
        Some(burst) => burst * UNITS,
    };
    let lease_us = match &quota.lease {
        None => DEFAULT_LEASE_US,
        Some(text) => duration(text).filter(|lease_us| LEASES_US.contains(lease_us)).ok_or_else(|| {
            ConfigError::new(format!("{at}/lease"), "is no time from 1s to 31d").remedy("write it as `10m` or `90s`")
        })?,
    };
    Ok(Terms { algorithm: quota.algorithm, limit: limit.units, window_us: limit.window_us, burst, lease_us })
}

/// Twice Envoy's default `stream_idle_timeout`.
const DEFAULT_LEASE_US: u64 = 600_000_000;
const LEASES_US: std::ops::RangeInclusive<u64> = 1_000_000..=31 * 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::Quotas;
    use crate::config::Config;

    fn error(quota: &str) -> String {
        let text = format!(r#"{{"version": "1", "servers": [{{"name": "files"}}], "quotas": [{quota}]}}"#);
        match Config::from_json(text.as_bytes()).and_then(|config| Quotas::compile(&config)) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (quota, expected) in [
            (r#"{"id": "a", "limit": "1/hour"}"#, ""),
            (r#"{"id": "a", "limit": "1/hour", "algorithm": "token_bucket", "burst": 5}"#, ""),
            (r#"{"id": "a", "limit": "0.5/hour", "amount": "/a", "per": ["principal", "tool"]}"#, ""),
            (r#"{"id": "a"}"#, "/quotas/0: missing field `limit`"),
            (r#"{"id": "", "limit": "1/hour"}"#, "/quotas/0/id: is empty"),
            (r#"{"id": "a", "limit": "1/hour"}, {"id": "a", "limit": "1/hour"}"#, "/quotas/1/id: a second quota `a`"),
            (r#"{"id": "a", "limit": "1/weak"}"#, "/quotas/0/limit: does not end with a time"),
            (r#"{"id": "a", "limit": "0.5/hour"}"#, "/quotas/0/limit: is no whole number of calls"),
            (r#"{"id": "a", "limit": "1/7m", "algorithm": "fixed_window"}"#, "/quotas/0/limit: is no window"),
            (r#"{"id": "a", "limit": "1/hour", "burst": 5}"#, "/quotas/0/burst: has no meaning"),
            (r#"{"id": "a", "limit": "1/hour", "lease": "soon"}"#, "/quotas/0/lease: is no time"),
            (r#"{"id": "a", "limit": "1/hour", "amount": "a..b"}"#, "/quotas/0/amount: is no path"),
            (r#"{"id": "a", "limit": "1/hour", "per": ["tool", "tool"]}"#, "/quotas/0/per/1: is named twice"),
            (r#"{"id": "a", "limit": "1/hour", "per": ["user"]}"#, "/quotas/0/per/0: unknown value `user`"),
            (r#"{"id": "a", "limit": "1/hour", "match": {"server": ["flies"]}}"#, "/quotas/0/match/server/0"),
            (r#"{"id": "a", "limit": "1/hour", "store": "sidecar"}"#, "/quotas/0/store: needs the sidecar"),
            (r#"{"id": "a", "limit": "1/hour", "store": "redis"}"#, "/quotas/0/store: unknown value `redis`"),
            (r#"{"id": "a", "limit": "1/hour", "limits": 1}"#, "/quotas/0/limits: unknown field `limits`"),
        ] {
            let error = error(quota);
            assert!(error.starts_with(expected) && error.is_empty() == expected.is_empty(), "{quota}: {error}");
        }
    }
}
