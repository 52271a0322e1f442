//! CAP messages as files in a folder, and an Atom feed of the newest.
//!
//! A message is the file `{identifier}.xml`, the feed is `feed.atom`. Each file is written beside
//! its place, is on disk, and is then renamed, so that nobody reads half of one. The same notice
//! gives the same identifiers and bytes, so a retry, or a try after a kill, writes nothing twice.
//! The channel never deletes a message: later ones refer to it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tidegate_dispatch::Notice;

use crate::deliver::{Deliver, Delivering, Outcome, Tried};
use crate::form::atom::{self, AtomConfig};
use crate::form::cap::{self, CapConfig, CapMessage, Places};

/// The name of the feed.
pub const FEED_FILE: &str = "feed.atom";
/// Longest identifier, so that every file system has room for its name.
const IDENTIFIER_BYTES_MAX: usize = 200;
/// Largest file that is read as a message of ours.
const MESSAGE_BYTES_MAX: u64 = 1024 * 1024;

/// A folder of CAP messages.
#[derive(Clone)]
pub struct CapChannel(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    config: CapConfig,
    feed: AtomConfig,
    feed_max: usize,
    places: Arc<dyn Places + Send + Sync>,
    /// The newest messages of the folder, by time and identifier; `None` until they were read.
    newest: Mutex<Option<BTreeMap<(Timestamp, String), CapMessage>>>,
}

impl std::fmt::Debug for CapChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CapChannel").field(&self.0.folder).finish()
    }
}

impl CapChannel {
    /// Messages into `folder`, which is made where it is missing, with the newest `feed_max` in the
    /// feed.
    pub fn new(
        folder: PathBuf,
        config: CapConfig,
        (feed, feed_max): (AtomConfig, usize),
        places: Arc<dyn Places + Send + Sync>,
    ) -> Self {
        Self(Arc::new(Inner {
            folder,
            config,
            feed,
            feed_max,
            places,
            newest: Mutex::new(None),
        }))
    }
}

impl Inner {
    fn write(&self, notice: &Notice, now: Timestamp) -> Outcome {
        let messages = cap::messages(notice, &self.config, &*self.places);
        if messages.is_empty() {
            // A summary or a digest warns of nothing.
            return Outcome::Delivered;
        }
        let long = |message: &&CapMessage| message.identifier.len() > IDENTIFIER_BYTES_MAX;
        if let Some(message) = messages.iter().find(long) {
            let length = message.identifier.len();
            return Outcome::refused(format!(
                "the identifier has {length} bytes, {IDENTIFIER_BYTES_MAX} are allowed"
            ));
        }
        match self.write_all(messages, now) {
            Ok(()) => Outcome::Delivered,
            Err(error) => Outcome::retry(format!("folder {}: {error}", self.folder.display())),
        }
    }

    fn write_all(&self, messages: Vec<CapMessage>, now: Timestamp) -> std::io::Result<()> {
        // One writer at a time, a try that was given up included.
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(&self.folder)?;
        for message in &messages {
            replace(
                &self.folder,
                &format!("{}.xml", message.identifier),
                &message.xml,
            )?;
        }
        let newest = match &mut *newest {
            Some(newest) => newest,
            empty => empty.insert(found_in(&self.folder, self.feed_max)?),
        };
        for message in messages {
            keep(newest, message, self.feed_max);
        }
        let all: Vec<CapMessage> = newest.values().cloned().collect();
        replace(&self.folder, FEED_FILE, &atom::feed(&self.feed, &all, now))
    }
}

/// Keeps a message among the newest. A feed has whole seconds, and so has what is read from files.
fn keep(newest: &mut BTreeMap<(Timestamp, String), CapMessage>, message: CapMessage, most: usize) {
    let second = Timestamp::from_second(message.sent.as_second()).unwrap_or(message.sent);
    let kept = CapMessage {
        sent: second,
        // The file has it.
        xml: Vec::new(),
        ..message
    };
    newest.insert((second, kept.identifier.clone()), kept);
    while newest.len() > most {
        newest.pop_first();
    }
}

/// The newest messages of a folder: of the files that were written last, twice as many as are
/// wanted are read, so that a large folder is no burden.
fn found_in(
    folder: &Path,
    most: usize,
) -> std::io::Result<BTreeMap<(Timestamp, String), CapMessage>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        let Ok(meta) = fs::metadata(&path) else {
            continue;
        };
        let is_message = path.extension().is_some_and(|ending| ending == "xml") && !is_hidden;
        if is_message && meta.is_file() && meta.len() <= MESSAGE_BYTES_MAX {
            files.push((meta.modified()?, path));
        }
    }
    files.sort_unstable_by(|a, b| b.cmp(a));
    let mut newest = BTreeMap::new();
    for (_, path) in files.into_iter().take(2 * most) {
        let message = fs::read(&path).ok().and_then(|xml| cap::read(&xml));
        // A file that somebody else put there is not ours to announce.
        let is_named = |message: &CapMessage| {
            path.file_stem()
                .is_some_and(|stem| stem == message.identifier.as_str())
        };
        if let Some(message) = message.filter(is_named) {
            keep(&mut newest, message, most);
        }
    }
    Ok(newest)
}

/// Makes `bytes` the content of a file, whole and on disk, unless they are so already.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let place = folder.join(name);
    if fs::read(&place).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let beside = folder.join(format!(".{name}.new"));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, &place)?;
    File::open(folder)?.sync_all()
}

impl Deliver for CapChannel {
    fn deliver<'a>(&'a self, notice: &'a Notice, now: Timestamp) -> Delivering<'a> {
        let (inner, notice) = (Arc::clone(&self.0), notice.clone());
        Box::pin(async move {
            let work = tokio::task::spawn_blocking(move || inner.write(&notice, now));
            let ended = work.await;
            Tried::from(ended.unwrap_or_else(|error| Outcome::retry(error.to_string())))
        })
    }
}
