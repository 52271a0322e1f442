//! The command line of `tidegate feed`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use tidegate_model::SiteKind;

/// See [`super::Command::Feed`].
#[derive(Debug, Subcommand)]
pub(crate) enum Feed {
    /// Fetch each URL of `[poll.NAME]` in its own rhythm, until SIGTERM.
    Poll(FeedArgs),
    /// Take what is sent to `POST /feeds/NAME`, until SIGTERM.
    Receive(FeedArgs),
    /// Listen to the brokers of `[mqtt.NAME]`, until SIGTERM.
    Mqtt(FeedArgs),
    /// Ask a schema registry which of its schemas the feeds with wire = "confluent" can read.
    #[command(
        after_help = "Example: tidegate feed schemas pipelines/city --registry https://registry.example.org --basic-auth secrets/registry.login\n\
                      Prints the line schema_ids = […] for each feed's file, and changes nothing. Exit code 1 when schema_ids in a file \
                      has an id that the registry does not know or that the feed cannot read."
    )]
    Schemas(FeedSchemas),
    /// Write the stops of a static GTFS feed or of a NeTEx document as a file of sites.
    #[command(
        after_help = "Example: tidegate feed stops pipelines/city/gtfs/metro.zip --kind transit --out pipelines/city/sites.geojson\n\
                      Stops without coordinates, or at 0,0, are left out and counted."
    )]
    Stops(FeedStops),
}

/// What the commands share that bring feeds into Kafka.
#[derive(Debug, Args)]
pub(crate) struct FeedArgs {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Brokers to ask first.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: String,
    /// Only this feed; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub feed: Vec<String>,
}

/// See [`Feed::Schemas`].
#[derive(Debug, Args)]
pub(crate) struct FeedSchemas {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Where the registry's API begins, without a user or password in it.
    #[arg(long, value_name = "URL")]
    pub registry: String,
    /// Only this feed; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub feed: Vec<String>,
    /// The subject of the one feed that is asked for; by default TOPIC-value.
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// A file that holds the value of the header Authorization, such as `Bearer …`.
    #[arg(long, value_name = "FILE", conflicts_with = "basic_auth")]
    pub authorization: Option<PathBuf>,
    /// A file that holds USER:PASSWORD, or KEY:SECRET, for basic authentication.
    #[arg(long, value_name = "FILE")]
    pub basic_auth: Option<PathBuf>,
    /// A file of certificates (PEM) of authorities that are trusted beside the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// `http://HOST:PORT` of a proxy, or `env` for what the environment names; else none.
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// See [`Feed::Stops`].
#[derive(Debug, Args)]
pub(crate) struct FeedStops {
    /// A static GTFS feed (an archive, its folder, or its stops.txt), or a NeTEx document (XML, or
    /// an archive with one).
    pub source: PathBuf,
    /// The file to write, which a pipeline names as `sites` of its `[reference]`.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What kind of counting point the stops are.
    #[arg(long, default_value = "transit", value_parser = PossibleValuesParser::new(SiteKind::ALL.map(SiteKind::as_str)))]
    pub kind: String,
    /// Only the stops whose id begins so, for instance `NSR:Quay:`.
    #[arg(
        long,
        value_name = "ID_PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    pub prefix: String,
    /// Replace FILE when it is there.
    #[arg(long)]
    pub force: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
