//! What each kind of channel asks for.

use tidegate_model::Span;

use super::{Checker, http_url};
use crate::config::{
    AlertmanagerConfig, AlertmanagerWebhookConfig, KindConfig, NtfyConfig, RobotConfig, SmtpConfig,
    SmtpTls, WebhookConfig,
};
use crate::form::webhook::SigningKey;
use crate::guard::{self, Allowed};
use crate::plan::{KindPlan, RobotPlan, SmtpPlan};
use crate::secret::SecretFile;

/// Most secrets that sign.
const SECRETS_MAX: usize = 8;
/// Longest name of a Kafka topic.
const TOPIC_LENGTH_MAX: usize = 249;

impl Checker<'_> {
    pub(super) fn kind(&mut self, allowed: &Allowed) -> Option<KindPlan> {
        match &self.config.kind {
            KindConfig::Webhook(config) => self.webhook(config, allowed),
            KindConfig::Alertmanager(config) => self.alertmanager(config, allowed),
            KindConfig::AlertmanagerWebhook(config) => self.alertmanager_webhook(config, allowed),
            KindConfig::Ntfy(config) => self.ntfy(config, allowed),
            KindConfig::Smtp(config) => self.smtp(config, allowed),
            KindConfig::Cap(config) => self.cap(config),
            KindConfig::Feishu(config) => self.robot(config, allowed).map(KindPlan::Feishu),
            KindConfig::Dingtalk(config) => self.robot(config, allowed).map(KindPlan::Dingtalk),
            KindConfig::Wecom(config) => self.robot(config, allowed).map(KindPlan::Wecom),
            KindConfig::Kafka(config) => {
                let topic = config.topic.clone();
                self.word("topic", &topic, TOPIC_LENGTH_MAX, "-_.")?;
                Some(KindPlan::Kafka { topic })
            }
            KindConfig::Stdout(_) => Some(KindPlan::Stdout),
        }
    }

    fn webhook(&mut self, config: &WebhookConfig, allowed: &Allowed) -> Option<KindPlan> {
        let url = self.url("url", &config.url, allowed);
        let count = config.secret_files.len();
        self.number("secret_files", count, 1..=SECRETS_MAX);
        let judge = |text: &str| SigningKey::read(text).map(drop);
        let files = config.secret_files.iter();
        let secrets: Vec<_> = files
            .filter_map(|file| self.secret("secret_files", file, judge))
            .collect();
        (secrets.len() == count).then_some(())?;
        Some(KindPlan::Webhook { url: url?, secrets })
    }

    fn alertmanager(&mut self, config: &AlertmanagerConfig, allowed: &Allowed) -> Option<KindPlan> {
        let url = self.url("url", &config.url, allowed);
        let resend = self.span("resend", &config.resend, Span::seconds(1)..=Span::hours(1));
        let token = self.token(config.token_file.as_deref());
        let mut url = url?;
        let path = url
            .path()
            .trim_end_matches('/')
            .trim_end_matches("/api/v2/alerts");
        let path = format!("{path}/api/v2/alerts");
        url.set_path(&path);
        Some(KindPlan::Alertmanager {
            url,
            resend: resend?,
            token: token?,
        })
    }

    fn alertmanager_webhook(
        &mut self,
        config: &AlertmanagerWebhookConfig,
        allowed: &Allowed,
    ) -> Option<KindPlan> {
        let url = self.url("url", &config.url, allowed);
        let token = self.token(config.token_file.as_deref());
        let external_url = config.external_url.as_deref().unwrap_or_default();
        if !external_url.is_empty()
            && let Err(why) = http_url(external_url)
        {
            self.problem("external_url", why);
        }
        Some(KindPlan::AlertmanagerWebhook {
            url: url?,
            external_url: external_url.trim_end_matches('/').to_owned(),
            token: token?,
        })
    }

    fn ntfy(&mut self, config: &NtfyConfig, allowed: &Allowed) -> Option<KindPlan> {
        let url = self.url("url", &config.url, allowed);
        let topic = self.word("topic", &config.topic, 64, "-_");
        let token = self.token(config.token_file.as_deref());
        topic?;
        Some(KindPlan::Ntfy {
            url: url?,
            topic: config.topic.clone(),
            token: token?,
        })
    }

    /// `Some(None)` where there is none.
    #[expect(
        clippy::option_option,
        reason = "a faulty file is not the same as none"
    )]
    fn token(&mut self, file: Option<&str>) -> Option<Option<SecretFile>> {
        let Some(file) = file else {
            return Some(None);
        };
        self.secret("token_file", file, header_safe).map(Some)
    }

    fn smtp(&mut self, config: &SmtpConfig, allowed: &Allowed) -> Option<KindPlan> {
        let port = config.port.unwrap_or(match config.tls {
            SmtpTls::Wrapped => 465,
            SmtpTls::StartTls | SmtpTls::None => 587,
        });
        let named = allowed.has(&config.host, port);
        if config.tls == SmtpTls::None && !named {
            let message = format!(
                "\"none\" is for servers inside; name \"{}:{port}\" in allow_internal, or use \
                 starttls",
                config.host
            );
            self.problem("tls", message);
        }
        let address = config.host.trim_matches(['[', ']']).parse().ok();
        if let Some(range) = address.and_then(guard::internal)
            && !named
        {
            let host = &config.host;
            let message = format!("{host} is {range}; if it is meant, name it in allow_internal");
            self.problem("host", message);
        }
        for (key, address) in std::iter::once(("from", &config.from))
            .chain(config.to.iter().map(|address| ("to", address)))
        {
            if !is_address(address) {
                let message = format!("{address:?} must be an address such as duty@example.org");
                self.problem(key, message);
            }
        }
        let login = match (&config.username, &config.password_file) {
            (None, None) => None,
            (Some(user), Some(file)) => {
                let secret = self.secret("password_file", file, |_| Ok(()))?;
                if config.tls == SmtpTls::None {
                    self.problem("tls", "a password needs TLS; use starttls or wrapped");
                }
                Some((user.clone(), secret))
            }
            _ => {
                self.problem(
                    "username",
                    "username and password_file belong together; give both",
                );
                return None;
            }
        };
        Some(KindPlan::Smtp(SmtpPlan {
            host: config.host.clone(),
            port,
            tls: config.tls,
            from: config.from.clone(),
            to: config.to.clone(),
            login,
        }))
    }

    fn robot(&mut self, config: &RobotConfig, allowed: &Allowed) -> Option<RobotPlan> {
        let judge = |text: &str| {
            let url = http_url(text)?;
            guard::judge(&url, allowed)
        };
        let url = self.secret("url_file", &config.url_file, judge);
        let secret = config.secret_files.first();
        let secret = secret.map(|file| self.secret("secret_files", file, |_| Ok(())));
        if matches!(self.config.kind, KindConfig::Wecom(_)) && secret.is_some() {
            self.problem("secret_files", "wecom robots sign nothing; remove it");
        }
        Some(RobotPlan {
            url: url?,
            secret: match secret {
                None => None,
                Some(file) => Some(file?),
            },
        })
    }

    fn word(&mut self, key: &str, text: &str, length_max: usize, others: &str) -> Option<()> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
        if text.is_empty() || text.len() > length_max || !text.chars().all(allowed) {
            let message = format!(
                "{text:?} must be of 1 to {length_max} letters, digits and any of {others}"
            );
            self.problem(key, message);
            return None;
        }
        Some(())
    }
}

fn header_safe(text: &str) -> Result<(), String> {
    let fits = text.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(())
        .ok_or_else(|| "a token has only printable ASCII without spaces".to_owned())
}

/// An address, as far as a typing mistake goes.
fn is_address(text: &str) -> bool {
    let faulty = |c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c);
    match text.rsplit_once('@') {
        Some((name, host)) => {
            !name.is_empty() && host.contains(|c| c != '.') && !text.contains(faulty)
        }
        None => false,
    }
}
