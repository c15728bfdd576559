//! Where people find the sidecar, as far as it was told.

use crate::client::encoded;
use crate::failure::Failure;
use crate::store::Tenant;

/// Addresses for people.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// With `{id}`, perhaps `{tenant}`.
    approval: Option<String>,
    /// Without a slash at its end.
    public: Option<String>,
}

impl Places {
    pub(super) fn new(approval: Option<&str>, public: Option<&str>) -> Result<Self, Failure> {
        let fine = |url: &str| {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            rest.is_some_and(|rest| !rest.is_empty())
                && url.len() <= 512
                && url.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if let Some(url) = approval.filter(|url| !fine(url) || !url.contains("{id}")) {
            return Err(Failure::new(format!(
                "--approval-link {url}: is no address with {{id}} in it, such as https://console.example/approvals/{{id}}"
            )));
        }
        if let Some(url) = public.filter(|url| !fine(url)) {
            return Err(Failure::new(format!("--public-url {url}: is no address such as https://portcullis.example")));
        }
        let public = public.map(|url| url.trim_end_matches('/').to_owned());
        let console = public.as_ref().map(|public| format!("{public}/approvals/{{id}}"));
        Ok(Self { approval: approval.map(str::to_owned).or(console), public })
    }

    /// Where people decide about an approval; empty where nobody said.
    pub(super) fn approval(&self, tenant: &Tenant, id: &str) -> String {
        let link = self.approval.as_deref().unwrap_or_default();
        link.replace("{tenant}", &encoded(tenant.as_str())).replace("{id}", &encoded(id))
    }

    /// A one-time link; `None` where nobody said where we are.
    pub(super) fn one_time(&self, tenant: &Tenant, id: &str, secret: &str) -> Option<String> {
        let public = self.public.as_deref()?;
        Some(format!("{public}/links/{}/{}/{secret}", encoded(tenant.as_str()), encoded(id)))
    }

    /// Whether there can be one-time links.
    pub(super) fn has_public(&self) -> bool {
        self.public.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tenant = Tenant::new("a/b").unwrap();
        let places = Places::new(Some("https://c.test/{tenant}/x/{id}?a"), Some("https://p.test/base/")).unwrap();
        assert_eq!(places.approval(&tenant, "id1"), "https://c.test/a%2Fb/x/id1?a");
        assert_eq!(places.one_time(&tenant, "id1", "s").as_deref(), Some("https://p.test/base/links/a%2Fb/id1/s"));
        let places = Places::new(None, Some("https://p.test")).unwrap();
        assert_eq!(places.approval(&tenant, "id1"), "https://p.test/approvals/id1");
        for (approval, public) in [
            (Some("https://c.test/x"), None),
            (Some("javascript:alert({id})"), None),
            (None, Some("p.test")),
            (None, Some("https://")),
            (Some("https://c.test/{id}\n"), None),
        ] {
            assert!(Places::new(approval, public).is_err(), "{approval:?} {public:?}");
        }
    }
}
