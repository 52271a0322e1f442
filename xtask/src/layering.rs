//! Which crate may depend on which, as data. `cargo xtask tidy` compares it with the manifests.
//!
//! Dependencies point down: the binary, then ingest, then connect beside pipeline, then query,
//! engine, alerts and feeds, then model and risk. A new crate or a new arrow is a decision: change
//! the table in the same commit and say why in its message.

/// What one package may depend on within the workspace, not counting `[dev-dependencies]`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Below {
    /// Whatever it likes: nothing depends on it.
    Anything,
    /// These and no others.
    Only(&'static [&'static str]),
}

/// Every package of the workspace.
pub(crate) const LAYERS: &[(&str, Below)] = &[
    ("tidegate-model", Below::Only(&[])),
    ("tidegate-risk", Below::Only(&[])),
    ("tidegate-feeds", Below::Only(&["tidegate-model"])),
    ("tidegate-engine", Below::Only(&["tidegate-model"])),
    ("tidegate-alerts", Below::Only(&["tidegate-model"])),
    (
        "tidegate-dispatch",
        Below::Only(&["tidegate-alerts", "tidegate-model"]),
    ),
    // The only crate that speaks HTTP and SMTP to the outside.
    (
        "tidegate-notify",
        Below::Only(&["tidegate-alerts", "tidegate-dispatch", "tidegate-model"]),
    ),
    (
        "tidegate-query",
        Below::Only(&["tidegate-model", "tidegate-risk"]),
    ),
    (
        "tidegate-pipeline",
        Below::Only(&[
            "tidegate-alerts",
            "tidegate-engine",
            "tidegate-feeds",
            "tidegate-model",
            "tidegate-query",
            "tidegate-risk",
        ]),
    ),
    ("tidegate-connect", Below::Only(&["tidegate-model"])),
    (
        "tidegate-ingest",
        Below::Only(&["tidegate-connect", "tidegate-model"]),
    ),
    ("tidegate-sim", Below::Only(&["tidegate-model"])),
    (
        "tidegate-world",
        Below::Only(&[
            "tidegate-alerts",
            "tidegate-engine",
            "tidegate-model",
            "tidegate-pipeline",
            "tidegate-sim",
        ]),
    ),
    (
        "tidegate",
        Below::Only(&[
            "tidegate-alerts",
            "tidegate-connect",
            "tidegate-dispatch",
            "tidegate-engine",
            "tidegate-feeds",
            "tidegate-ingest",
            "tidegate-model",
            "tidegate-notify",
            "tidegate-pipeline",
            "tidegate-query",
            "tidegate-risk",
            "tidegate-sim",
        ]),
    ),
    // The scoreboard calls the methods of risk on what the product computed of recorded feeds.
    (
        "xtask",
        Below::Only(&[
            "tidegate-feeds",
            "tidegate-model",
            "tidegate-risk",
            "tidegate-sim",
        ]),
    ),
    ("tidegate-tests", Below::Anything),
];

/// A package from a registry that only some of ours may use, in any kind of dependency.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fence {
    /// The package from the registry.
    pub(crate) package: &'static str,
    /// Who may use it.
    pub(crate) users: &'static [&'static str],
    /// Why nobody else may.
    pub(crate) reason: &'static str,
}

/// Who may listen on ports and speak HTTP and MQTT.
const INGEST: &[&str] = &["tidegate-ingest"];

/// Who may speak HTTP to others, and TLS.
const CLIENTS: &[&str] = &["tidegate-ingest", "tidegate-notify"];

/// Every fenced package.
pub(crate) const FENCES: &[Fence] = &[
    Fence {
        package: "rdkafka",
        users: &["tidegate-connect"],
        reason: "one crate knows the Kafka client, and its C build stays out of the others",
    },
    Fence {
        package: "rdkafka-sys",
        users: &["tidegate-connect"],
        reason: "one crate knows the Kafka client, and its C build stays out of the others",
    },
    Fence {
        package: "datafusion",
        users: &[
            "tidegate-query",
            "tidegate-pipeline",
            "tidegate",
            "tidegate-tests",
        ],
        reason: "the engine asks for a query by value and never runs one",
    },
    Fence {
        package: "tokio",
        users: &[
            "tidegate-query",
            "tidegate-pipeline",
            "tidegate-connect",
            "tidegate-ingest",
            "tidegate-notify",
            "tidegate",
            "tidegate-tests",
        ],
        reason: "core crates have no runtime; connect drives one for its object store, and waits in \
                 ingest's for acknowledgements",
    },
    Fence {
        package: "axum",
        users: INGEST,
        reason: "one crate is a server or a client on the network, besides Kafka's",
    },
    Fence {
        package: "hyper",
        users: INGEST,
        reason: "one crate is a server or a client on the network, besides Kafka's",
    },
    Fence {
        package: "reqwest",
        users: CLIENTS,
        reason: "one crate asks others for data and one tells them, besides Kafka's",
    },
    Fence {
        package: "rumqttc",
        users: INGEST,
        reason: "one crate is a server or a client on the network, besides Kafka's",
    },
    Fence {
        package: "rustls",
        users: CLIENTS,
        reason: "one crate asks others for data and one tells them, besides Kafka's",
    },
    Fence {
        package: "lettre",
        users: &["tidegate-notify"],
        reason: "one crate tells others, besides Kafka's",
    },
    Fence {
        package: "rusqlite",
        users: &["tidegate-notify"],
        reason: "one crate keeps an outbox, and SQLite's C build stays out of the others",
    },
    Fence {
        package: "anyhow",
        users: &["tidegate", "xtask", "tidegate-tests"],
        reason: "libraries name their errors",
    },
    Fence {
        package: "clap",
        users: &["tidegate", "xtask"],
        reason: "only programs have a command line",
    },
    Fence {
        package: "indicatif",
        users: &["tidegate"],
        reason: "only the product draws on the terminal",
    },
    Fence {
        package: "tracing-subscriber",
        users: &["tidegate"],
        reason: "libraries emit events, the program decides where they go",
    },
    Fence {
        package: "nix",
        users: &["xtask", "tidegate", "tidegate-tests"],
        reason: "automation, tests and the fail points send signals; the product as it is released \
                 asks nothing of the system that std does not offer",
    },
];

/// The one source file that may hold `unsafe` code.
pub(crate) const UNSAFE_FILE: &str = "crates/tidegate-connect/src/batch.rs";

/// What may stand at the top of the repository.
pub(crate) const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitattributes",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "STYLE.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "deploy",
    "docs",
    "fuzz",
    "pipelines",
    "rust-toolchain.toml",
    "schemas",
    "tests",
    "xtask",
];

/// What must stand there.
pub(crate) const REQUIRED: &[&str] = &[
    ".ci/run",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "STYLE.md",
    "clippy.toml",
    "rust-toolchain.toml",
];
