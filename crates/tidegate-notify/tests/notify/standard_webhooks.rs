//! The reference verifiers of Standard Webhooks, in Python and JavaScript, check what we sign.

use std::path::PathBuf;
use std::process::Command;

use jiff::Timestamp;
use tidegate_notify::Language;
use tidegate_notify::form::webhook::{SigningKey, request};

use crate::support::{SECRET, notice};

const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PACKAGE: &str = "standardwebhooks==1.1.0";

/// Reads lines of JSON and says for each whether the library verifies it.
const VERIFIER: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
for line in sys.stdin:
    case = json.loads(line)
    try:
        Webhook(case["secret"]).verify(case["body"], case["headers"])
        print("yes")
    except WebhookVerificationError as error:
        print("no:", error)
"#;

/// The same in JavaScript.
const VERIFIER_JS: &str = r#"
const { Webhook, WebhookVerificationError } = require("standardwebhooks");
const lines = require("fs").readFileSync(0, "utf8").split("\n");
for (const line of lines.filter((line) => line)) {
    const given = JSON.parse(line);
    try {
        new Webhook(given.secret).verify(given.body, given.headers);
        console.log("yes");
    } catch (error) {
        if (!(error instanceof WebhookVerificationError)) throw error;
        console.log("no:", error.message);
    }
}
"#;

/// Node with the library; `None`, said aloud, where there is none to be had, on a build server too:
/// the one in Python must be there.
fn node() -> Option<Command> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("standardwebhooks-npm-1.1.1");
    std::fs::create_dir_all(&folder).unwrap();
    let node = |script: &str| {
        let mut node = Command::new("node");
        node.args(["-e", script]).current_dir(&folder);
        node
    };
    let works = || {
        let asked = node("require('standardwebhooks')").output();
        asked.is_ok_and(|asked| asked.status.success())
    };
    if !works() {
        let npm = [
            "install",
            "--silent",
            "--no-save",
            "--prefix",
            ".",
            "standardwebhooks@1.1.1",
        ];
        // What came of it is looked at next.
        drop(Command::new("npm").args(npm).current_dir(&folder).output());
    }
    if works() {
        return Some(node(VERIFIER_JS));
    }
    eprintln!("SKIPPED: no standardwebhooks@1.1.1; it needs node, npm and its registry");
    None
}

/// A Python with the library; `None`, said aloud, where there is none to be had.
fn python() -> Option<Command> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("standardwebhooks-1.1.0");
    let python = folder.join("bin/python");
    let works = || {
        let asked = Command::new(&python)
            .args(["-c", "import standardwebhooks"])
            .output();
        asked.is_ok_and(|asked| asked.status.success())
    };
    let verifier = || {
        let mut command = Command::new(&python);
        command.args(["-c", VERIFIER]);
        command
    };
    if works() {
        return Some(verifier());
    }
    let run = |program: &str, args: &[&str]| {
        let done = Command::new(program).args(args).output();
        done.is_ok_and(|done| done.status.success())
    };
    let made = run("python3", &["-m", "venv", folder.to_str().unwrap()]);
    let pip = folder.join("bin/pip");
    let _ = made && run(pip.to_str().unwrap(), &["install", "--quiet", PACKAGE]);
    if works() {
        return Some(verifier());
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "in CI {PACKAGE} must be there"
    );
    eprintln!("SKIPPED: no {PACKAGE}; it needs python3 with venv, and PyPI");
    None
}

fn verify(mut verifier: Command, cases: &[serde_json::Value]) -> Vec<bool> {
    use std::io::Write as _;
    let mut child = verifier
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for case in cases {
        writeln!(input, "{case}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let said: Vec<bool> = text.lines().map(|line| line == "yes").collect();
    assert_eq!(said.len(), cases.len(), "{text}");
    said
}

#[test]
fn the_reference_libraries_verify_what_we_sign_and_nothing_else() {
    let notice = notice("n-1", "a");
    let languages = [Language::Chinese, Language::English];
    let now = Timestamp::now();
    let case =
        |signers: &[&str], secret: &str, at: Timestamp, change: &dyn Fn(&mut serde_json::Value)| {
            let keys: Vec<_> = signers
                .iter()
                .map(|one| SigningKey::read(one).unwrap())
                .collect();
            let request = request(&notice, &languages, &keys, at);
            let headers: std::collections::BTreeMap<_, _> = request.headers.into_iter().collect();
            let body = String::from_utf8(request.body).unwrap();
            let mut case = serde_json::json!({"secret": secret, "headers": headers, "body": body});
            change(&mut case);
            case
        };
    let same = |_: &mut serde_json::Value| {};
    let ed25519 = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let old = now - std::time::Duration::from_hours(1);
    let cases = [
        (case(&[SECRET], SECRET, now, &same), true),
        // While a secret is changed both sign, and either verifies.
        (case(&[OTHER, SECRET], SECRET, now, &same), true),
        (case(&[OTHER, SECRET], OTHER, now, &same), true),
        (case(&[ed25519, SECRET], SECRET, now, &same), true),
        (case(&[OTHER], SECRET, now, &same), false),
        (case(&[ed25519], SECRET, now, &same), false),
        (case(&[SECRET], SECRET, old, &same), false),
        (
            case(&[SECRET], SECRET, now, &|case| {
                let body = case["body"].as_str().unwrap().replace("1.25", "0.25");
                case["body"] = body.into();
            }),
            false,
        ),
        (
            case(&[SECRET], SECRET, now, &|case| {
                case["headers"]["webhook-id"] = "n-2".into();
            }),
            false,
        ),
    ];
    let given: Vec<_> = cases.iter().map(|(case, _)| case.clone()).collect();
    let expected: Vec<_> = cases.iter().map(|(_, expected)| *expected).collect();
    for verifier in [python(), node()].into_iter().flatten() {
        assert_eq!(verify(verifier, &given), expected);
    }
}

/// RFC 8032, section 7.1, has no signature of such a text, so the public key checks.
#[test]
fn ed25519_signatures_verify_by_the_public_key() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
    let seed = [7_u8; 32];
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let both = [seed.as_slice(), public.as_slice()].concat();
    let notice = notice("n-1", "a");
    for secret in [seed.to_vec(), both] {
        let key = SigningKey::read(&format!("whsk_{}", STANDARD.encode(secret))).unwrap();
        let request = request(&notice, &[Language::English], &[key], Timestamp::now());
        let header = |name: &str| {
            let found = request.headers.iter().find(|(known, _)| known == name);
            found.unwrap().1.clone()
        };
        let mut signed = format!("n-1.{}.", header("webhook-timestamp")).into_bytes();
        signed.extend_from_slice(&request.body);
        let signature = header("webhook-signature");
        let signature = STANDARD
            .decode(signature.strip_prefix("v1a,").unwrap())
            .unwrap();
        UnparsedPublicKey::new(&ED25519, &public)
            .verify(&signed, &signature)
            .unwrap();
    }
}
