//! Where things are: the repository, its files, cargo and the user's cache.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Metadata, MetadataCommand};

/// Variables that `cargo run` adds for this program. A nested cargo must not see them: build
/// scripts that ask cargo to watch one of them would run again, and their crates compile again.
const OF_CARGO_RUN: [&str; 6] = [
    "CARGO_MANIFEST",
    "CARGO_PKG_",
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_PRIMARY_",
    "OUT_DIR",
];

/// The repository this tool belongs to.
#[derive(Debug)]
pub(crate) struct Repo {
    root: PathBuf,
}

impl Repo {
    /// The repository above the working directory: the nearest folder that holds this tool.
    pub(crate) fn open() -> Result<Self> {
        let here = env::current_dir().context("failed to read the working directory")?;
        let root = here
            .ancestors()
            .find(|folder| folder.join("xtask/Cargo.toml").is_file())
            .with_context(|| format!("{} is not inside the repository", here.display()))?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// The top folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the recorded feeds, which may not be there: `data` in `$TIDEGATE_SHARED`, else
    /// in `../shared`.
    pub(crate) fn recorded_data(&self) -> PathBuf {
        let shared = env::var_os("TIDEGATE_SHARED")
            .map_or_else(|| self.root.join("../shared"), PathBuf::from);
        shared.join("data")
    }

    /// A nested cargo that starts in the top folder.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if OF_CARGO_RUN.iter().any(|prefix| name.starts_with(prefix)) {
                cargo.env_remove(name.as_ref());
            }
        }
        cargo
    }

    /// The workspace as cargo sees it, without the packages from registries.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        MetadataCommand::new()
            .manifest_path(self.root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("failed to read the workspace's metadata")
    }

    /// Every file that is or would be committed: path relative to the top, with `/`, and bytes.
    pub(crate) fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let output = Command::new("git")
            .current_dir(&self.root)
            // A checkout may belong to another user, as in containers; reading it is harmless.
            .arg("-c")
            .arg(format!("safe.directory={}", self.root.display()))
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .output()
            .context("failed to start git, which lists the files to check")?;
        ensure!(
            output.status.success(),
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let mut files = BTreeMap::new();
        for name in output.stdout.split(|byte| *byte == 0) {
            let name = String::from_utf8_lossy(name).into_owned();
            let path = self.root.join(&name);
            // A file deleted but not yet committed is listed and absent.
            if path.is_file() {
                let bytes = fs::read(&path).with_context(|| format!("failed to read {name}"))?;
                files.insert(name, bytes);
            }
        }
        Ok(files)
    }
}

/// The folder for downloads and run-time state of this tool, shared by all checkouts of a user.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let base = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(cache), _) if Path::new(&cache).is_absolute() => PathBuf::from(cache),
        (_, Some(home)) => Path::new(&home).join(".cache"),
        _ => bail!("neither XDG_CACHE_HOME nor HOME is set, so there is no cache folder"),
    };
    Ok(base.join("tidegate"))
}

/// The first `program` on the search path.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
