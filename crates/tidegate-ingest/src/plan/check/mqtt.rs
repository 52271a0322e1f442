//! `[mqtt.NAME]`.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tidegate_model::Span;

use super::{BYTES_MAX, Checker};
use crate::config::{MqttConfig, MqttTlsConfig};
use crate::plan::MqttPlan;
use crate::secret::SecretFile;
use crate::web::is_loopback;

/// Most topic filters of one feed.
const FILTERS_MAX: usize = 100;
/// Longest topic filter and longest client id, in bytes.
const TEXT_MAX: usize = 1_024;

pub(super) fn check(
    checker: &mut Checker<'_>,
    name: &str,
    config: &MqttConfig,
) -> Option<MqttPlan> {
    let key = |field: &str| format!("mqtt.{name}{field}");
    let target = checker.target(&key(""), name);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    if config.host.is_empty() || !config.host.bytes().all(plain) {
        let message = format!("{:?} is not a host's name or IPv4 address", config.host);
        checker.problem::<()>(&key(".host"), message);
    }
    let tls = match &config.tls {
        None => Some(None),
        Some(tls) => check_tls(checker, &key(".tls"), tls).map(Some),
    };
    let login = login(checker, name, config);
    let client_id = config
        .client_id
        .clone()
        .unwrap_or_else(|| format!("tidegate-{name}"));
    if client_id.is_empty() || client_id.len() > TEXT_MAX || client_id.contains(char::is_control) {
        let message = format!("{client_id:?} must have 1 to {TEXT_MAX} bytes of plain text");
        checker.problem::<()>(&key(".client_id"), message);
    }
    checker.number(&key(".topics"), config.topics.len(), 1..=FILTERS_MAX);
    for filter in &config.topics {
        if !is_filter(filter) {
            let message = format!(
                "{filter:?} is not a topic filter: + and # stand for whole levels, # only as last"
            );
            checker.problem::<()>(&key(".topics"), message);
        }
    }
    let bytes_max = checker.number(&key(".bytes_max"), config.bytes_max, 1..=BYTES_MAX);
    let alive = Span::seconds(5)..=Span::hours(18);
    let keep_alive = checker.duration(&key(".keep_alive"), &config.keep_alive, alive);
    let in_flight = checker.number(&key(".in_flight_max"), config.in_flight_max, 1..=10_000);
    let port = config
        .port
        .unwrap_or(if config.tls.is_some() { 8883 } else { 1883 });
    Some(MqttPlan {
        target: target?,
        host: config.host.clone(),
        port: checker.number(&key(".port"), port, 1..=u16::MAX)?,
        tls: tls?,
        login: login?,
        client_id,
        topics: config.topics.clone(),
        bytes_max: bytes_max?,
        keep_alive: keep_alive?,
        in_flight_max: in_flight?,
    })
}

/// User and password, where they may be sent.
#[expect(
    clippy::option_option,
    reason = "the outer level is what a checker gives, the inner one is no login"
)]
fn login(
    checker: &mut Checker<'_>,
    name: &str,
    config: &MqttConfig,
) -> Option<Option<(String, Option<SecretFile>)>> {
    let key = format!("mqtt.{name}.password_file");
    let Some(file) = &config.password_file else {
        return Some(config.username.clone().map(|user| (user, None)));
    };
    let Some(user) = &config.username else {
        return checker.problem(&key, "a password needs a username");
    };
    if config.tls.is_none() && !is_loopback(&config.host) {
        let message = format!(
            "a password goes by TLS or to loopback only, not to {:?}; add tls = {{}}",
            config.host
        );
        checker.problem::<()>(&key, message);
    }
    let file = SecretFile::new(checker.path(file));
    let read = file.read();
    checker.take(&key, read)?;
    Some(Some((user.clone(), Some(file))))
}

fn check_tls(
    checker: &mut Checker<'_>,
    key: &str,
    config: &MqttTlsConfig,
) -> Option<Arc<ClientConfig>> {
    let roots = if let Some(file) = &config.ca_file {
        let path = checker.path(file);
        let roots = certificates(&path).and_then(|list| {
            let mut roots = RootCertStore::empty();
            let (good, _) = roots.add_parsable_certificates(list);
            let none = || format!("the file {} holds no usable certificate", path.display());
            if good == 0 { Err(none()) } else { Ok(roots) }
        });
        checker.take(&format!("{key}.ca_file"), roots)
    } else {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let message = "this system has no certificates of authorities; name a ca_file";
            checker.problem::<()>(key, message);
        }
        Some(roots)
    };
    let own = match (&config.cert_file, &config.key_file) {
        (None, None) => Some(None),
        (Some(chain), Some(private)) => {
            let (chain, private) = (checker.path(chain), checker.path(private));
            let chain = checker.take(&format!("{key}.cert_file"), certificates(&chain));
            let private = checker.take(&format!("{key}.key_file"), private_key(&private));
            chain.zip(private).map(Some)
        }
        _ => checker.problem(key, "cert_file and key_file go together"),
    };
    let built = client_config(roots?, own?);
    checker.take(key, built)
}

fn client_config(
    roots: RootCertStore,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<Arc<ClientConfig>, String> {
    let unusable = |error: rustls::Error| format!("TLS cannot be set up: {error}");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(unusable)?,
    };
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let list = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("the file {shown} cannot be read as PEM: {error}"))?;
    if list.is_empty() {
        return Err(format!("the file {shown} holds no certificate (PEM)"));
    }
    Ok(list)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    // The library's error may quote the file.
    PrivateKeyDer::from_pem_file(path)
        .map_err(|_| format!("the file {} holds no private key (PEM)", path.display()))
}

/// Whether this is a topic filter of MQTT 3.1.1, section 4.7.
fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.len() > TEXT_MAX || filter.contains('\0') {
        return false;
    }
    let levels: Vec<&str> = filter.split('/').collect();
    levels.iter().enumerate().all(|(at, level)| match *level {
        "+" => true,
        "#" => at + 1 == levels.len(),
        plain => !plain.contains(['+', '#']),
    })
}
