//! Mutants: the product with one place broken on purpose, each of which must be caught.
//!
//! They are built in a copy of the workspace that is kept, so that each costs the crates above the
//! broken one and no more. A mutation whose text is not found exactly once is stale, and a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::repo::Repo;

/// The list.
const LIST: &str = "crates/tidegate-world/mutations.toml";

/// Where the table goes.
const REPORT: &str = "docs/RELIABILITY.md";

const BEGIN: &str = "<!-- mutations: begin -->";
const END: &str = "<!-- mutations: end -->";

/// A mutant that runs longer hangs, which is a way of being caught.
const RUN_MAX: Duration = Duration::from_mins(5);

/// One way to break the product.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mutation {
    name: String,
    file: String,
    from: String,
    to: String,
    why: String,
    /// The invariants of which one must catch it.
    expect: Vec<String>,
}

/// How a mutant was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Catch {
    invariant: String,
    seed: String,
    /// Seeds played, the last one included.
    runs: String,
}

/// Breaks the product in every way listed, or in those whose name contains `only`.
pub(super) fn run(
    repo: &Repo,
    only: Option<&str>,
    seeds: Range<u64>,
    report: bool,
) -> Result<ExitCode> {
    let files = repo.files()?;
    let mutations = read(&files)?;
    let target = repo.metadata()?.target_directory;
    let copy = PathBuf::from(target).join("mutants/src");
    synchronize(&files, &copy)?;
    let settings = quickly_built(&files);
    let unharmed = play(
        &super::build(repo, &copy, &settings)?,
        &(seeds.start..seeds.start + 20),
    )?;
    if let Some(catch) = unharmed {
        bail!("the product as it is breaks {catch:?}: mutants prove nothing");
    }
    let mut rows = Vec::new();
    for mutation in &mutations {
        if only.is_some_and(|only| !mutation.name.contains(only)) {
            continue;
        }
        let path = copy.join(&mutation.file);
        let text = String::from_utf8_lossy(&files[&mutation.file]).into_owned();
        fs::write(&path, text.replacen(&mutation.from, &mutation.to, 1))?;
        let built = super::build(repo, &copy, &settings);
        let caught = built.and_then(|program| play(&program, &seeds));
        fs::write(&path, text)?;
        let caught = caught.with_context(|| format!("mutant {}", mutation.name))?;
        println!("{}", line(mutation, caught.as_ref()));
        rows.push((mutation, caught));
    }
    ensure!(!rows.is_empty(), "no mutant is called so");
    let failed = rows
        .iter()
        .filter(|(m, c)| !is_right(m, c.as_ref()))
        .count();
    println!(
        "{} of {} mutants caught as they should be",
        rows.len() - failed,
        rows.len()
    );
    if report {
        let path = repo.root().join(REPORT);
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, with_table(&before, &table(&rows)))?;
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Settings by which building what is above a mutation takes less time than it costs in running it.
///
/// They are for every crate of ours, so that nothing built from the copy is taken for something
/// built from here: cargo tells the two apart by their settings only.
fn quickly_built(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let of = |path: &String| {
        path.strip_prefix("crates/")?
            .split('/')
            .next()
            .map(str::to_owned)
    };
    let packages: BTreeSet<String> = files.keys().filter_map(of).collect();
    let setting = |package| format!("profile.release.package.{package}.opt-level=1");
    packages.into_iter().map(setting).collect()
}

/// The list, each of its entries checked against the file that it breaks.
fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Mutation>> {
    let text = files
        .get(LIST)
        .with_context(|| format!("{LIST} is missing"))?;
    let list: toml::Table = String::from_utf8_lossy(text).parse()?;
    let entries = list.get("mutation").and_then(toml::Value::as_array);
    let mut mutations: Vec<Mutation> = Vec::new();
    for entry in entries.context("the list has no [[mutation]]")? {
        let text = |key: &str| -> Result<String> {
            let value = entry.get(key).and_then(toml::Value::as_str);
            let value = value.with_context(|| format!("{key} is missing in {entry}"))?;
            Ok(value.to_owned())
        };
        let expect = entry.get("expect").and_then(toml::Value::as_array);
        let expect = expect.with_context(|| format!("expect is missing in {entry}"))?;
        let mutation = Mutation {
            name: text("name")?,
            file: text("file")?,
            from: text("from")?,
            to: text("to")?,
            why: text("why")?,
            expect: expect
                .iter()
                .filter_map(|id| id.as_str().map(str::to_owned))
                .collect(),
        };
        let name = &mutation.name;
        ensure!(
            mutations.iter().all(|other| other.name != *name),
            "two mutations are called {name}"
        );
        let file = files.get(&mutation.file);
        let file = file.with_context(|| format!("{name}: {} is missing", mutation.file))?;
        let found = String::from_utf8_lossy(file)
            .matches(&mutation.from)
            .count();
        ensure!(
            found == 1,
            "mutation {name} is stale: its text is found {found} times in {}",
            mutation.file
        );
        mutations.push(mutation);
    }
    Ok(mutations)
}

/// Makes `copy` hold these files and no others; what is equal keeps its time of change.
fn synchronize(files: &BTreeMap<String, Vec<u8>>, copy: &Path) -> Result<()> {
    for (name, bytes) in files {
        let path = copy.join(name);
        if fs::read(&path).is_ok_and(|there| there == *bytes) {
            continue;
        }
        let folder = path.parent().context("a file has a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&path, bytes).with_context(|| format!("failed to write {}", path.display()))?;
    }
    remove_others(files, copy, copy)
}

fn remove_others(files: &BTreeMap<String, Vec<u8>>, copy: &Path, folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(files, copy, &path)?;
        } else if let Ok(name) = path.strip_prefix(copy)
            && !files.contains_key(name.to_string_lossy().as_ref())
        {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Plays seeds until one breaks; `None` when all hold.
fn play(program: &Path, seeds: &Range<u64>) -> Result<Option<Catch>> {
    let mut child = Command::new(program)
        .args(["--seeds", &(seeds.end - seeds.start).to_string()])
        .args(["--from", &seeds.start.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("failed to start the simulator")?;
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > RUN_MAX {
            child.kill()?;
            child.wait()?;
            return Ok(Some(Catch {
                invariant: "hang".to_owned(),
                seed: "-".to_owned(),
                runs: "-".to_owned(),
            }));
        }
        sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(None);
    }
    let words = text.lines().find_map(|line| {
        let (seed, rest) = line.strip_prefix("seed ")?.split_once(" breaks ")?;
        Some((seed.parse::<u64>().ok()?, rest.split(':').next()?))
    });
    let (seed, invariant) = words.with_context(|| format!("the simulator says {text:?}"))?;
    Ok(Some(Catch {
        invariant: invariant.to_owned(),
        seed: seed.to_string(),
        runs: (seed - seeds.start + 1).to_string(),
    }))
}

fn is_right(mutation: &Mutation, caught: Option<&Catch>) -> bool {
    caught.is_some_and(|catch| mutation.expect.contains(&catch.invariant))
}

fn line(mutation: &Mutation, caught: Option<&Catch>) -> String {
    let name = &mutation.name;
    match caught {
        None => format!("{name}: SURVIVES"),
        Some(catch) => {
            let should = if is_right(mutation, caught) {
                String::new()
            } else {
                format!(", NOT by {}", mutation.expect.join(" or "))
            };
            let Catch {
                invariant,
                seed,
                runs,
            } = catch;
            format!("{name}: caught by {invariant}, seed {seed}, after {runs} runs{should}")
        }
    }
}

fn table(rows: &[(&Mutation, Option<Catch>)]) -> String {
    let mut text = String::from(
        "| mutant | what is broken | caught by | seed | runs |\n|---|---|---|---|---|\n",
    );
    for (mutation, caught) in rows {
        let (name, why) = (&mutation.name, &mutation.why);
        let told = match caught {
            None => "**survives** | | |".to_owned(),
            Some(catch) => format!("{} | {} | {} |", catch.invariant, catch.seed, catch.runs),
        };
        writeln!(text, "| `{name}` | {why} | {told}").expect("writing to a String cannot fail");
    }
    text
}

/// `before` with the table between its markers; at its end when it has none.
fn with_table(before: &str, table: &str) -> String {
    let section = format!("{BEGIN}\n{table}{END}");
    if let Some((head, rest)) = before.split_once(BEGIN)
        && let Some((_, tail)) = rest.split_once(END)
    {
        return format!("{head}{section}{tail}");
    }
    let head = if before.is_empty() {
        "# Reliability\n"
    } else {
        before
    };
    format!(
        "{}\n\n## The simulator's checkers bite\n\n\
         Each line is one place of the product broken on purpose, and the invariant whose checker \
         caught it: `cargo xtask sim --mutants --report` writes this table.\n\n{section}\n",
        head.trim_end()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutation_still_fits_its_file() {
        let files = Repo::open().unwrap().files().unwrap();
        let mutations = read(&files).unwrap();
        assert!(mutations.len() >= 12, "{}", mutations.len());
        for mutation in &mutations {
            assert!(!mutation.expect.is_empty(), "{}", mutation.name);
            assert_ne!(mutation.from, mutation.to, "{}", mutation.name);
        }
    }

    #[test]
    fn the_table_goes_between_its_markers() {
        let first = with_table("", "one\n");
        assert!(first.starts_with("# Reliability\n\n## "));
        let other = format!("{first}\n## Crashes\n");
        let second = with_table(&other, "two\n");
        assert_eq!(second, other.replace("one\n", "two\n"));
    }
}
