//! From the plan of a channel to what delivers.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::channel::{
    AlertmanagerChannel, AlertmanagerWebhookChannel, CapChannel, FEED_FILE, NtfyChannel, Platform,
    RobotChannel, SmtpChannel, StdoutChannel, WebhookChannel,
};
use crate::deliver::Deliver;
use crate::form::RobotStyle;
use crate::form::alertmanager_webhook::WebhookConfig;
use crate::form::atom::AtomConfig;
use crate::form::cap::{CapConfig, Place, Places};
use crate::form::mail::MailConfig;
use crate::handle::OutboxHandle;
use crate::http::Poster;
use crate::plan::{CapPlan, ChannelPlan, KindPlan, RobotPlan, SmtpPlan};
use crate::smtp::SmtpConfig;

/// What forms need to know of the world and no notice says.
#[derive(Clone)]
pub struct Surroundings {
    /// The zone of the times that people read.
    pub zone: TimeZone,
    /// Knows where subjects are, for CAP.
    pub places: Arc<dyn Places + Send + Sync>,
}

impl Default for Surroundings {
    /// China's time, and only subjects that are cells have a place.
    fn default() -> Self {
        let nowhere = |_: &str, _: &str| -> Option<Place> { None };
        Self {
            zone: TimeZone::fixed(jiff::tz::offset(8)),
            places: Arc::new(nowhere),
        }
    }
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

/// What delivers, where this crate has it.
pub(super) fn own(
    plan: &ChannelPlan,
    outbox: &OutboxHandle,
    around: &Surroundings,
) -> Result<Option<Arc<dyn Deliver>>, String> {
    let poster = || Poster::new(&plan.network);
    let languages = plan.languages.clone();
    Ok(match plan.kind.clone() {
        KindPlan::Webhook { url, secrets } => Some(Arc::new(WebhookChannel {
            poster: poster()?,
            url,
            secrets,
            languages,
        })),
        KindPlan::Alertmanager { url, resend, token } => Some(Arc::new(AlertmanagerChannel {
            name: plan.name.clone(),
            poster: poster()?,
            url,
            resend,
            token,
            outbox: outbox.clone(),
        })),
        KindPlan::AlertmanagerWebhook {
            url,
            external_url,
            token,
        } => Some(Arc::new(AlertmanagerWebhookChannel {
            poster: poster()?,
            url,
            form: WebhookConfig {
                receiver: plan.name.clone(),
                external_url,
                alerts_max: None,
            },
            token,
        })),
        KindPlan::Ntfy { url, topic, token } => Some(Arc::new(NtfyChannel {
            poster: poster()?,
            url,
            topic,
            token,
            languages,
        })),
        KindPlan::Stdout => Some(Arc::new(StdoutChannel::new())),
        KindPlan::Smtp(of) => Some(Arc::new(smtp(plan, of, around)?)),
        KindPlan::Cap(of) => Some(Arc::new(cap(plan, *of, around))),
        KindPlan::Feishu(of) => Some(Arc::new(robot(plan, of, Platform::Feishu, around)?)),
        KindPlan::Dingtalk(of) => Some(Arc::new(robot(plan, of, Platform::Dingtalk, around)?)),
        KindPlan::Wecom(of) => Some(Arc::new(robot(plan, of, Platform::Wecom, around)?)),
        KindPlan::Kafka { .. } => None,
    })
}

fn robot(
    plan: &ChannelPlan,
    robot: RobotPlan,
    platform: Platform,
    around: &Surroundings,
) -> Result<RobotChannel, String> {
    Ok(RobotChannel {
        poster: Poster::new(&plan.network)?,
        platform,
        robot,
        style: RobotStyle {
            languages: plan.languages.clone(),
            zone: around.zone.clone(),
        },
    })
}

fn smtp(plan: &ChannelPlan, of: SmtpPlan, around: &Surroundings) -> Result<SmtpChannel, String> {
    let mut mail = MailConfig::new(&of.from).map_err(|fault| fault.to_string())?;
    mail.to = of.to;
    mail.languages.clone_from(&plan.languages);
    mail.zone = around.zone.clone();
    let server = SmtpConfig {
        port: Some(of.port),
        tls: of.tls,
        timeout: plan.network.timeout,
        roots_pem: plan.network.authorities_pem.clone(),
        ..SmtpConfig::new(&of.host)
    };
    let allowed = plan.network.allowed.clone();
    Ok(SmtpChannel::new(server, of.login, allowed, mail))
}

fn cap(plan: &ChannelPlan, of: CapPlan, around: &Surroundings) -> CapChannel {
    let config = CapConfig {
        zone: around.zone.clone(),
        ..of.messages
    };
    let sender = config.sender.as_str().to_owned();
    let language = plan.languages.first().copied().unwrap_or_default();
    let name = language.prefer(&config.sender_name_zh, &config.sender_name_en);
    let name = if name.is_empty() { &sender } else { name }.to_owned();
    // Without a public address links are relative to the feed.
    let base = of.public_url.map_or_else(String::new, |url| {
        format!("{}/", url.as_str().trim_end_matches('/'))
    });
    let feed = AtomConfig {
        id: format!("urn:tidegate:cap:{}:{}", urn_part(&sender), plan.name),
        address: format!("{base}{FEED_FILE}"),
        messages_address: base,
        title: name.clone(),
        author: name,
        language,
    };
    let places = Arc::clone(&around.places);
    CapChannel::new(of.folder, config, (feed, of.feed_max), places)
}

/// What a URN may hold (RFC 8141) of a text; the rest becomes `-`.
fn urn_part(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._@".contains(c);
    text.chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect()
}
