//! Why a registry did not say what it was asked.

/// What a registry did instead of answering.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Nobody answers there.
    #[error(
        "ask the schema registry at {url}: {detail}; correct its URL, or see that it runs and can \
         be reached from here"
    )]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the system said.
        detail: String,
    },
    /// The answer took too long.
    #[error(
        "ask the schema registry at {url}: no whole answer within {seconds} s; try again later"
    )]
    Timeout {
        /// What was asked.
        url: String,
        /// How long was waited.
        seconds: f64,
    },
    /// The login is missing or wrong, or opens something else.
    #[error(
        "ask the schema registry at {url}: the answer is {status}, so the login is missing, wrong \
         or has no right to read this; name the file that holds the right one"
    )]
    Unauthorized {
        /// What was asked.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// It sends us to another host.
    #[error(
        "ask the schema registry at {url}: it redirects to {to}, and nobody but the registry is \
         asked; give the URL of the other one if it is meant"
    )]
    Redirect {
        /// What was asked.
        url: String,
        /// Where it sends us, without a query.
        to: String,
    },
    /// An answer that is neither the one asked for nor that there is none.
    #[error("ask the schema registry at {url}: the answer is {status}: {detail}")]
    Status {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
        /// What the registry said of it.
        detail: String,
    },
    /// What answers is no registry, or its API begins elsewhere.
    #[error(
        "ask the schema registry at {url}: {detail}; this is not how a schema registry answers, so \
         give the URL where its API begins"
    )]
    NotRegistry {
        /// What was asked.
        url: String,
        /// What was found.
        detail: String,
    },
    /// The answer is larger than any schema that can be read.
    #[error(
        "ask the schema registry at {url}: the answer has more than {bytes_max} bytes, and no \
         schema that a feed can read is so long"
    )]
    TooLarge {
        /// What was asked.
        url: String,
        /// The limit.
        bytes_max: usize,
    },
    /// No registry can be asked for this subject.
    #[error("ask a schema registry for the subject {subject:?}: that is not a name; give another")]
    Subject {
        /// What was to be asked for.
        subject: String,
    },
}
