//! Text to [`ChannelsConfig`], with every problem and its line.
//!
//! Each channel is taken apart by hand: serde tells the first fault only, and an operator wants
//! all of them at once.

use serde::de::DeserializeOwned;
use toml::{Spanned, Table, Value};

use super::{ChannelConfig, ChannelsConfig, KindConfig, RobotConfig};
use crate::problem::ConfigProblem;

/// Most channels of a file.
const CHANNELS_MAX: usize = 1_000;
/// The keys of [`super::CommonConfig`].
const COMMON: &[&str] = &[
    "name",
    "timeout",
    "concurrency",
    "rate",
    "retry",
    "languages",
    "allow_internal",
    "ca_file",
    "proxy",
];
/// Each kind with its own keys.
const KINDS: &[(&str, &[&str])] = &[
    ("webhook", &["url", "secret_files"]),
    ("alertmanager", &["url", "resend", "token_file"]),
    (
        "alertmanager_webhook",
        &["url", "external_url", "token_file"],
    ),
    ("ntfy", &["url", "topic", "token_file"]),
    (
        "smtp",
        &[
            "host",
            "port",
            "tls",
            "from",
            "to",
            "username",
            "password_file",
        ],
    ),
    (
        "cap",
        &[
            "folder",
            "sender",
            "sender_name_zh",
            "sender_name_en",
            "scope",
            "restriction",
            "addresses",
            "categories",
            "contact",
            "web",
            "codes",
            "note",
            "forecast_methods",
            "public_url",
            "status",
            "feed_max",
        ],
    ),
    ("feishu", &["url_file", "secret_files"]),
    ("dingtalk", &["url_file", "secret_files"]),
    ("wecom", &["url_file", "secret_files"]),
    ("kafka", &["topic"]),
    ("stdout", &[]),
];
/// Keys that would hold a secret, and what holds a file with it.
const INLINE: &[(&str, &str)] = &[
    ("secret", "secret_files"),
    ("secrets", "secret_files"),
    ("token", "token_file"),
    ("password", "password_file"),
];

#[derive(serde::Deserialize)]
struct Whole {
    #[serde(default)]
    channel: Vec<Spanned<Table>>,
    #[serde(flatten)]
    others: Table,
}

pub(super) fn read(text: &str) -> Result<ChannelsConfig, Vec<ConfigProblem>> {
    let whole: Whole = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        vec![problem(line, "", error.message())]
    })?;
    let mut problems = Vec::new();
    for key in whole.others.keys() {
        let message = "this key is unknown; the file has only [[channel]]";
        problems.push(problem(None, key, message));
    }
    if whole.channel.len() > CHANNELS_MAX {
        let count = whole.channel.len();
        let message = format!("{count} channels are here, {CHANNELS_MAX} are allowed");
        problems.push(problem(None, "channel", message));
    }
    let starts: Vec<usize> = whole.channel.iter().map(|one| one.span().start).collect();
    let mut channel = Vec::new();
    for (idx, table) in whole.channel.into_iter().enumerate() {
        let end = starts.get(idx + 1).copied().unwrap_or(text.len());
        let mut entry = Entry::new(text, idx, starts[idx]..end, table.into_inner());
        channel.extend(entry.read());
        problems.append(&mut entry.problems);
    }
    if problems.is_empty() {
        Ok(ChannelsConfig { channel })
    } else {
        problems.sort();
        Err(problems)
    }
}

/// One `[[channel]]` on its way.
struct Entry<'a> {
    /// Its part of the file.
    part: &'a str,
    line: usize,
    key: String,
    table: Table,
    problems: Vec<ConfigProblem>,
}

impl<'a> Entry<'a> {
    fn new(text: &'a str, idx: usize, span: std::ops::Range<usize>, table: Table) -> Self {
        let named = table.get("name").and_then(Value::as_str);
        Self {
            part: text.get(span.clone()).unwrap_or_default(),
            line: line_of(text, span.start),
            key: named.map_or_else(
                || format!("channel[{idx}]"),
                |name| format!("channel.{name}"),
            ),
            table,
            problems: Vec::new(),
        }
    }

    fn read(&mut self) -> Option<ChannelConfig> {
        let kind = self.kind();
        self.strangers(kind.as_ref().map_or(&[], |(_, own)| *own));
        let common = self.part_of(COMMON);
        let (kind, own) = kind?;
        let kind = self.own(kind, own);
        self.problems.is_empty().then_some(())?;
        Some(ChannelConfig {
            line: self.line,
            common: common?,
            kind: kind?,
        })
    }

    fn kind(&mut self) -> Option<(&'static str, &'static [&'static str])> {
        let asked = self.table.remove("kind");
        let named = asked.as_ref().and_then(Value::as_str);
        let found = KINDS.iter().find(|(kind, _)| Some(*kind) == named);
        if found.is_none() {
            let kinds: Vec<_> = KINDS.iter().map(|(kind, _)| *kind).collect();
            let is = asked.map_or_else(
                || "it is missing".to_owned(),
                |value| format!("{value} is none"),
            );
            self.tell("kind", format!("{is}; write one of {}", kinds.join(", ")));
        }
        found.copied()
    }

    /// Tells of keys that this kind does not have, and takes them away.
    fn strangers(&mut self, own: &[&str]) {
        let known = |key: &&String| !COMMON.contains(&key.as_str()) && !own.contains(&key.as_str());
        let strangers: Vec<String> = self.table.keys().filter(known).cloned().collect();
        for key in strangers {
            self.table.remove(&key);
            let message = match INLINE.iter().find(|(inline, _)| *inline == key) {
                Some((_, file)) => format!(
                    "a secret must not stand in this file; put it into a file of its own and name \
                     that in {file}"
                ),
                None if own.is_empty() => "this key is unknown; remove it".to_owned(),
                None => format!(
                    "this key is unknown; write one of {}, {}",
                    own.join(", "),
                    COMMON.join(", ")
                ),
            };
            self.tell(&key, message);
        }
    }

    fn own(&mut self, kind: &str, own: &[&str]) -> Option<KindConfig> {
        match kind {
            "webhook" => self.part_of(own).map(KindConfig::Webhook),
            "alertmanager" => self.part_of(own).map(KindConfig::Alertmanager),
            "alertmanager_webhook" => self.part_of(own).map(KindConfig::AlertmanagerWebhook),
            "ntfy" => self.part_of(own).map(KindConfig::Ntfy),
            "smtp" => self.part_of(own).map(KindConfig::Smtp),
            "cap" => self.part_of(own).map(KindConfig::Cap),
            "feishu" => self.part_of::<RobotConfig>(own).map(KindConfig::Feishu),
            "dingtalk" => self.part_of::<RobotConfig>(own).map(KindConfig::Dingtalk),
            "wecom" => self.part_of::<RobotConfig>(own).map(KindConfig::Wecom),
            "kafka" => self.part_of(own).map(KindConfig::Kafka),
            "stdout" => self.part_of(own).map(KindConfig::Stdout),
            _ => None,
        }
    }

    /// What these keys say together.
    fn part_of<T: DeserializeOwned>(&mut self, keys: &[&str]) -> Option<T> {
        let mut part = Table::new();
        for key in keys {
            if let Some(value) = self.table.remove(*key) {
                part.insert((*key).to_owned(), value);
            }
        }
        let shown = part.clone();
        match part.try_into() {
            Ok(read) => Some(read),
            Err(error) => {
                let message: &str = error.message();
                // The deserializer says which key it was for, in backquotes, or not at all.
                let named = keys
                    .iter()
                    .find(|key| error.to_string().contains(&format!("`{key}`")));
                match named {
                    Some(key) => {
                        let value = shown.get(*key).map(|value| format!("{value}: "));
                        self.tell(key, format!("{}{message}", value.unwrap_or_default()));
                    }
                    None => self.tell("", message.to_owned()),
                }
                None
            }
        }
    }

    fn tell(&mut self, key: &str, message: String) {
        let line = self.line + line_of_key(self.part, key);
        let key = match key {
            "" => self.key.clone(),
            key => format!("{}.{key}", self.key),
        };
        self.problems.push(problem(Some(line), &key, message));
    }
}

fn problem(line: Option<usize>, key: &str, message: impl Into<String>) -> ConfigProblem {
    ConfigProblem {
        line,
        key: key.to_owned(),
        message: message.into(),
    }
}

/// The line, from 1, of a place in a text.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// How many lines below its beginning a part of a file has a key; 0 where it has it not.
pub(crate) fn line_of_key(part: &str, key: &str) -> usize {
    let has = |line: &str| {
        let line = line.trim_start();
        let after = line.strip_prefix(key).map(str::trim_start);
        !key.is_empty() && after.is_some_and(|after| after.starts_with(['=', '.']))
    };
    part.lines().position(has).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::{JsonSchema, SchemaGenerator};

    use super::*;
    use crate::config::{
        AlertmanagerConfig, AlertmanagerWebhookConfig, CapConfig, CommonConfig, KafkaConfig,
        NtfyConfig, SmtpConfig, StdoutConfig, WebhookConfig,
    };

    fn fields<T: JsonSchema>() -> BTreeSet<String> {
        let schema = SchemaGenerator::default()
            .into_root_schema_for::<T>()
            .to_value();
        let properties = schema["properties"].as_object();
        properties
            .map(|all| all.keys().cloned().collect())
            .unwrap_or_default()
    }

    #[test]
    fn the_lists_of_keys_are_those_of_the_types() {
        let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(fields::<CommonConfig>(), set(COMMON));
        for (kind, keys) in KINDS {
            let fields = match *kind {
                "webhook" => fields::<WebhookConfig>(),
                "alertmanager" => fields::<AlertmanagerConfig>(),
                "alertmanager_webhook" => fields::<AlertmanagerWebhookConfig>(),
                "ntfy" => fields::<NtfyConfig>(),
                "smtp" => fields::<SmtpConfig>(),
                "cap" => fields::<CapConfig>(),
                "kafka" => fields::<KafkaConfig>(),
                "stdout" => fields::<StdoutConfig>(),
                _ => fields::<RobotConfig>(),
            };
            assert_eq!(fields, set(keys), "{kind}");
        }
    }

    #[test]
    fn the_schema_of_the_file_has_every_kind() {
        let schema = schemars::schema_for!(ChannelsConfig).to_value().to_string();
        for (kind, _) in KINDS {
            assert!(
                schema.contains(&format!("\"const\":\"{kind}\"")),
                "{kind}: {schema}"
            );
        }
    }
}
