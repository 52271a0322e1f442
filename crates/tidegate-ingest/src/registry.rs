//! A schema registry, asked by HTTP which schemas there are.
//!
//! It speaks the API that Confluent documents and others (Karapace, Apicurio, Redpanda) keep to:
//! `GET /subjects/SUBJECT/versions`, `…/versions/VERSION` and `GET /schemas/ids/ID`. It changes
//! nothing there, and nothing asks it while a pipeline runs.
//!
//! What the registry does not know is `None`; every other answer than the one that is documented is
//! a [`RegistryError`]. A redirect is followed on the registry's own host only, so that no login
//! and no question goes anywhere else.

mod answer;
mod error;

use std::path::PathBuf;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response, Url};

use crate::counts::Refusal;
use crate::problem::ConfigProblem;
use crate::secret::{Secret, SecretFile};
use crate::web::{
    BodyFault, authorities, client, failure, http_url, is_redirect, judge, keeps_secrets, proxy,
    read_body, redirected, shown,
};

pub use answer::RegisteredSchema;
pub use error::RegistryError;

/// The largest answer: a schema of 1 MiB with every character escaped, and what is told beside it.
const BYTES_MAX: usize = 8 << 20;
/// The most redirects that are followed for one question.
const REDIRECTS_MAX: usize = 5;
/// What the registry may answer with, best first.
const ACCEPT: &str = "application/vnd.schemaregistry.v1+json, application/json;q=0.9";

/// How one proves to a registry who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RegistryLogin {
    /// Not at all.
    #[default]
    Nobody,
    /// By the value of the header `Authorization` that this file holds, such as `Bearer …`.
    Authorization(PathBuf),
    /// By `USER:PASSWORD` that this file holds (RFC 7617).
    Basic(PathBuf),
}

/// Where a registry is and how it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryConfig {
    /// Where its API begins: `http://…` or `https://…`, with a path where the API has one.
    pub url: String,
    /// Who asks. A login goes by HTTPS or to loopback only.
    pub login: RegistryLogin,
    /// File of certificates (PEM) of authorities that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// `http://HOST:PORT` of a proxy, or `env` for what the environment names; else none.
    pub proxy: Option<String>,
    /// The most that one answer may take, redirects and body included.
    pub timeout: Duration,
}

impl RegistryConfig {
    /// The registry at `url`, asked by nobody in particular, with 20 s for an answer.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            login: RegistryLogin::Nobody,
            ca_file: None,
            proxy: None,
            timeout: Duration::from_secs(20),
        }
    }
}

/// What goes with every question.
#[derive(Debug, Clone)]
enum Proof {
    Nothing,
    Header(HeaderValue),
    Basic { user: String, password: Secret },
}

/// A client of a registry. Its debug output shows no secret.
#[derive(Debug, Clone)]
pub struct SchemaRegistry {
    client: Client,
    base: Url,
    proof: Proof,
    timeout: Duration,
}

impl SchemaRegistry {
    /// Makes a client; nobody is asked yet.
    ///
    /// # Errors
    /// [`ConfigProblem`], with the name of the field of [`RegistryConfig`], for a URL that is none,
    /// a file that cannot be used, or a login that others could read on its way.
    pub fn new(config: &RegistryConfig) -> Result<Self, ConfigProblem> {
        let at = |key: &'static str| move |message: String| ConfigProblem::new(key, message);
        let base = http_url(&config.url, "a file for the login").map_err(at("registry"))?;
        if base.query().is_some() {
            return Err(at("registry")("it must end before its ?".to_owned()));
        }
        let proof = proof(&config.login).map_err(at("login"))?;
        if !matches!(proof, Proof::Nothing) && !keeps_secrets(&base) {
            let message = "a login goes by https:// or to loopback only";
            return Err(at("registry")(message.to_owned()));
        }
        let authorities = authorities(config.ca_file.as_deref()).map_err(at("ca_file"))?;
        let proxy = proxy(config.proxy.as_deref()).map_err(at("proxy"))?;
        let client = client(&proxy, &authorities, config.timeout).map_err(at("registry"))?;
        Ok(Self {
            client,
            base,
            proof,
            timeout: config.timeout,
        })
    }

    /// The versions of a subject that are not deleted; `None` when the registry does not know the
    /// subject.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not say.
    pub async fn versions(&self, subject: &str) -> Result<Option<Vec<u32>>, RegistryError> {
        let asked = self.ask(&["subjects", subject, "versions"]).await?;
        asked.map(answer::Answer::versions).transpose()
    }

    /// The schema of one version of a subject; `None` when the registry has no such version.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not say.
    pub async fn version(
        &self,
        subject: &str,
        version: u32,
    ) -> Result<Option<RegisteredSchema>, RegistryError> {
        let version = version.to_string();
        let asked = self
            .ask(&["subjects", subject, "versions", &version])
            .await?;
        asked.map(|answer| answer.schema(None)).transpose()
    }

    /// The schema with this id, of whatever subject, also of a deleted version; `None` when the
    /// registry has none.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not say.
    pub async fn schema(&self, id: u32) -> Result<Option<RegisteredSchema>, RegistryError> {
        let asked = self.ask(&["schemas", "ids", &id.to_string()]).await?;
        asked.map(|answer| answer.schema(Some(id))).transpose()
    }

    /// Asks one question, within the timeout in all.
    async fn ask(&self, path: &[&str]) -> Result<Option<answer::Answer>, RegistryError> {
        let url = self.url(path)?;
        let within = self.timeout;
        let asked = tokio::time::timeout(within, self.follow(url.clone())).await;
        asked.unwrap_or_else(|_| {
            Err(RegistryError::Timeout {
                url: shown(&url),
                seconds: within.as_secs_f64(),
            })
        })
    }

    fn url(&self, path: &[&str]) -> Result<Url, RegistryError> {
        // As a part of a path a full stop is the place itself and two are the one above.
        if let Some(part) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            return Err(RegistryError::Subject {
                subject: (*part).to_owned(),
            });
        }
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        Ok(url)
    }

    async fn follow(&self, mut url: Url) -> Result<Option<answer::Answer>, RegistryError> {
        for _ in 0..=REDIRECTS_MAX {
            let response = self.request(&url).send().await;
            let response = response.map_err(|error| unreached(&url, error))?;
            if !is_redirect(response.status()) {
                return take(&url, response).await;
            }
            let next = redirected(&url, &response).map_err(|bad| RegistryError::NotRegistry {
                url: shown(&url),
                detail: bad.detail,
            })?;
            if next.origin() != self.base.origin() {
                return Err(RegistryError::Redirect {
                    url: shown(&url),
                    to: shown(&next),
                });
            }
            url = next;
        }
        let detail = format!("more than {REDIRECTS_MAX} redirects");
        let url = shown(&url);
        Err(RegistryError::NotRegistry { url, detail })
    }

    fn request(&self, url: &Url) -> RequestBuilder {
        let headers = HeaderMap::from_iter([
            (header::ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
            (header::ACCEPT, HeaderValue::from_static(ACCEPT)),
        ]);
        let request = self.client.get(url.clone()).headers(headers);
        match &self.proof {
            Proof::Nothing => request,
            Proof::Header(value) => request.header(header::AUTHORIZATION, value.clone()),
            Proof::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
        }
    }
}

/// Reads the login.
fn proof(login: &RegistryLogin) -> Result<Proof, String> {
    match login {
        RegistryLogin::Nobody => Ok(Proof::Nothing),
        RegistryLogin::Authorization(file) => {
            let secret = SecretFile::new(file.clone()).read()?;
            let mut value = HeaderValue::from_str(secret.expose())
                .map_err(|_| format!("what {} holds does not fit a header", file.display()))?;
            value.set_sensitive(true);
            Ok(Proof::Header(value))
        }
        RegistryLogin::Basic(file) => {
            let secret = SecretFile::new(file.clone()).read()?;
            let (user, password) = secret
                .expose()
                .split_once(':')
                .ok_or_else(|| format!("the file {} must hold USER:PASSWORD", file.display()))?;
            Ok(Proof::Basic {
                user: user.to_owned(),
                password: Secret::new(password),
            })
        }
    }
}

fn unreached(url: &Url, error: reqwest::Error) -> RegistryError {
    RegistryError::Unreachable {
        url: shown(url),
        detail: failure(error).detail,
    }
}

/// What an answer that is no redirect says.
async fn take(url: &Url, mut response: Response) -> Result<Option<answer::Answer>, RegistryError> {
    let status = response.status();
    let url = shown(url);
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(RegistryError::Unauthorized {
            url,
            status: status.as_u16(),
        });
    }
    let media = response.headers().get(header::CONTENT_TYPE).cloned();
    let media = media.as_ref().and_then(|value| value.to_str().ok());
    let read = match read_body(&mut response, BYTES_MAX).await {
        Ok(bytes) => judge(media, &bytes, &[]).map(|()| bytes),
        Err(fault) => Err(fault),
    };
    match read {
        Ok(bytes) => answer::Answer { url, bytes }.of(status),
        Err(BodyFault::Refused(Refusal::TooLarge, _)) => Err(RegistryError::TooLarge {
            url,
            bytes_max: BYTES_MAX,
        }),
        Err(BodyFault::Refused(_, detail) | BodyFault::Broken(_, detail)) => {
            Err(if status.is_success() || status == StatusCode::NOT_FOUND {
                let detail = format!("answer {status}: {detail}");
                RegistryError::NotRegistry { url, detail }
            } else {
                RegistryError::Status {
                    url,
                    status: status.as_u16(),
                    detail,
                }
            })
        }
    }
}
