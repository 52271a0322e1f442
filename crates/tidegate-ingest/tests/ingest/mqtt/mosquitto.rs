//! A real mosquitto with TLS and a password, and a client that publishes to it.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::Packet;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, TlsConfiguration, Transport};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::support::LONG;

const PASSWORD: &str = "password-of-the-test";

/// A broker on a free port of loopback, until dropped.
pub(crate) struct Mosquitto {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Mosquitto {
    /// `None`, said aloud, where mosquitto is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(binary) = binary() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI mosquitto must be there"
            );
            eprintln!("SKIPPED: no mosquitto; install Debian's package `mosquitto`");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let authority = Authority::new();
        let (certificate, key) = authority.loopback();
        write("ca.pem", &authority.pem());
        write("server.pem", &certificate.pem());
        write("server.key", &key.serialize_pem());
        write("password", PASSWORD);
        let port = free_port();
        write("mosquitto.conf", &settings(folder.path(), port));
        let made = Command::new("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(folder.path().join("users"))
            .args(["tidegate", PASSWORD])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let child = spawn(binary, folder.path(), port);
        Some(Self {
            folder,
            port,
            child,
        })
    }

    /// Ends it in good order and starts it anew with what it had stored.
    pub(crate) fn restart(&mut self) {
        let pid = self.child.id().to_string();
        let ended = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(ended.success());
        self.child.wait().unwrap();
        self.child = spawn(binary().unwrap(), self.folder.path(), self.port);
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `ingest.toml` for the feed `a`.
    pub(crate) fn config(&self, lines: &str) -> String {
        format!(
            "[mqtt.a]\nhost = '127.0.0.1'\nport = {}\ntls = {{ ca_file = 'ca.pem' }}\n\
             username = 'tidegate'\npassword_file = 'password'\n{lines}",
            self.port
        )
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn binary() -> Option<&'static str> {
    // Debian puts it where only an administrator's path leads.
    ["/usr/sbin/mosquitto", "mosquitto"]
        .into_iter()
        .find(|name| {
            let asked = Command::new(name).arg("-h").output();
            asked.is_ok()
        })
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn settings(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "user root\n\
         persistence true\n\
         persistence_location {folder}/\n\
         max_queued_messages 0\n\
         allow_anonymous false\n\
         password_file {folder}/users\n\
         listener {port} 127.0.0.1\n\
         cafile {folder}/ca.pem\n\
         certfile {folder}/server.pem\n\
         keyfile {folder}/server.key\n"
    )
}

fn spawn(binary: &str, folder: &Path, port: u16) -> Child {
    let log = File::create(folder.join("log")).unwrap();
    let mut child = Command::new(binary)
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
        .stdout(Stdio::from(log.try_clone().unwrap()))
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = child.try_wait().unwrap();
        let log = || fs::read_to_string(folder.join("log")).unwrap();
        assert!(ended.is_none(), "mosquitto ended: {}", log());
        assert!(
            started.elapsed() < LONG,
            "mosquitto does not listen: {}",
            log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// A client that publishes with quality 1 and waits until the broker has each message.
pub(crate) struct Publisher {
    client: AsyncClient,
    events: EventLoop,
}

impl Publisher {
    pub(crate) async fn connect(mosquitto: &Mosquitto) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = mosquitto.folder().join("ca.pem");
        roots
            .add(CertificateDer::from_pem_file(authority).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut options = MqttOptions::new("publisher", "127.0.0.1", mosquitto.port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                Arc::new(tls),
            )))
            .set_credentials("tidegate", PASSWORD)
            .set_max_packet_size(10_000_000, 10_000_000);
        let (client, events) = AsyncClient::new(options, 10);
        let mut publisher = Self { client, events };
        publisher
            .until(|event| matches!(event, Event::Incoming(Packet::ConnAck(_))))
            .await;
        publisher
    }

    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) {
        let waiting = async {
            loop {
                let event = self.events.poll().await.unwrap();
                if wanted(&event) {
                    return;
                }
            }
        };
        tokio::time::timeout(LONG, waiting).await.unwrap();
    }

    pub(crate) async fn publish(&mut self, topic: &str, text: &str) {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, text)
            .await
            .unwrap();
        self.until(|event| matches!(event, Event::Incoming(Packet::PubAck(_))))
            .await;
    }

    pub(crate) async fn disconnect(mut self) {
        self.client.disconnect().await.unwrap();
        self.until(|event| matches!(event, Event::Outgoing(rumqttc::Outgoing::Disconnect)))
            .await;
    }
}
