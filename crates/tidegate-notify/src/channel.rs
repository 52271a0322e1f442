//! Ways to people that this crate has itself.

mod alertmanager;
mod alertmanager_webhook;
mod cap;
mod ntfy;
mod robot;
mod smtp;
mod stdout;
mod webhook;

pub use alertmanager::AlertmanagerChannel;
pub use alertmanager_webhook::AlertmanagerWebhookChannel;
pub use cap::{CapChannel, FEED_FILE};
pub use ntfy::NtfyChannel;
pub use robot::{Platform, RobotChannel};
pub use smtp::SmtpChannel;
pub use stdout::StdoutChannel;
pub use webhook::WebhookChannel;

use crate::secret::SecretFile;

/// The header for a bearer token, read anew; none without a file.
fn bearer(file: Option<&SecretFile>) -> Result<Option<(String, String)>, String> {
    let header = |secret: crate::secret::Secret| {
        (
            "authorization".to_owned(),
            format!("Bearer {}", secret.expose()),
        )
    };
    file.map(SecretFile::read)
        .transpose()
        .map(|token| token.map(header))
}
