//! Mail.
//!
//! The password is read in every try. A server that was not named in `allow_internal` is looked up
//! once, what its name says is judged, and the connection goes to exactly that address, while its
//! certificate still has to have the name.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tidegate_dispatch::Notice;

use crate::deliver::{Deliver, Delivering, Outcome, Tried};
use crate::form::mail::{self, MailConfig};
use crate::guard::{Allowed, Guarded, GuardedResolver, Lookup};
use crate::secret::{Secret, SecretFile};
use crate::smtp::{SmtpConfig, SmtpLogin, SmtpSender};

/// Whoever takes no connection by then is passed over for the next address.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Mail through one server.
#[derive(Debug)]
pub struct SmtpChannel {
    /// The server, less its login and its address.
    pub server: SmtpConfig,
    /// User name and file with the password; read in every try.
    pub login: Option<(String, SecretFile)>,
    /// What may be reached inside.
    pub allowed: Allowed,
    /// Sender, receivers, languages and the zone of times.
    pub mail: MailConfig,
    /// The last sender: setting one up reads all certificates of the system.
    sender: Mutex<Option<Made>>,
}

/// What a sender was made of, and the sender.
type Made = ((Option<IpAddr>, Option<Secret>), SmtpSender);

impl SmtpChannel {
    /// Nothing is connected yet.
    pub fn new(
        server: SmtpConfig,
        login: Option<(String, SecretFile)>,
        allowed: Allowed,
        mail: MailConfig,
    ) -> Self {
        Self {
            server,
            login,
            allowed,
            mail,
            sender: Mutex::new(None),
        }
    }

    async fn send(&self, notice: &Notice) -> Outcome {
        let mail = match mail::mail(notice, &self.mail) {
            Ok(mail) => mail,
            Err(fault) => return Outcome::refused(fault.to_string()),
        };
        let address = match self.address().await {
            Ok(address) => address,
            Err(why) => return Outcome::retry(why),
        };
        match self.sender(address) {
            Ok(sender) => sender.send(&mail).await.into(),
            // Somebody may be changing a file.
            Err(why) => Outcome::retry(why),
        }
    }

    /// Where to connect to; `None` where the operator named the host, whatever it means.
    async fn address(&self) -> Result<Option<IpAddr>, String> {
        let host = self.server.host.as_str();
        let port = self.server.port();
        if self.allowed.has(host, port) {
            return Ok(None);
        }
        let resolver = GuardedResolver::new(Lookup::System, Guarded::Yes);
        let found = resolver.addresses(host.to_owned()).await;
        let found: Vec<IpAddr> = found
            .map_err(|error| format!("{host}: {error}"))?
            .map(|one| one.ip())
            .collect();
        if let [only] = found[..] {
            return Ok(Some(only));
        }
        for address in found {
            let connecting = tokio::net::TcpStream::connect(SocketAddr::new(address, port));
            if let Ok(Ok(_)) = tokio::time::timeout(CONNECT_WITHIN, connecting).await {
                return Ok(Some(address));
            }
        }
        Err(format!("none of the addresses of {host} took a connection"))
    }

    fn sender(&self, address: Option<IpAddr>) -> Result<SmtpSender, String> {
        let login = self.login.as_ref();
        let secret = login.map(|(_, file)| file.read()).transpose()?;
        let made_of = (address, secret);
        let mut kept = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, sender)) = kept.as_ref()
            && *known == made_of
        {
            return Ok(sender.clone());
        }
        let login = login.zip(made_of.1.as_ref());
        let config = SmtpConfig {
            address,
            login: login.map(|((user, _), secret)| SmtpLogin::new(user, secret.expose())),
            ..self.server.clone()
        };
        let sender = SmtpSender::new(&config).map_err(|error| error.to_string())?;
        *kept = Some((made_of, sender.clone()));
        Ok(sender)
    }
}

impl Deliver for SmtpChannel {
    fn deliver<'a>(&'a self, notice: &'a Notice, _now: Timestamp) -> Delivering<'a> {
        Box::pin(async { Tried::from(self.send(notice).await) })
    }
}
