//! Who is told and how, as a pipeline folder says it: `routes.toml`, `channels.toml` and the tree of
//! grid units.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use tidegate_dispatch::{GridTree, GridUnit, Plan};
use tidegate_notify::{ChannelsConfig, ChannelsPlan};
use tidegate_pipeline::{Pipeline, Problem};

use crate::folder::{self, BadPipeline};
use crate::live::default_state;

/// Who is told of which alert.
pub(crate) const ROUTES: &str = "routes.toml";
/// What names the file of the grid units.
const MAIN: &str = "pipeline.toml";
/// How they are told.
pub(crate) const CHANNELS: &str = "channels.toml";

/// A folder whose routes and channels were found good.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) plan: Plan,
    pub(crate) channels: ChannelsPlan,
}

impl Setup {
    /// The names of the channels, in the order of the file.
    pub(crate) fn channel_names(&self) -> Vec<String> {
        let channels = self.channels.channels.iter();
        channels.map(|channel| channel.name.clone()).collect()
    }
}

/// Reads and checks a folder.
pub(crate) async fn load(folder: &Path) -> Result<Setup> {
    let pipeline = folder::load(folder).await?;
    let text = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| {
            let path = path.display();
            format!(
                "{path} cannot be read: it says who is told of alerts; see docs/guide/routing.md"
            )
        })
    };
    let (routes, channels) = (text(ROUTES)?, text(CHANNELS)?);
    Ok(check(pipeline, &routes, &channels, folder).map_err(BadPipeline)?)
}

/// Checks the routes and channels of a folder; gives them, where it has any.
pub(crate) fn check_folder(folder: &Path, pipeline: &Arc<Pipeline>) -> Result<Option<Setup>> {
    let text = |name: &str| match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{name} cannot be read")),
    };
    let missing = |file: &str, other: &str| {
        let message = format!("is missing: {other} alone tells nobody");
        Err(BadPipeline(vec![Problem::new(file, "", message)]).into())
    };
    match (text(ROUTES)?, text(CHANNELS)?) {
        (None, None) => Ok(None),
        (Some(_), None) => missing(CHANNELS, ROUTES),
        (None, Some(_)) => missing(ROUTES, CHANNELS),
        (Some(routes), Some(channels)) => {
            let setup = check(Arc::clone(pipeline), &routes, &channels, folder);
            Ok(Some(setup.map_err(BadPipeline)?))
        }
    }
}

/// Checks the two texts against the pipeline; relative paths are within `folder`.
pub(crate) fn check(
    pipeline: Arc<Pipeline>,
    routes: &str,
    channels: &str,
    folder: &Path,
) -> Result<Setup, Vec<Problem>> {
    let mut problems = Vec::new();
    let channels = ChannelsConfig::from_toml(channels).and_then(|config| config.check(folder));
    let channels = channels.unwrap_or_else(|found| {
        problems.extend(found.into_iter().map(|found| Problem {
            file: CHANNELS.to_owned(),
            line: found.line,
            key: found.key,
            message: found.message,
        }));
        ChannelsPlan {
            channels: Vec::new(),
            warnings: Vec::new(),
        }
    });
    let channels_are_known = problems.is_empty();
    let names: Vec<&str> = channels.channels.iter().map(|c| c.name.as_str()).collect();
    let unit = |unit: &tidegate_model::GridUnit| GridUnit {
        id: unit.id.clone(),
        parent: unit.parent.clone(),
        name_zh: unit.name_zh.clone(),
        name_en: unit.name_en.clone(),
    };
    let units = pipeline.reference.grid_units.iter().map(unit).collect();
    let tree = GridTree::try_new(units);
    let tree_is_known = tree.is_ok();
    let tree = tree.unwrap_or_else(|found| {
        let problem = |found: tidegate_dispatch::Problem| {
            Problem::new(MAIN, "reference.grid_units", found.to_string())
        };
        problems.extend(found.into_iter().map(problem));
        GridTree::default()
    });
    match Plan::from_toml(routes, tree, &names) {
        Ok(plan) if channels_are_known && tree_is_known => {
            return Ok(Setup {
                pipeline,
                plan,
                channels,
            });
        }
        Ok(_) => {}
        // Without the channels' names none of them is known, and without the tree no unit is.
        Err(found) => problems.extend(
            found
                .into_iter()
                .filter(|found| channels_are_known || !found.key.ends_with("channels"))
                .filter(|found| tree_is_known || !found.key.ends_with("grid_unit"))
                .map(|found| Problem::new(ROUTES, &found.key, found.message).at(found.line)),
        ),
    }
    Err(problems)
}

/// The file of the outbox of a pipeline, whose folder is made.
pub(crate) fn outbox_path(state: Option<&Path>, pipeline: &str) -> Result<PathBuf> {
    let state = match state {
        Some(state) => state.to_owned(),
        None => PathBuf::from(default_state()?),
    };
    let folder = state.join("notify");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder.join(format!("{pipeline}.db")))
}

/// A folder of our own, which is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        let now = jiff::Timestamp::now().as_nanosecond();
        let name = format!("tidegate-{}-{now}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the system's to remove: it is in its folder for such things.
        std::fs::remove_dir_all(&self.0).ok();
    }
}
