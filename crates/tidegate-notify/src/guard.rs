//! Which addresses a request may reach: none inside, unless the operator named the host.
//!
//! Whoever can write a URL or change a name's addresses must not get at what only this machine or
//! its network can reach (server-side request forgery). Names are looked up once, what they say is
//! judged, and the connection goes to exactly what was judged. The ranges are those of the IANA
//! special-purpose registries (RFC 6890).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Hosts that may be reached at internal addresses and without TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowed(Vec<(String, Option<u16>)>);

impl Allowed {
    /// Reads entries such as `host`, `host:9093`, `10.0.0.1` or `[::1]:80`.
    ///
    /// # Errors
    /// The entry that is none, and what to write.
    pub fn new<T: AsRef<str>>(entries: &[T]) -> Result<Self, String> {
        let read = |entry: &T| {
            let entry = entry.as_ref();
            // A URL parser knows all forms of hosts; the port is kept even where it is the usual.
            let url = Url::parse(&format!("tidegate://{entry}/")).ok();
            let plain = url.filter(|url| {
                url.path() == "/" && url.query().is_none() && url.username().is_empty()
            });
            let host = plain.as_ref().and_then(Url::host_str);
            let host = host.filter(|host| !host.is_empty() && !host.contains(['*', '%', '@']));
            let host = host.ok_or_else(|| {
                format!("{entry:?} must be a host or HOST:PORT, such as alertmanager.internal:9093")
            })?;
            Ok((canonical(host), plain.as_ref().and_then(Url::port)))
        };
        entries
            .iter()
            .map(read)
            .collect::<Result<_, String>>()
            .map(Self)
    }

    /// Whether a host was named, for this port or for all.
    pub fn has(&self, host: &str, port: u16) -> bool {
        let host = canonical(host);
        self.0
            .iter()
            .any(|(known, of)| *known == host && of.is_none_or(|of| of == port))
    }

    /// Whether the host of a URL was named.
    pub(crate) fn has_url(&self, url: &Url) -> bool {
        let port = url.port_or_known_default().unwrap_or_default();
        url.host_str().is_some_and(|host| self.has(host, port))
    }
}

fn canonical(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Why a URL must not be asked, as far as it says so itself: plain HTTP, or an internal address.
///
/// # Errors
/// What is wrong and what to do.
pub(crate) fn judge(url: &Url, allowed: &Allowed) -> Result<(), String> {
    if allowed.has_url(url) {
        return Ok(());
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    if let Ok(address) = host.trim_matches(['[', ']']).parse()
        && let Some(range) = internal(address)
    {
        return Err(Refused(host.to_owned(), address, range).to_string());
    }
    if url.scheme() != "https" {
        return Err(format!(
            "the scheme of {host} is {:?}; write https, or name \"{host}:{port}\" in allow_internal",
            url.scheme()
        ));
    }
    Ok(())
}

/// An address that was refused: the host, the address, its range.
#[derive(Debug, Clone)]
pub(crate) struct Refused(String, IpAddr, &'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host, address, range) = self;
        write!(
            f,
            "refused to connect to {host}: {address} is {range}; if it is meant, name {host:?} in \
             allow_internal"
        )
    }
}

impl std::error::Error for Refused {}

/// What kind of internal address it is; `None` for one of the public internet.
pub fn internal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => internal_v4(address),
        IpAddr::V6(address) => internal_v6(address),
    }
}

fn internal_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("unspecified"),
        [127, ..] => Some("a loopback address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("a private address"),
        [169, 254, ..] => Some("a link-local address"),
        [100, 64..=127, ..] => Some("a shared address (carrier-grade NAT)"),
        [224..=239, ..] => Some("a multicast address"),
        [192, 0, 0, _] | [198, 18..=19, ..] | [192, 88, 99, _] | [240..=255, ..] => {
            Some("a reserved address")
        }
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some("an address for documentation")
        }
        _ => None,
    }
}

fn internal_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        // What stands for an IPv4 address is refused whatever that address is: a server at a
        // public one has a name with a public one.
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => {
            Some("an IPv4 address inside an IPv6 one")
        }
        [0x64, 0xff9b, ..] => Some("a NAT64 address"),
        [0x2002, ..] | [0x2001, 0, ..] => Some("a 6to4 or Teredo address"),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xfe80..=0xfeff, ..] => Some("a link-local address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        [0x100, 0, 0, 0, ..] | [0x5f00, ..] => Some("a reserved address"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("an address for documentation"),
        _ => None,
    }
}

/// Looks names up, and lets through what may be reached.
#[derive(Debug, Clone)]
pub(crate) struct GuardedResolver {
    lookup: Lookup,
    guarded: Guarded,
}

/// Whether what was looked up is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// Only addresses of the public internet get through.
    Yes,
    /// The operator named the host, or a proxy looks it up.
    No,
}

/// How a name is looked up.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    /// By the system.
    System,
    /// Every name has these addresses: for tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests say what names mean"))]
    Fixed(Arc<[IpAddr]>),
}

impl GuardedResolver {
    pub(crate) fn new(lookup: Lookup, guarded: Guarded) -> Self {
        Self { lookup, guarded }
    }

    /// What a name means, as far as it may be reached.
    pub(crate) async fn addresses(
        self,
        host: String,
    ) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
        let found: Vec<SocketAddr> = match &self.lookup {
            Lookup::System => tokio::net::lookup_host((host.as_str(), 0)).await?.collect(),
            Lookup::Fixed(list) => list.iter().map(|ip| SocketAddr::new(*ip, 0)).collect(),
        };
        if self.guarded == Guarded::No {
            return Ok(Box::new(found.into_iter()));
        }
        let mut refused = None;
        let mut open = Vec::new();
        for address in found {
            match internal(address.ip()) {
                None => open.push(address),
                Some(range) => refused = Some(Refused(host.clone(), address.ip(), range)),
            }
        }
        match refused {
            Some(refused) if open.is_empty() => Err(refused.into()),
            _ => Ok(Box::new(open.into_iter())),
        }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.clone().addresses(name.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_is_told_from_outside() {
        for (text, expected) in [
            ("0.0.0.0", true),
            ("0.1.2.3", true),
            ("10.255.255.255", true),
            ("100.63.255.255", false),
            ("100.64.0.0", true),
            ("100.127.255.255", true),
            ("100.128.0.0", false),
            ("127.0.0.1", true),
            ("127.255.255.254", true),
            ("169.254.169.254", true),
            ("172.15.255.255", false),
            ("172.16.0.1", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.168.0.1", true),
            ("198.18.0.1", true),
            ("203.0.113.7", true),
            ("224.0.0.1", true),
            ("255.255.255.255", true),
            ("8.8.8.8", false),
            ("::", true),
            ("::1", true),
            ("::7f00:1", true),
            ("::ffff:127.0.0.1", true),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::7f00:1", true),
            ("64:ff9b:1::1", true),
            ("2002:7f00:1::", true),
            ("2001:0:1::", true),
            ("fc00::1", true),
            ("fdff::1", true),
            ("fe80::1", true),
            ("fec0::1", true),
            ("ff02::1", true),
            ("2001:db8::1", true),
            ("2606:4700::1111", false),
            ("2400:3200::1", false),
        ] {
            let address = text.parse().unwrap();
            assert_eq!(internal(address).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn urls_that_lead_inside_are_refused_unless_named() {
        let named = Allowed::new(&["am.internal:9093", "10.1.2.3", "[::1]:80", "LOCALHOST"]);
        let named = named.unwrap();
        for (url, expected) in [
            ("https://hooks.example.org/a", true),
            ("http://hooks.example.org/a", false),
            ("https://127.0.0.1/", false),
            ("https://2130706433/", false),
            ("https://0x7f.1/", false),
            ("https://[::ffff:10.0.0.1]/", false),
            ("https://[::1]/", false),
            ("http://[::1]/", true),
            ("http://10.1.2.3:7/", true),
            ("http://am.internal:9093/", true),
            ("http://AM.internal.:9093/", true),
            ("http://am.internal/", false),
            ("http://localhost:1234/", true),
        ] {
            let judged = judge(&Url::parse(url).unwrap(), &named);
            assert_eq!(judged.is_ok(), expected, "{url}: {judged:?}");
        }
        for wrong in ["", "a b", "*.internal", "http://x", "x/y", "x:99999", "u@x"] {
            assert!(Allowed::new(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn names_that_mean_something_inside_are_refused() {
        for (list, guarded, expected) in [
            (vec!["10.0.0.1"], Guarded::Yes, None),
            (vec!["::ffff:127.0.0.1", "127.0.0.1"], Guarded::Yes, None),
            (vec!["10.0.0.1", "8.8.8.8"], Guarded::Yes, Some("8.8.8.8:0")),
            (vec!["10.0.0.1"], Guarded::No, Some("10.0.0.1:0")),
        ] {
            let list: Vec<IpAddr> = list.iter().map(|ip| ip.parse().unwrap()).collect();
            let resolver = GuardedResolver::new(Lookup::Fixed(list.into()), guarded);
            let got = resolver.resolve("metadata.example".parse().unwrap()).await;
            let got = got.map(|all| all.map(|one| one.to_string()).collect::<Vec<_>>());
            if let Some(one) = expected {
                assert_eq!(got.unwrap(), [one]);
            } else {
                let message = got.unwrap_err().to_string();
                assert!(message.contains("metadata.example"), "{message}");
                assert!(message.contains("allow_internal"), "{message}");
            }
        }
    }
}
