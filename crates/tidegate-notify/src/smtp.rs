//! Mail's way out: SMTP with STARTTLS and a login.
//!
//! Each mail is a connection of its own: alerts are few, and a server that closed an idle
//! connection costs no retry. An attempt may be repeated after the server took the mail and before
//! it could say so; the `Message-ID` is then the same.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error as LettreError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use crate::form::answer::Answer;
use crate::form::mail::Mail;

/// Largest password file.
const SECRET_BYTES_MAX: u64 = 4_096;

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// In the clear until `STARTTLS`, which the server has to offer; port 587.
    #[default]
    StartTls,
    /// From the first byte; port 465.
    Wrapped,
    /// Never: for a relay on this machine or in tests. A login is refused without TLS.
    None,
}

impl SmtpTls {
    const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Wrapped => 465,
            Self::None => 25,
        }
    }
}

/// A name and its password.
#[derive(Clone)]
pub struct SmtpLogin {
    user: String,
    password: String,
}

impl SmtpLogin {
    /// From memory.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    /// The password from a file, whose last line end does not count.
    ///
    /// # Errors
    /// [`SmtpError::Secret`] if the file cannot be read, is empty, or larger than 4 KiB.
    pub fn from_file(user: &str, path: &Path) -> Result<Self, SmtpError> {
        let secret = |problem: String| SmtpError::Secret(path.display().to_string(), problem);
        let meta = std::fs::metadata(path).map_err(|error| secret(error.to_string()))?;
        if meta.len() > SECRET_BYTES_MAX {
            return Err(secret(format!("{} bytes are more than 4096", meta.len())));
        }
        let text = std::fs::read_to_string(path).map_err(|error| secret(error.to_string()))?;
        let password = text.strip_suffix('\n').unwrap_or(&text);
        let password = password.strip_suffix('\r').unwrap_or(password);
        if password.is_empty() {
            return Err(secret("it is empty".to_owned()));
        }
        Ok(Self::new(user, password))
    }
}

impl fmt::Debug for SmtpLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpLogin")
            .field("user", &self.user)
            .field("password", &"…")
            .finish()
    }
}

/// A server and how to speak with it.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Its name, which its certificate has to have.
    pub host: String,
    /// Where to connect to, if the name is not to be looked up (again).
    pub address: Option<IpAddr>,
    /// Its port; `None` is the usual one of [`SmtpConfig::tls`].
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// The login, if it asks for one.
    pub login: Option<SmtpLogin>,
    /// The longest wait for one answer of the server. A mail takes four times that at most.
    pub timeout: Duration,
    /// Certificates in PEM to trust beside the system's.
    pub roots_pem: Option<Vec<u8>>,
    /// What this machine calls itself; `None` is `localhost`.
    pub hello: Option<String>,
}

impl SmtpConfig {
    /// STARTTLS on port 587, no login, 15 s.
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            address: None,
            port: None,
            tls: SmtpTls::StartTls,
            login: None,
            timeout: Duration::from_secs(15),
            roots_pem: None,
            hello: None,
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.tls.port())
    }
}

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// A password file.
    #[error("secret file {0}: {1}")]
    Secret(String, String),
    /// A login that would be sent in the clear.
    #[error("SMTP login for {0} needs TLS")]
    LoginInClear(String),
    /// Certificates or TLS settings.
    #[error("TLS for {0}: {1}")]
    Tls(String, String),
}

/// Sends mail to one server.
#[derive(Debug, Clone)]
pub struct SmtpSender {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    attempt_max: Duration,
}

impl SmtpSender {
    /// A sender; nothing is connected yet.
    ///
    /// # Errors
    /// [`SmtpError`] if the settings cannot work.
    pub fn new(config: &SmtpConfig) -> Result<Self, SmtpError> {
        if config.login.is_some() && config.tls == SmtpTls::None {
            return Err(SmtpError::LoginInClear(config.host.clone()));
        }
        let tls = match config.tls {
            SmtpTls::StartTls => Tls::Required(tls_parameters(config)?),
            SmtpTls::Wrapped => Tls::Wrapper(tls_parameters(config)?),
            SmtpTls::None => Tls::None,
        };
        let hello = config.hello.as_deref().unwrap_or("localhost");
        let at = config
            .address
            .map_or_else(|| config.host.clone(), |at| at.to_string());
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(at)
            .port(config.port())
            .hello_name(ClientId::Domain(hello.to_owned()))
            .timeout(Some(config.timeout))
            .tls(tls);
        let builder = match &config.login {
            Some(login) => {
                builder.credentials(Credentials::new(login.user.clone(), login.password.clone()))
            }
            None => builder,
        };
        Ok(Self {
            transport: builder.build(),
            attempt_max: config.timeout.saturating_mul(4),
        })
    }

    /// One attempt. Needs a tokio runtime.
    ///
    /// Where the server refuses an address, the others are tried one by one: one who left does not
    /// keep the warning from those on duty. It is then [`Answer::Delivered`] with a note.
    pub async fn send(&self, mail: &Mail) -> Answer {
        let first = self.attempt(&mail.envelope, &mail.bytes).await;
        let addresses = mail.envelope.to();
        let answer = match first {
            Attempt::AddressRefused(reason) if addresses.len() == 1 => Answer::refused(&reason),
            Attempt::AddressRefused(_) => self.one_by_one(mail).await,
            Attempt::Is(answer) => answer,
        };
        note_skipped(answer, &mail.skipped)
    }

    async fn one_by_one(&self, mail: &Mail) -> Answer {
        let (mut refused, mut delivered) = (Vec::new(), 0);
        let mut retry = None;
        for address in mail.envelope.to() {
            let from = mail.envelope.from().cloned();
            let envelope = Envelope::new(from, vec![address.clone()]);
            let envelope = envelope.expect("an envelope with an address is one");
            match self.attempt(&envelope, &mail.bytes).await {
                Attempt::Is(Answer::Delivered { .. }) => delivered += 1,
                Attempt::Is(Answer::Retry { reason }) => retry = Some(reason),
                Attempt::Is(Answer::Refused { reason }) | Attempt::AddressRefused(reason) => {
                    refused.push(format!("{address}: {reason}"));
                }
            }
        }
        let refused = refused.join("; ");
        match retry {
            // Those who have it get it again, as the same message, rather than others never.
            Some(reason) => Answer::retry(&reason),
            None if delivered == 0 => Answer::refused(&refused),
            None => Answer::Delivered {
                note: Some(crate::form::answer::noted(&refused)),
            },
        }
    }

    async fn attempt(&self, envelope: &Envelope, bytes: &[u8]) -> Attempt {
        let sending = self.transport.send_raw(envelope, bytes);
        match tokio::time::timeout(self.attempt_max, sending).await {
            Ok(Ok(_)) => Attempt::Is(Answer::DELIVERED),
            Ok(Err(error)) => judge(&error),
            Err(_) => Attempt::Is(Answer::retry("the server took too long")),
        }
    }
}

/// What one dialogue came to.
enum Attempt {
    Is(Answer),
    /// 5xx of a kind that is about one address.
    AddressRefused(String),
}

fn judge(error: &LettreError) -> Attempt {
    let reason = error.to_string();
    if error.is_permanent() {
        let code = error.status().map_or(0, u16::from);
        return if matches!(code, 550..=553) {
            Attempt::AddressRefused(reason)
        } else {
            Attempt::Is(Answer::refused(&reason))
        };
    }
    // What lettre itself objects to: a server without STARTTLS may have it tomorrow, or somebody in
    // between takes it away; a login that the server does not know stays unknown.
    if error.is_client() && !reason.contains("STARTTLS") {
        return Attempt::Is(Answer::refused(&reason));
    }
    Attempt::Is(Answer::retry(&reason))
}

fn note_skipped(answer: Answer, skipped: &[String]) -> Answer {
    match answer {
        Answer::Delivered { note } if !skipped.is_empty() => {
            let skipped = format!("not an address: {}", skipped.join(", "));
            let whole = note.map_or(skipped.clone(), |note| format!("{note}; {skipped}"));
            Answer::Delivered {
                note: Some(crate::form::answer::noted(&whole)),
            }
        }
        other => other,
    }
}

fn tls_parameters(config: &SmtpConfig) -> Result<TlsParameters, SmtpError> {
    let fault = |error: LettreError| SmtpError::Tls(config.host.clone(), error.to_string());
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(pem) = &config.roots_pem {
        builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(fault)?);
    }
    builder.build_rustls().map_err(fault)
}
