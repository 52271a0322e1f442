//! From [`ChannelsConfig`] to [`ChannelsPlan`], or to the list of all its problems.

mod cap;
mod kind;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use tidegate_dispatch::DUTY;
use tidegate_model::Span;

use super::{ChannelPlan, ChannelsPlan, KindPlan};
use crate::bucket::Rate;
use crate::config::{ChannelConfig, ChannelsConfig, CommonConfig, KindConfig};
use crate::form::{RobotRate, dingtalk, feishu, wecom};
use crate::guard::{self, Allowed};
use crate::http::NetworkPlan;
use crate::problem::ConfigProblem;
use crate::retry::RetryPolicy;
use crate::secret::SecretFile;

/// Longest name of a channel.
const NAME_LENGTH_MAX: usize = 64;

impl ChannelsConfig {
    /// Checks everything: values and the files that are named (relative to `folder`).
    ///
    /// # Errors
    /// Every [`ConfigProblem`], in the order of the lines.
    pub fn check(&self, folder: &Path) -> Result<ChannelsPlan, Vec<ConfigProblem>> {
        let mut names = BTreeSet::new();
        let mut channels = Vec::new();
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        for config in &self.channel {
            let mut checker = Checker {
                folder,
                config,
                problems: Vec::new(),
                warnings: Vec::new(),
            };
            if !names.insert(&config.common.name) {
                checker.problem("name", "another channel has this name; give each its own");
            }
            channels.extend(checker.channel());
            problems.append(&mut checker.problems);
            warnings.append(&mut checker.warnings);
        }
        problems.sort();
        if problems.is_empty() {
            Ok(ChannelsPlan { channels, warnings })
        } else {
            Err(problems)
        }
    }
}

/// Collects what is wrong with one channel.
struct Checker<'a> {
    folder: &'a Path,
    config: &'a ChannelConfig,
    problems: Vec<ConfigProblem>,
    warnings: Vec<ConfigProblem>,
}

impl Checker<'_> {
    fn channel(&mut self) -> Option<ChannelPlan> {
        let common = &self.config.common;
        self.name(&common.name);
        let millis = Span::micros(100_000);
        let timeout = self.span("timeout", &common.timeout, millis..=Span::minutes(5));
        self.number("concurrency", common.concurrency, 1..=256);
        if common.languages.is_empty() {
            self.problem(
                "languages",
                "it is empty; write one or both of \"zh-CN\" and \"en\"",
            );
        }
        let rate = self.rate(common);
        let retry = self.retry(common);
        let allowed = self.allowed(common);
        let authorities = self.authorities(common);
        let proxy = self.proxy(common);
        let kind = self.kind(&allowed);
        let (authorities, authorities_pem) = authorities?;
        let proxy = proxy?;
        Some(ChannelPlan {
            name: common.name.clone(),
            settings: self.settings(kind.as_ref()?),
            kind: kind?,
            concurrency: common.concurrency,
            rate,
            retry: retry?,
            languages: common.languages.clone(),
            network: NetworkPlan {
                timeout: timeout?,
                allowed,
                authorities,
                authorities_pem,
                proxy,
            },
        })
    }

    fn name(&mut self, name: &str) {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > NAME_LENGTH_MAX || !name.bytes().all(allowed) {
            let message = format!(
                "{name:?} must be of 1 to {NAME_LENGTH_MAX} lower-case letters, digits and -"
            );
            self.problem("name", message);
        }
        if name == DUTY {
            let message = "it stands for those on duty in routes.toml; give the channel another";
            self.problem("name", message);
        }
    }

    fn rate(&mut self, common: &CommonConfig) -> Option<Rate> {
        let Some(rate) = common.rate else {
            let allowed = match self.config.kind {
                KindConfig::Dingtalk(_) => dingtalk::RATE,
                KindConfig::Wecom(_) => wecom::RATE,
                KindConfig::Feishu(_) => feishu::RATE,
                _ => return None,
            };
            return Some(within(allowed));
        };
        self.number("rate.per_minute", rate.per_minute, 1..=100_000);
        let burst = rate.burst.unwrap_or((rate.per_minute / 2).max(1));
        self.number("rate.burst", burst, 1..=100_000);
        Some(Rate {
            per_minute: rate.per_minute,
            burst,
        })
    }

    fn retry(&mut self, common: &CommonConfig) -> Option<RetryPolicy> {
        let retry = &common.retry;
        self.number("retry.tries", retry.tries, 1..=100);
        let wait = || Span::micros(10_000)..=Span::hours(1);
        let first = self.span("retry.first", &retry.first, wait());
        let longest = self.span("retry.longest", &retry.longest, wait());
        let (first, longest) = (first?, longest?);
        if first > longest {
            let message = format!(
                "{} must be at most retry.longest, {}",
                retry.first, retry.longest
            );
            self.problem("retry.first", message);
        }
        Some(RetryPolicy {
            tries: retry.tries,
            first,
            longest,
        })
    }

    fn allowed(&mut self, common: &CommonConfig) -> Allowed {
        match Allowed::new(&common.allow_internal) {
            Ok(allowed) => allowed,
            Err(message) => {
                self.problem("allow_internal", message);
                Allowed::default()
            }
        }
    }

    fn authorities(&mut self, common: &CommonConfig) -> Option<Authorities> {
        let Some(file) = &common.ca_file else {
            return Some((Vec::new(), None));
        };
        let path = self.folder.join(file);
        let shown = path.display();
        let read = std::fs::read(&path)
            .map_err(|error| format!("the file {shown} cannot be read: {error}"))
            .and_then(|pem| match reqwest::Certificate::from_pem_bundle(&pem) {
                Ok(list) if !list.is_empty() => Ok((list, Some(pem))),
                Ok(_) | Err(_) => Err(format!("the file {shown} holds no certificate (PEM)")),
            });
        read.map_err(|message| self.problem("ca_file", message))
            .ok()
    }

    /// `Some(None)` where there is none.
    #[expect(
        clippy::option_option,
        reason = "a faulty proxy is not the same as none"
    )]
    fn proxy(&mut self, common: &CommonConfig) -> Option<Option<Url>> {
        let Some(text) = &common.proxy else {
            return Some(None);
        };
        let kind = &self.config.kind;
        if let KindConfig::Smtp(_)
        | KindConfig::Kafka(_)
        | KindConfig::Cap(_)
        | KindConfig::Stdout(_) = kind
        {
            let message = format!("it is for HTTP; {} goes without: take it out", kind.name());
            self.problem("proxy", message);
            return None;
        }
        let url = Url::parse(text).ok().filter(|url| {
            let plain = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https") && plain
        });
        if url.is_none() {
            let message = "it must be a URL without a login, such as http://127.0.0.1:3128";
            self.problem("proxy", message);
        }
        url.map(Some)
    }

    /// What may be asked for: HTTPS, or whatever was named.
    fn url(&mut self, key: &str, text: &str, allowed: &Allowed) -> Option<Url> {
        let read = http_url(text).and_then(|url| guard::judge(&url, allowed).map(|()| url));
        read.map_err(|message| self.problem(key, message)).ok()
    }

    /// A secret that is there and passes `judge`.
    fn secret(
        &mut self,
        key: &str,
        file: &str,
        judge: impl Fn(&str) -> Result<(), String>,
    ) -> Option<SecretFile> {
        let file = SecretFile::new(self.folder.join(file));
        let read = file.read().and_then(|secret| {
            let place = |error| format!("the file {}: {error}", file.path().display());
            judge(secret.expose()).map_err(place)
        });
        if let Err(message) = read {
            self.problem(key, message);
            return None;
        }
        if let Some(message) = file.exposed() {
            let warning = self.at(key, message);
            self.warnings.push(warning);
        }
        Some(file)
    }

    fn span(&mut self, key: &str, text: &str, allowed: RangeInclusive<Span>) -> Option<Duration> {
        let span: Span = match text.parse() {
            Ok(span) => span,
            Err(error) => {
                self.problem(key, error.to_string());
                return None;
            }
        };
        if !allowed.contains(&span) {
            let (least, most) = (allowed.start(), allowed.end());
            self.problem(key, format!("{text} must be from {least} to {most}"));
            return None;
        }
        u64::try_from(span.as_micros())
            .ok()
            .map(Duration::from_micros)
    }

    fn number<T: PartialOrd + Display>(&mut self, key: &str, value: T, allowed: RangeInclusive<T>) {
        if !allowed.contains(&value) {
            let (least, most) = (allowed.start(), allowed.end());
            self.problem(key, format!("{value} must be from {least} to {most}"));
        }
    }

    fn problem(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.at(key, message);
        self.problems.push(problem);
    }

    fn at(&self, key: &str, message: impl Into<String>) -> ConfigProblem {
        ConfigProblem {
            line: Some(self.config.line),
            key: format!("channel.{}.{key}", self.config.common.name),
            message: message.into(),
        }
    }

    /// A hash of the settings: of what is written, and of a URL that stands in a file.
    fn settings(&self, kind: &KindPlan) -> String {
        let mut config = self.config.clone();
        config.line = 0;
        let mut text = format!("{config:?}");
        if let KindPlan::Feishu(robot) | KindPlan::Dingtalk(robot) | KindPlan::Wecom(robot) = kind
            && let Ok(url) = robot.url.read()
        {
            text.push_str(url.expose());
        }
        let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let half = hash.as_ref().first_chunk().copied().unwrap_or_default();
        format!("{:032x}", u128::from_be_bytes(half))
    }
}

/// Certificates, read and as they are written.
type Authorities = (Vec<reqwest::Certificate>, Option<Vec<u8>>);

/// A bucket that keeps within what a platform allows in every second and every minute: what it lets
/// through at once and what flows into it meanwhile are no more together.
fn within(allowed: RobotRate) -> Rate {
    let flows_in_a_second = allowed.per_minute.div_ceil(60);
    let burst = match allowed.per_second {
        Some(per_second) => per_second.saturating_sub(flows_in_a_second),
        None => allowed.per_minute / 4,
    };
    let burst = burst.max(1);
    Rate {
        per_minute: allowed.per_minute.saturating_sub(burst).max(1),
        burst,
    }
}

/// A URL without a login in it. Its text is not repeated in messages: it may hold a secret.
pub(crate) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("its scheme {:?} must be https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must hold no user or password; use a file for secrets".to_owned());
    }
    if url.fragment().is_some() {
        return Err("it must end before its #".to_owned());
    }
    Ok(url)
}
