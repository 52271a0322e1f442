//! What a live run is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_connect::{
    EpochSinkConfig, GroupProtocol, MembershipConfig, Properties, SnapshotOptions, SnapshotStore,
};
use tidegate_model::FeedId;
use tidegate_pipeline::Pipeline;

use crate::cli::Run;
use crate::drive::to_duration;
use crate::live::reloads::Reloads;
use crate::records::TOPICS;

/// The broker's session of a member in the protocol of KIP-848, unless it is set up otherwise.
const CONSUMER_SESSION: Duration = Duration::from_secs(45);

/// How long an instance may take to finish the epochs of tasks that move.
const REVOKE_WITHIN: Duration = Duration::from_secs(20);

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) bootstrap: String,
    /// Each feed with its topic.
    pub(crate) topics: Vec<(FeedId, String)>,
    pub(crate) pipeline: String,
    /// Where its files are.
    pub(crate) folder: PathBuf,
    pub(crate) progress_topic: String,
    pub(crate) tasks: i32,
    /// A folder or `s3://BUCKET/PREFIX`.
    pub(crate) state: String,
    pub(crate) epoch_every: Duration,
    pub(crate) snapshot_every: Duration,
    pub(crate) keep_snapshots: usize,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) standby: bool,
    pub(crate) from_scratch: bool,
    pub(crate) show_alerts: bool,
    pub(crate) protocol: GroupProtocol,
    pub(crate) instance_id: Option<String>,
    /// How long an instance without a task waits until it is certain that others have them.
    pub(crate) grace: Duration,
    /// Between the control port and the tasks.
    pub(crate) reloads: Arc<Reloads>,
}

impl Settings {
    pub(crate) fn new(args: &Run, pipeline: &Pipeline) -> Result<Self> {
        let protocol = args.group_protocol.into();
        let state = match &args.state {
            Some(state) => state.clone(),
            None => default_state()?,
        };
        Ok(Self {
            bootstrap: args.bootstrap.clone(),
            topics: pipeline.topics(),
            pipeline: pipeline.name.clone(),
            folder: args.pipeline.clone(),
            progress_topic: progress_topic(&pipeline.name),
            tasks: pipeline.tasks,
            state,
            epoch_every: to_duration(args.epoch_every),
            snapshot_every: to_duration(args.snapshot_every),
            keep_snapshots: args.keep_snapshots,
            shutdown_timeout: to_duration(args.shutdown_timeout),
            standby: args.standby,
            from_scratch: args.from_scratch,
            show_alerts: !args.json,
            reloads: Arc::new(Reloads::new()),
            protocol,
            instance_id: args.instance_id.clone(),
            grace: match protocol {
                // Tasks that move come once their owners have released them; and a group whose
                // coordinator died may need a second rebalance.
                GroupProtocol::Classic => REVOKE_WITHIN + Duration::from_secs(10),
                // A member that died is told apart from one that lives only by its session.
                GroupProtocol::Consumer => CONSUMER_SESSION + Duration::from_secs(5),
            },
        })
    }

    /// The writer that one process at a time is.
    pub(crate) fn epoch_sink(&self, task: i32) -> EpochSinkConfig {
        let id = format!("tidegate.{}.{task}", self.pipeline);
        let mut topics: Vec<String> = TOPICS.map(str::to_owned).into();
        topics.push(self.progress_topic.clone());
        EpochSinkConfig::new(&self.bootstrap, &id, topics)
    }

    /// The place in the group that shares the tasks.
    pub(crate) fn membership(&self) -> MembershipConfig {
        let group = format!("tidegate.{}", self.pipeline);
        let mut config = MembershipConfig::new(&self.bootstrap, &group, &self.progress_topic);
        config.protocol = self.protocol;
        config.revoke_within = REVOKE_WITHIN;
        if let Some(id) = &self.instance_id {
            config.properties = Properties::from([("group.instance.id".to_owned(), id.clone())]);
        }
        config
    }

    /// Opens the store of snapshots.
    pub(crate) fn store(&self) -> Result<SnapshotStore> {
        Ok(SnapshotStore::open(
            &self.state,
            &SnapshotOptions::default(),
        )?)
    }

    /// The topic of each feed.
    pub(crate) fn topic_of(&self) -> BTreeMap<&FeedId, &str> {
        self.topics
            .iter()
            .map(|(feed, topic)| (feed, topic.as_str()))
            .collect()
    }
}

/// The topic in which the tasks of a pipeline note their progress.
pub(crate) fn progress_topic(pipeline: &str) -> String {
    format!("tidegate.progress.{pipeline}")
}

/// Where snapshots are kept unless told otherwise (XDG Base Directory Specification).
pub(crate) fn default_state() -> Result<String> {
    let base = match std::env::var_os("XDG_STATE_HOME").filter(|home| !home.is_empty()) {
        Some(home) => PathBuf::from(home),
        None => std::env::home_dir()
            .context("neither XDG_STATE_HOME nor a home folder says where to keep snapshots: give --state")?
            .join(".local/state"),
    };
    let path = base.join("tidegate");
    let path = path
        .to_str()
        .context("the folder for snapshots is not UTF-8: give --state")?;
    Ok(path.to_owned())
}
