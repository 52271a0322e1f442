//! Rules about packages and what they depend on.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, Package};

use super::Fault;
use crate::layering::{Below, FENCES, LAYERS};

/// Compares the workspace with the tables of [`crate::layering`].
pub(super) fn layering(metadata: &Metadata) -> Vec<Fault> {
    let mut packages = metadata.workspace_packages();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let names: BTreeSet<_> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut faults = Vec::new();
    for package in packages {
        faults.extend(package_faults(package, &names));
    }
    for (name, _) in LAYERS.iter().filter(|(name, _)| !names.contains(name)) {
        let message = format!("`{name}` is in the table but not in the workspace");
        faults.push(Fault::new("xtask/src/layering.rs", 0, message));
    }
    faults
}

fn package_faults(package: &Package, names: &BTreeSet<&str>) -> Vec<Fault> {
    let name = package.name.as_str();
    let normal = |kind: DependencyKind| kind != DependencyKind::Development;
    let dependencies: Vec<_> = package
        .dependencies
        .iter()
        .map(|dependency| (dependency.name.as_str(), normal(dependency.kind)))
        .collect();
    let mut messages: Vec<_> = directory(package).into_iter().collect();
    messages.extend(below(name, &dependencies, names));
    messages.extend(fenced(name, &dependencies));
    let path = format!("package {name}");
    messages
        .into_iter()
        .map(|message| Fault::new(&path, 0, message))
        .collect()
}

/// A crate below `crates/` is called as its folder.
fn directory(package: &Package) -> Option<String> {
    let folder = package.manifest_path.parent()?;
    let in_crates = folder.parent()?.file_name() == Some("crates");
    (in_crates && folder.file_name() != Some(package.name.as_str()))
        .then(|| format!("its folder is called {folder}; folder and package have one name"))
}

/// Dependencies on our own packages, against the table.
fn below(name: &str, dependencies: &[(&str, bool)], names: &BTreeSet<&str>) -> Vec<String> {
    let allowed = match LAYERS.iter().find(|(layer, _)| *layer == name) {
        None => {
            return vec![
                "it is not in the table of xtask/src/layering.rs; say there what it may depend on"
                    .to_owned(),
            ];
        }
        Some((_, Below::Anything)) => return Vec::new(),
        Some((_, Below::Only(allowed))) => *allowed,
    };
    let below = dependencies.iter().filter(|(on, normal)| {
        // The tests may look at everything, so everything but the table's own direction is banned
        // for the kinds of dependency that end up in the product.
        *normal && names.contains(on) && !allowed.contains(on)
    });
    below
        .map(|(on, _)| format!("it must not depend on `{on}` (see xtask/src/layering.rs)"))
        .collect()
}

/// Dependencies on fenced packages, of any kind.
fn fenced(name: &str, dependencies: &[(&str, bool)]) -> Vec<String> {
    let mut faults = Vec::new();
    for fence in FENCES {
        let uses = dependencies.iter().any(|(on, _)| *on == fence.package);
        if uses && !fence.users.contains(&name) {
            let (package, reason) = (fence.package, fence.reason);
            faults.push(format!("it must not depend on `{package}`: {reason}"));
        }
    }
    faults
}

/// A member's manifest: lints and versions come from the workspace.
pub(super) fn manifest(path: &str, text: &str) -> Vec<Fault> {
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => return vec![Fault::new(path, 0, error.to_string())],
    };
    // A package with a workspace of its own is no member and inherits nothing.
    if table.contains_key("workspace") {
        return Vec::new();
    }
    let inherits = |value: Option<&toml::Value>| {
        let flag = value.and_then(|value| value.get("workspace"));
        flag.and_then(toml::Value::as_bool) == Some(true)
    };
    let mut faults = Vec::new();
    if !inherits(table.get("lints")) {
        let message = "the workspace's lints are not switched on: [lints] workspace = true";
        faults.push(Fault::new(path, 0, message));
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else {
            continue;
        };
        for (name, value) in dependencies {
            if !inherits(Some(value)) {
                let message = format!("the version of `{name}` belongs in the top Cargo.toml");
                faults.push(Fault::new(path, 0, message));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, dependencies: &[(&str, bool)], expected: &[&str]) {
        let names = LAYERS.iter().map(|(name, _)| *name).collect();
        let mut faults = below(name, dependencies, &names);
        faults.extend(fenced(name, dependencies));
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn arrows_point_down() {
        check("tidegate-engine", &[("tidegate-model", true)], &[]);
        check(
            "tidegate-engine",
            &[("tidegate-query", true), ("datafusion", true)],
            &["`tidegate-query`", "`datafusion`"],
        );
        check("tidegate-model", &[("tidegate-risk", true)], &["risk"]);
        check("tidegate-model", &[("tidegate-risk", false)], &[]);
        check(
            "tidegate-tests",
            &[("tidegate", true), ("tokio", true)],
            &[],
        );
        check("tidegate-extra", &[], &["not in the table"]);
    }

    #[test]
    fn fences_hold_for_tests_too() {
        check("tidegate-sim", &[("rdkafka", false)], &["Kafka client"]);
        check("tidegate-connect", &[("rdkafka", true)], &[]);
        check("tidegate-engine", &[("tokio", true)], &["runtime"]);
    }

    #[test]
    fn the_table_has_no_cycle() {
        // Each row may only name rows above it.
        for (index, (name, below)) in LAYERS.iter().enumerate() {
            let Below::Only(below) = below else { continue };
            for on in *below {
                let position = LAYERS.iter().position(|(layer, _)| layer == on);
                assert!(
                    position.unwrap() < index,
                    "{name} names {on} before its row"
                );
            }
        }
    }

    #[test]
    fn manifests_inherit() {
        let good = "[dependencies]\nserde.workspace = true\n[lints]\nworkspace = true\n";
        assert_eq!(manifest("Cargo.toml", good), []);
        let bad = "[dependencies]\nserde = \"1\"\n[dev-dependencies]\nrand = { version = \"1\" }\n";
        assert_eq!(manifest("Cargo.toml", bad).len(), 3);
        assert_eq!(manifest("Cargo.toml", "[").len(), 1);
        let own = format!("[workspace]\n{bad}");
        assert_eq!(manifest("Cargo.toml", &own), []);
    }
}
