//! `cargo xtask fuzz`: coverage-guided fuzzing of the decoders with libFuzzer, on stable Rust.
//!
//! The compiler's coverage pass is switched on by its flags alone, as `cargo fuzz` does it without a
//! sanitizer; the crate `fuzz` links libFuzzer. A corpus begins with the recorded files of the
//! format, where they are, and grows under the target folder. An input that breaks a decoder is
//! left there and named; put it into a test before mending the decoder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::repo::Repo;

/// The formats and the recorded files that their corpora begin with: folder and end of the name.
const FORMATS: &[(&str, &[(&str, &str)])] = &[
    ("json", &[]),
    ("mapped_json", &[]),
    ("csv", &[]),
    ("csv_gbk", &[]),
    (
        "gtfs_realtime",
        &[
            ("gtfsrt_small", ".pb"),
            ("gtfsrt_mbta", ".pb"),
            ("gtfsrt_nyct/ace", ".pb"),
        ],
    ),
    ("gtfs_realtime_json", &[("gtfsrt_small", ".pb.json")]),
    ("siri", &[("siri_et", ".xml")]),
    ("protobuf", &[]),
    ("arrow", &[]),
];

/// What libFuzzer needs of the compiler: counters and a table of places, and compared values.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1";

/// The longest input, in bytes: the recorded messages of New York fit.
const INPUT_BYTES_MAX: u64 = 160 << 10;

/// The most memory of a run, in MiB.
const MEMORY_MIB_MAX: u64 = 1_024;

/// Fuzzes each format for so many seconds; all formats when none is named.
pub(crate) fn run(repo: &Repo, format: Option<&str>, seconds: u64) -> Result<()> {
    let chosen: Vec<_> = FORMATS
        .iter()
        .filter(|(name, _)| format.is_none_or(|format| format == *name))
        .collect();
    let known: Vec<_> = FORMATS.iter().map(|(name, _)| *name).collect();
    ensure!(!chosen.is_empty(), "the formats are {}", known.join(", "));
    let folder = repo
        .metadata()?
        .target_directory
        .join("fuzz")
        .into_std_path_buf();
    let triple = "x86_64-unknown-linux-gnu";
    let mut build = repo.cargo();
    build
        .args([
            "build",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target",
            triple,
        ])
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTFLAGS", FLAGS);
    ensure!(build.status()?.success(), "the crate fuzz does not build");
    let binary = folder.join(triple).join("release/decode");
    for (name, recorded) in chosen {
        let corpus = folder.join("corpus").join(name);
        begin(repo, &corpus, recorded)?;
        println!("==> {name}, {seconds} s");
        let status = std::process::Command::new(&binary)
            .env("TIDEGATE_FUZZ_FORMAT", name)
            .arg(&corpus)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .arg(format!("-artifact_prefix={}/{name}-", folder.display()))
            .args(["-timeout=10", "-print_final_stats=1", "-verbosity=0"])
            .status()
            .with_context(|| format!("failed to start {}", binary.display()))?;
        ensure!(
            status.success(),
            "{name}: an input breaks the decoder, see above"
        );
    }
    Ok(())
}

/// Puts the recorded files into the corpus, and an empty input when there is nothing.
fn begin(repo: &Repo, corpus: &Path, recorded: &[(&str, &str)]) -> Result<()> {
    fs::create_dir_all(corpus)?;
    let shared = std::env::var_os("TIDEGATE_SHARED")
        .map_or_else(|| repo.root().join("../shared"), PathBuf::from);
    for (folder, end) in recorded {
        let Ok(entries) = fs::read_dir(shared.join("data").join(folder)) else {
            println!("SKIPPED: no recorded files {folder}/*{end}");
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.ends_with(end) {
                let bytes = fs::read(&path)?;
                fs::write(corpus.join(name), bytes)?;
            }
        }
    }
    let examples = repo
        .root()
        .join("fuzz/seeds")
        .join(corpus.file_name().unwrap_or_default());
    if let Ok(entries) = fs::read_dir(examples) {
        for entry in entries {
            let path = entry?.path();
            fs::write(
                corpus.join(path.file_name().unwrap_or_default()),
                fs::read(&path)?,
            )?;
        }
    }
    Ok(())
}
