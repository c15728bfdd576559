//! What receivers read. Names of tools, servers and callers come from outside: they stand where chats show text as it is.

use serde_json::{Value, json};

use super::{Event, Format};

/// What one message says.
#[derive(Debug)]
pub(crate) struct Message<'m> {
    pub(crate) event: Event,
    /// RFC 3339.
    pub(crate) time: &'m str,
    pub(crate) tenant: &'m str,
    /// As the API shows it: with arguments only where the rule shows them.
    pub(crate) approval: &'m Value,
    /// Where people decide, after they have logged in.
    pub(crate) link: Option<&'m str>,
    /// Where one decision can be made without.
    pub(crate) decide: Option<&'m str>,
}

impl Message<'_> {
    /// The body in this format.
    pub(crate) fn body(&self, format: Format) -> Value {
        match format {
            Format::Generic => self.generic(),
            Format::Slack => self.slack(),
            Format::Teams => self.teams(),
        }
    }

    fn generic(&self) -> Value {
        let mut data = json!({"tenant": self.tenant, "approval": self.approval});
        if let Some(data) = data.as_object_mut() {
            let links = [("link", self.link), ("decide_link", self.decide)];
            data.extend(links.into_iter().filter_map(|(name, link)| Some((name.to_owned(), link?.into()))));
        }
        json!({"type": self.event.as_str(), "timestamp": self.time, "data": data})
    }

    fn slack(&self) -> Value {
        let plain = |text: String| json!({"type": "plain_text", "text": text, "emoji": false});
        let mut blocks = vec![json!({"type": "header", "text": plain(self.title().to_owned())})];
        // Slack takes ten fields in a section.
        let fields: Vec<_> =
            self.facts().into_iter().map(|(name, value)| plain(format!("{name}: {}", short(&value)))).collect();
        blocks.extend(fields.chunks(10).map(|fields| json!({"type": "section", "fields": fields})));
        if let Some(arguments) = self.arguments() {
            blocks.push(json!({"type": "section", "text": plain(format!("Arguments: {}", short(&arguments)))}));
        }
        let buttons: Vec<_> = self
            .links()
            .into_iter()
            .map(|(title, url)| json!({"type": "button", "text": plain(title.to_owned()), "url": url}))
            .collect();
        if !buttons.is_empty() {
            blocks.push(json!({"type": "actions", "elements": buttons}));
        }
        json!({"text": self.title(), "blocks": blocks})
    }

    fn teams(&self) -> Value {
        // Runs of a rich text are shown as they are; a TextBlock would read them as Markdown.
        let run = |text: String| json!({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]});
        let mut body = vec![json!({"type": "TextBlock", "text": self.title(), "weight": "bolder", "wrap": true})];
        body.extend(self.facts().into_iter().map(|(name, value)| run(format!("{name}: {}", short(&value)))));
        body.extend(self.arguments().map(|arguments| run(format!("Arguments: {}", short(&arguments)))));
        let actions: Vec<_> = self
            .links()
            .into_iter()
            .map(|(title, url)| json!({"type": "Action.OpenUrl", "title": title, "url": url}))
            .collect();
        let card = json!({"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard",
            "version": "1.4", "body": body, "actions": actions});
        let attachment =
            json!({"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card});
        json!({"type": "message", "attachments": [attachment]})
    }

    fn title(&self) -> &'static str {
        match (self.event, self.text("state").as_str()) {
            (Event::Requested, _) => "A call waits for an approval",
            (Event::Decided, "denied") => "A call was denied",
            (Event::Decided, _) => "A call was approved",
            (Event::Expired, _) => "An approval expired",
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        let names = [
            ("Tool", "tool"),
            ("Server", "server"),
            ("Method", "method"),
            ("Caller", "principal"),
            ("Agent", "agent"),
            ("Rule", "rule"),
            ("Why", "reason"),
            ("Expires", "expires"),
            ("Approval", "id"),
        ];
        facts.push(("Tenant", self.tenant.to_owned()));
        facts.extend(names.into_iter().map(|(title, name)| (title, self.text(name))));
        let findings = self.approval.get("findings").and_then(Value::as_array).into_iter().flatten();
        let findings: Vec<_> = findings.filter_map(Value::as_str).collect();
        facts.push(("Findings", findings.join(", ")));
        let votes = self.approval.get("votes").and_then(Value::as_array).into_iter().flatten();
        let people: Vec<_> = votes.filter_map(|vote| vote.get("person")?.as_str()).collect();
        facts.push(("Decided by", people.join(", ")));
        facts.retain(|(_, value)| !value.is_empty());
        facts
    }

    fn arguments(&self) -> Option<String> {
        self.approval.get("arguments").filter(|arguments| !arguments.is_null()).map(ToString::to_string)
    }

    fn links(&self) -> Vec<(&'static str, &str)> {
        let all = [("Decide", self.decide), ("Open the console", self.link)];
        all.into_iter().filter_map(|(title, link)| Some((title, link?))).collect()
    }

    fn text(&self, name: &str) -> String {
        self.approval.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// Text of one field: without control characters or marks that turn the direction of reading, and of a bounded length.
fn short(text: &str) -> String {
    let clean = crate::style::visible(text);
    match clean.char_indices().nth(MAX_FIELD) {
        Some((at, _)) => format!("{}…", clean.get(..at).unwrap_or_default()),
        None => clean,
    }
}

/// Characters of a field; Slack refuses a message with a longer one than 2,000.
const MAX_FIELD: usize = 1500;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(approval: &Value) -> Message<'_> {
        Message {
            event: Event::Requested,
            time: "2026-11-21T12:00:00.000000Z",
            tenant: "acme",
            approval,
            link: Some("https://console.test/approvals/a1"),
            decide: Some("https://console.test/links/acme/a1/x"),
        }
    }

    #[test]
    fn chats_get_text_that_is_shown_as_it_is() {
        let hostile = "<!channel> [pay](https://evil.test) *x*";
        let approval = json!({"id": "a1", "state": "pending", "tool": hostile, "server": "s", "principal": "bot",
            "reason": "x".repeat(9000), "findings": ["pii/email at /params/arguments/to"], "arguments": {"to": "[EMAIL]"}});
        let said = message(&approval);
        let slack = said.body(Format::Slack);
        for block in slack["blocks"].as_array().unwrap() {
            let texts = block["fields"].as_array().into_iter().flatten().chain(block.get("text"));
            for text in texts {
                assert_eq!((text["type"].as_str(), text["emoji"].as_bool()), (Some("plain_text"), Some(false)));
                assert!(text["text"].as_str().unwrap().chars().count() < 2000);
            }
            assert!(block["fields"].as_array().is_none_or(|fields| fields.len() <= 10));
        }
        assert!(slack["text"] == "A call waits for an approval" && slack.to_string().contains("<!channel>"));
        let teams = said.body(Format::Teams);
        let card = &teams["attachments"][0]["content"];
        for block in card["body"].as_array().unwrap() {
            // Only our own sentence is read as Markdown.
            let own = block["type"] == "TextBlock" && block["text"] == "A call waits for an approval";
            assert!(own || block["inlines"][0]["type"] == "TextRun", "{block}");
        }
        assert_eq!(card["actions"].as_array().unwrap().len(), 2);
        let generic = said.body(Format::Generic);
        assert_eq!((&generic["type"], &generic["data"]["approval"]), (&json!("approval.requested"), &approval));
        assert_eq!(generic["data"]["decide_link"], "https://console.test/links/acme/a1/x");
    }
}
