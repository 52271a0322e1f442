//! Every mistake in `ingest.toml` is named with its key, all at once, and no secret is shown.

use std::collections::BTreeSet;

use tidegate_ingest::IngestConfig;

use crate::support::{folder, plan, topics};

const SECRET: &str = "correct-horse-battery";

/// The keys and a part of the message of each problem.
fn check(text: &str, expected: &[(&str, &str)]) {
    let folder = folder(&[
        (
            "good.tokens",
            "0123456789abcdef\n\n# old\nfedcba9876543210\n",
        ),
        ("short.tokens", "0123456789abcdef\n0123456789abcde\n"),
        ("strange.tokens", "0123456789 abcdef\n"),
        ("empty", "\n"),
        ("secret", SECRET),
        ("two-lines", "a\nb\n"),
    ]);
    let problems = match IngestConfig::from_toml(text) {
        Err(problem) => vec![problem],
        Ok(config) => config
            .check(folder.path(), &topics())
            .err()
            .unwrap_or_default(),
    };
    let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{text}\n{found:#?}");
    for (problem, (key, part)) in problems.iter().zip(expected) {
        assert_eq!(problem.key, *key, "{text}\n{problem}");
        assert!(problem.message.contains(part), "{text}\n{problem}");
        assert!(!problem.message.contains(SECRET), "{problem}");
    }
}

#[test]
fn what_is_right_is_taken() {
    check("", &[]);
    check("[receive.feeds.a]\ntoken_file = 'good.tokens'", &[]);
    check("[poll.a]\nurl = 'https://h.example/x?y=z'", &[]);
    check(
        "[poll.a]\nurl = 'https://h.example/x'\nsecret_headers = { Authorization = 'secret' }\n\
         secret_query = { key = 'secret' }\nproxy = 'http://127.0.0.1:3128'\nevery = '1h 30m'",
        &[],
    );
    check(
        "[poll.a]\nurl = 'http://localhost/x'\nsecret_headers = { X-Key = 'secret' }",
        &[],
    );
    check(
        "[mqtt.a]\nhost = '127.0.0.1'\ntopics = ['a/+/b', '#', '$share/g/x']\nusername = 'u'\n\
         password_file = 'secret'",
        &[],
    );
}

#[test]
fn text_that_is_not_a_configuration_is_told_with_its_line() {
    check("[poll", &[("", "line 1")]);
    check(
        "[poll.a]\nurl = 'http://h/'\nevry = '3s'",
        &[("", "line 3: unknown field `evry`")],
    );
    check("[poll.a]\nevery = '3s'", &[("", "missing field `url`")]);
    check("[poll.a]\nurl = 3", &[("", "line 2")]);
    check(
        "[receive.feeds.a]\ntoken = 'x'",
        &[("", "unknown field `token`")],
    );
    check("[mqtt.a]\nhost = 'h'", &[("", "missing field `topics`")]);
}

#[test]
fn mistakes_of_receiving_are_named() {
    let feed = |line: &str| format!("[receive.feeds.a]\n{line}");
    let good = "token_file = 'good.tokens'";
    check("[receive]", &[("receive.feeds", "0 must be from 1")]);
    check(
        &format!("[receive]\nlisten = 'localhost:80'\n{}", feed(good)),
        &[("receive.listen", "localhost:80")],
    );
    check(
        &format!(
            "[receive]\nconnections_max = 0\nbodies_bytes_max = 0\nheader_timeout = '1ms'\n\
             body_timeout = 'soon'\nacknowledge_within = '11m'\nkeys_max = 0\nkeys_kept = '8d'\n{}",
            feed(good)
        ),
        &[
            (
                "receive.acknowledge_within",
                "\"11m\" must be from 50ms to 10m",
            ),
            ("receive.bodies_bytes_max", "0 must be from 1"),
            ("receive.body_timeout", "\"soon\" is not a duration"),
            ("receive.connections_max", "0 must be from 1"),
            ("receive.header_timeout", "50ms"),
            ("receive.keys_kept", "7d"),
            ("receive.keys_max", "0 must be from 1"),
        ],
    );
    let tokens = "receive.feeds.a.token_file";
    check(
        &feed("token_file = 'none'"),
        &[(tokens, "none cannot be read")],
    );
    check(&feed("token_file = 'empty'"), &[(tokens, "0 tokens")]);
    check(
        &feed("token_file = 'short.tokens'"),
        &[(tokens, "line 2 of the file")],
    );
    check(
        &feed("token_file = 'strange.tokens'"),
        &[(tokens, "letters, digits")],
    );
    check(
        &feed(&format!(
            "{good}\nbytes_max = 0\nrequests_per_second = 0.0\nburst = 0"
        )),
        &[
            ("receive.feeds.a.burst", "0 must be from 1"),
            ("receive.feeds.a.bytes_max", "0 must be from 1"),
            (
                "receive.feeds.a.requests_per_second",
                "0 must be from 0.001",
            ),
        ],
    );
    check(
        &feed(&format!("{good}\nrequests_per_second = nan")),
        &[("receive.feeds.a.requests_per_second", "NaN")],
    );
    check(
        &format!("[receive]\nbodies_bytes_max = 10\n{}", feed(good)),
        &[(
            "receive.feeds.a.bytes_max",
            "receive.bodies_bytes_max, which is 10",
        )],
    );
}

#[test]
fn feeds_have_plain_names_and_are_in_the_pipeline() {
    let good = "token_file = 'good.tokens'";
    check(
        &format!("[receive.feeds.'a b']\n{good}\n[receive.feeds.c]\n{good}"),
        &[
            ("receive.feeds.a b", "letters, digits"),
            ("receive.feeds.c", "has no feed \"c\"; it has a, b"),
        ],
    );
}

#[test]
fn mistakes_of_polling_are_named() {
    let poll = |lines: &str| format!("[poll.a]\nurl = 'https://h.example/'\n{lines}");
    check(
        "[poll.a]\nurl = 'h.example'",
        &[("poll.a.url", "not a URL")],
    );
    check(
        "[poll.a]\nurl = 'ftp://h.example'",
        &[("poll.a.url", "\"ftp\" must be http or https")],
    );
    check(
        "[poll.a]\nurl = 'https://u:correct-horse-battery@h.example'",
        &[("poll.a.url", "secret_headers")],
    );
    check(
        "[poll.a]\nurl = 'http://h.example'\nsecret_headers = { X-Key = 'secret' }",
        &[("poll.a.url", "https:// or to loopback")],
    );
    check(&poll("every = '99ms'"), &[("poll.a.every", "100ms")]);
    check(&poll("timeout = '2h'"), &[("poll.a.timeout", "1h")]);
    check(
        &poll("bytes_max = 16777217"),
        &[("poll.a.bytes_max", "to 16777216")],
    );
    check(
        &poll("redirects_max = 21"),
        &[("poll.a.redirects_max", "21")],
    );
    check(&poll("proxy = 'socks5://h'"), &[("poll.a.proxy", "socks5")]);
    check(
        &poll("proxy = 'http://u:p@h'"),
        &[("poll.a.proxy", "no user or password")],
    );
    check(
        &poll("ca_file = 'secret'"),
        &[("poll.a.ca_file", "no certificate")],
    );
    check(
        &poll("content_types = ['json']"),
        &[("poll.a.content_types", "json")],
    );
    check(
        &poll("headers = { Range = 'x' }"),
        &[("poll.a.headers", "Range")],
    );
    check(
        &poll("headers = { 'a b' = 'x' }"),
        &[("poll.a.headers", "a b")],
    );
    check(
        &poll("headers = { authorization = 'Bearer correct-horse-battery' }"),
        &[("poll.a.headers", "use secret_headers")],
    );
    check(
        &poll("secret_headers = { X-A = 'none', X-B = 'two-lines', Host = 'secret' }"),
        &[
            ("poll.a.secret_headers", "none cannot be read"),
            ("poll.a.secret_headers", "two-lines must hold one line"),
            ("poll.a.secret_headers", "\"Host\""),
        ],
    );
    check(
        &poll("secret_query = { k = 'empty' }"),
        &[("poll.a.secret_query", "one line")],
    );
}

#[test]
fn mistakes_of_mqtt_are_named() {
    let mqtt = |lines: &str| format!("[mqtt.a]\nhost = 'h.example'\ntopics = ['t']\n{lines}");
    check(
        "[mqtt.a]\nhost = 'mqtt://h'\ntopics = []",
        &[
            ("mqtt.a.host", "mqtt://h"),
            ("mqtt.a.topics", "0 must be from 1"),
        ],
    );
    check(
        "[mqtt.a]\nhost = 'h'\ntopics = ['a/#/b', 'a+', '']",
        &[
            ("mqtt.a.topics", "\"\""),
            ("mqtt.a.topics", "\"a+\""),
            ("mqtt.a.topics", "\"a/#/b\""),
        ],
    );
    check(&mqtt("port = 0"), &[("mqtt.a.port", "0 must be")]);
    check(&mqtt("keep_alive = '1s'"), &[("mqtt.a.keep_alive", "5s")]);
    check(&mqtt("client_id = ''"), &[("mqtt.a.client_id", "1 to")]);
    check(&mqtt("in_flight_max = 0"), &[("mqtt.a.in_flight_max", "0")]);
    check(
        &mqtt("password_file = 'secret'"),
        &[("mqtt.a.password_file", "needs a username")],
    );
    check(
        &mqtt("username = 'u'\npassword_file = 'secret'"),
        &[(
            "mqtt.a.password_file",
            "by TLS or to loopback only, not to \"h.example\"",
        )],
    );
    check(
        &mqtt("tls = { ca_file = 'secret' }"),
        &[("mqtt.a.tls.ca_file", "PEM")],
    );
    check(
        &mqtt("tls = { ca_file = 'none' }"),
        &[("mqtt.a.tls.ca_file", "none")],
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    check(
        "[receive.feeds.x]\ntoken_file = 'none'\n[poll.a]\nurl = 'x'\nevery = 'y'\n\
         [mqtt.b]\nhost = ''\ntopics = ['t']",
        &[
            ("mqtt.b.host", "host's name"),
            ("poll.a.every", "\"y\""),
            ("poll.a.url", "not a URL"),
            ("receive.feeds.x", "no feed"),
            ("receive.feeds.x.token_file", "none"),
        ],
    );
}

#[test]
fn debug_output_shows_no_secret() {
    let folder = folder(&[("secret", SECRET), ("tokens", SECRET)]);
    let text = "[receive.feeds.a]\ntoken_file = 'tokens'\n\
                [poll.a]\nurl = 'https://h.example/'\nsecret_headers = { X-Key = 'secret' }\n\
                [mqtt.a]\nhost = 'localhost'\ntopics = ['t']\nusername = 'u'\n\
                password_file = 'secret'";
    let plan = plan(text, folder.path());
    let shown = format!("{plan:?}");
    assert!(
        shown.contains("h.example") && !shown.contains(SECRET),
        "{shown}"
    );
}

#[test]
fn a_choice_of_feeds_must_be_there() {
    let folder = folder(&[]);
    let text = "[poll.a]\nurl = 'https://h.example/'\n[poll.b]\nurl = 'https://h.example/'";
    let names = |names: &[&str]| -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    };
    let plan = plan(text, folder.path());
    let one = plan.clone().only(&names(&["b"])).unwrap();
    assert_eq!(one.feeds(), [("b".to_owned(), "topic-b".to_owned())].into());
    let problems = plan.only(&names(&["b", "c", "d"])).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0]
            .to_string()
            .contains("no feed \"c\" is here, but a, b")
    );
}
