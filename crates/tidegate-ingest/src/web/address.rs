//! Where a server is and how it is reached, as written in a file or on a command line.

use std::path::Path;

use reqwest::Url;

use crate::plan::ProxyPlan;

/// Whether nobody between here and the host reads along.
pub(crate) fn keeps_secrets(url: &Url) -> bool {
    url.scheme() == "https" || url.host_str().is_some_and(is_loopback)
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A URL without a login in it, which belongs into what is called `login`. Its text is not repeated in
/// messages: what cannot be parsed may hold a secret.
pub(crate) fn http_url(text: &str, login: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "its scheme {:?} must be http or https",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("it must hold no user or password; use {login}"));
    }
    if url.fragment().is_some() {
        return Err("it must end before its #".to_owned());
    }
    Ok(url)
}

/// Through what a server is reached: nothing, `env`, or a URL.
pub(crate) fn proxy(named: Option<&str>) -> Result<ProxyPlan, String> {
    match named {
        None => Ok(ProxyPlan::Direct),
        Some("env") => Ok(ProxyPlan::Environment),
        Some(text) => {
            let url = Url::parse(text).map_err(|error| {
                format!("it is neither \"env\" nor a URL such as http://127.0.0.1:3128: {error}")
            })?;
            if !matches!(url.scheme(), "http" | "https") {
                let scheme = url.scheme();
                return Err(format!("its scheme {scheme:?} must be http or https"));
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err("it must hold no user or password".to_owned());
            }
            Ok(ProxyPlan::Url(url))
        }
    }
}

/// The certificates of a file of authorities; none without a file.
pub(crate) fn authorities(file: Option<&Path>) -> Result<Vec<reqwest::Certificate>, String> {
    let Some(path) = file else {
        return Ok(Vec::new());
    };
    let shown = path.display();
    let pem =
        std::fs::read(path).map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) | Err(_) => Err(format!("the file {shown} holds no certificate (PEM)")),
    }
}
