//! Tries to break the client of a schema registry: registries that do not know, do not answer, send
//! us elsewhere or flood us, and servers that are no registries at all.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, Bytes};
use tidegate_ingest::{
    RegisteredSchema, RegistryConfig, RegistryError, RegistryLogin, SchemaRegistry,
};

use crate::certificates::Authority;
use crate::server::{Reply, Server, Unending, answer};
use crate::support::folder;

/// What a registry says that it answers with.
const JSON: [(&str, &str); 1] = [("content-type", "application/vnd.schemaregistry.v1+json")];

/// A registry with the subject `city/gates-value`, as the API's documentation answers.
fn documented(_: usize, target: &str) -> Reply {
    let (status, body) = match target {
        "/subjects/city%2Fgates-value/versions" => (200, "[1,3]"),
        "/subjects/city%2Fgates-value/versions/1" => (
            200,
            r#"{"subject":"city/gates-value","version":1,"id":17,"schema":"\"string\""}"#,
        ),
        "/subjects/city%2Fgates-value/versions/3" => (
            200,
            r#"{"subject":"city/gates-value","version":3,"id":21,"schemaType":"PROTOBUF",
                "references":[],"schema":"message A {}"}"#,
        ),
        "/subjects/city%2Fgates-value/versions/2" => (
            404,
            r#"{"error_code":40402,"message":"Version 2 not found."}"#,
        ),
        "/schemas/ids/21" => (200, r#"{"schemaType":"PROTOBUF","schema":"message A {}"}"#),
        "/schemas/ids/9" => (
            404,
            r#"{"error_code":40403,"message":"Schema 9 not found"}"#,
        ),
        _ => (
            404,
            r#"{"error_code":40401,"message":"Subject 'x' not found."}"#,
        ),
    };
    answer(status, &JSON, body)
}

fn registry(url: &str) -> SchemaRegistry {
    let config = RegistryConfig {
        timeout: Duration::from_secs(5),
        ..RegistryConfig::new(url)
    };
    SchemaRegistry::new(&config).unwrap()
}

fn schema(id: u32, kind: &str, text: &str) -> RegisteredSchema {
    RegisteredSchema {
        id,
        kind: kind.to_owned(),
        text: text.to_owned(),
    }
}

/// Asks a server that answers every question so; gives the error and how often it was asked.
async fn fails(reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> (String, usize) {
    let server = Server::start(reply).await;
    let asked = registry(&server.url("/api")).versions("a-value").await;
    let error = asked.unwrap_err().to_string();
    let place = server.url("/api/subjects/a-value/versions");
    assert!(
        error.starts_with(&format!("ask the schema registry at {place}: ")),
        "{error}"
    );
    (error, server.requests().len())
}

/// The error of such an answer says all of `wanted`.
async fn check(status: u16, headers: &'static [(&str, &str)], body: &'static str, wanted: &[&str]) {
    let (error, asked) = fails(move |_, _| answer(status, headers, body)).await;
    for wanted in wanted {
        assert!(error.contains(wanted), "{wanted:?} is not in {error}");
    }
    assert_eq!(asked, 1, "{error}");
}

#[tokio::test]
async fn a_registry_says_what_it_has() {
    let server = Server::start(documented).await;
    for base in ["", "/"] {
        let registry = registry(&server.url(base));
        let subject = "city/gates-value";
        assert_eq!(registry.versions(subject).await.unwrap(), Some(vec![1, 3]));
        let version = registry.version(subject, 1).await.unwrap();
        assert_eq!(version, Some(schema(17, "AVRO", "\"string\"")));
        let version = registry.version(subject, 3).await.unwrap();
        assert_eq!(version, Some(schema(21, "PROTOBUF", "message A {}")));
        assert_eq!(registry.version(subject, 2).await.unwrap(), None);
        let by_id = registry.schema(21).await.unwrap();
        assert_eq!(by_id, Some(schema(21, "PROTOBUF", "message A {}")));
        assert_eq!(registry.schema(9).await.unwrap(), None);
        assert_eq!(registry.versions("other-value").await.unwrap(), None);
    }
    let asked = server.requests();
    let accept = asked[0].header("accept").unwrap();
    assert!(accept.starts_with("application/vnd.schemaregistry.v1+json"));
    assert!(
        asked
            .iter()
            .all(|one| one.header("authorization").is_none())
    );
}

#[tokio::test]
async fn the_api_may_begin_below_a_path_and_names_cannot_leave_it() {
    let server = Server::start(|_, _| answer(200, &JSON, "[]")).await;
    let registry = registry(&server.url("/apis/ccompat/v7/"));
    let subject = "../a?b#c d%";
    assert_eq!(registry.versions(subject).await.unwrap(), Some(vec![]));
    for subject in ["", ".", ".."] {
        let error = registry.versions(subject).await.unwrap_err();
        let want = RegistryError::Subject {
            subject: subject.to_owned(),
        };
        assert_eq!(error, want);
    }
    let targets: Vec<String> = server.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(
        targets,
        ["/apis/ccompat/v7/subjects/..%2Fa%3Fb%23c%20d%25/versions"]
    );
}

#[tokio::test]
async fn what_is_no_registry_is_told() {
    let html = &[("content-type", "text/html")];
    let page = "<!DOCTYPE html><title>Sign in</title>";
    let no_registry = "give the URL where its API begins";
    check(200, html, page, &["is a web page", no_registry]).await;
    check(200, &JSON, page, &["is a web page", no_registry]).await;
    check(404, html, page, &["404 Not Found", "web page", no_registry]).await;
    check(
        404,
        &JSON,
        "{}",
        &["404 without an error_code", no_registry],
    )
    .await;
    // A wrong path of a registry's own server.
    let wrong = r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#;
    check(
        404,
        &JSON,
        wrong,
        &["404 without an error_code of a registry"],
    )
    .await;
    check(200, &JSON, "", &["the body is empty", no_registry]).await;
    check(
        200,
        &JSON,
        "[1,",
        &["is not a list of versions: EOF", no_registry],
    )
    .await;
    check(
        200,
        &JSON,
        "{}",
        &["is not a list of versions", no_registry],
    )
    .await;
    check(200, &JSON, "[-1]", &["is not a list of versions"]).await;
    check(
        200,
        &[("content-encoding", "br")],
        "[1]",
        &["\"br\" was not asked for"],
    )
    .await;
}

#[tokio::test]
async fn a_schema_without_an_id_or_text_is_none() {
    for (body, wanted) in [
        (r#"{"schema":"{}"}"#, "a schema without an id"),
        (r#"{"id":1}"#, "is not a schema: missing field `schema`"),
        (
            r#"{"id":4294967296,"schema":"{}"}"#,
            "is not a schema: invalid value",
        ),
    ] {
        let server = Server::start(move |_, _| answer(200, &JSON, body)).await;
        let asked = registry(&server.url("")).version("a", 1).await;
        let error = asked.unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted:?} is not in {error}");
    }
}

#[tokio::test]
async fn refusals_and_failures_keep_what_the_registry_says() {
    let login = "the login is missing, wrong or has no right";
    let body = r#"{"error_code":40101,"message":"Unauthorized"}"#;
    check(401, &JSON, body, &["answer is 401", login]).await;
    check(403, &[], "", &["answer is 403", login]).await;
    let body = r#"{"error_code":50001,"message":"Error in the backend\ndata store"}"#;
    let wanted = "answer is 500: error_code 50001, \"Error in the backend\\ndata store\"";
    check(500, &JSON, body, &[wanted]).await;
    check(
        502,
        &[],
        "<html>bad gateway",
        &["answer is 502: the body is a web page"],
    )
    .await;
    check(
        503,
        &[],
        "later",
        &["answer is 503: and no reason is given"],
    )
    .await;
}

#[tokio::test]
async fn redirects_stay_on_the_registry_s_host() {
    let other = Server::start(documented).await;
    let place = other.url("/subjects?token=secret");
    let (error, asked) = fails(move |_, _| answer(307, &[("location", &place)], "")).await;
    let to = other.url("/subjects");
    assert!(
        error.contains(&format!("it redirects to {to}, and")),
        "{error}"
    );
    assert_eq!((asked, other.requests().len()), (1, 0));
    let (error, asked) = fails(|_, target| answer(308, &[("location", target)], "")).await;
    assert!(error.contains("more than 5 redirects"), "{error}");
    assert_eq!(asked, 6);
    let (error, _) = fails(|_, _| answer(302, &[], "")).await;
    assert!(error.contains("302 Found without a place"), "{error}");
    let server = Server::start(|n, _| match n {
        0 => answer(301, &[("location", "/new/versions")], ""),
        _ => answer(200, &JSON, "[4]"),
    })
    .await;
    let versions = registry(&server.url("")).versions("a").await.unwrap();
    assert_eq!(versions, Some(vec![4]));
    assert_eq!(server.requests()[1].target, "/new/versions");
}

#[tokio::test]
async fn answers_have_an_end() {
    let wanted = "the answer has more than 8388608 bytes";
    let (error, _) = fails(|_, _| {
        let body = Unending {
            piece: Bytes::from(vec![b' '; 1 << 20]),
            pieces: 9,
        };
        answer(200, &JSON, Body::new(body))
    })
    .await;
    assert!(error.contains(wanted), "{error}");
    let (error, _) = fails(|_, _| answer(200, &JSON, vec![b' '; (8 << 20) + 1])).await;
    assert!(error.contains(wanted), "{error}");
}

#[tokio::test]
async fn nobody_is_waited_for_without_end() {
    for pieces in [None, Some(1)] {
        let server = Server::start(move |_, _| {
            let Some(pieces) = pieces else {
                return Reply::Silence;
            };
            let piece = Bytes::from_static(b"[");
            answer(200, &JSON, Body::new(Unending { piece, pieces }))
        })
        .await;
        let config = RegistryConfig {
            timeout: Duration::from_millis(200),
            ..RegistryConfig::new(&server.url(""))
        };
        let registry = SchemaRegistry::new(&config).unwrap();
        let error = registry.schema(1).await.unwrap_err().to_string();
        assert!(error.contains("no whole answer within 0.2 s"), "{error}");
    }
    // A port that nobody has any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let asked = registry(&format!("http://{address}")).schema(1).await;
    let error = asked.unwrap_err().to_string();
    assert!(error.contains("Connection refused"), "{error}");
    assert!(
        error.contains("correct its URL, or see that it runs"),
        "{error}"
    );
}

#[tokio::test]
async fn a_login_goes_to_the_registry_alone_and_is_never_shown() {
    let files = folder(&[
        ("bearer", "Bearer correct-horse-battery\n"),
        ("basic", "Aladdin:open:sesame\n"),
    ]);
    let file = |name: &str| files.path().join(name);
    for (login, wanted) in [
        (
            RegistryLogin::Authorization(file("bearer")),
            "Bearer correct-horse-battery",
        ),
        // RFC 7617: only the first colon ends the user.
        (
            RegistryLogin::Basic(file("basic")),
            "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==",
        ),
    ] {
        let server = Server::start(|n, _| match n {
            0 => answer(307, &[("location", "/again")], ""),
            _ => answer(401, &[], ""),
        })
        .await;
        let config = RegistryConfig {
            login,
            ..RegistryConfig::new(&server.url(""))
        };
        let registry = SchemaRegistry::new(&config).unwrap();
        let error = registry.versions("a").await.unwrap_err();
        let sent = server.requests();
        let sent: Vec<_> = sent.iter().map(|one| one.header("authorization")).collect();
        assert_eq!(sent, [Some(wanted), Some(wanted)]);
        let shown = format!("{registry:?} {error:?} {error}");
        assert!(
            !shown.contains("horse") && !shown.contains("sesame"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_told_before_anybody_is_asked() {
    let files = folder(&[("bearer", "Bearer abc"), ("two", "a\nb"), ("plain", "abc")]);
    let file = |name: &str| files.path().join(name);
    let check = |url: &str, login: RegistryLogin, ca_file: Option<PathBuf>, wanted: &str| {
        let config = RegistryConfig {
            login,
            ca_file,
            ..RegistryConfig::new(url)
        };
        let problem = SchemaRegistry::new(&config).unwrap_err().to_string();
        assert!(problem.starts_with(wanted), "{problem}, not {wanted}");
    };
    let nobody = || RegistryLogin::Nobody;
    let bearer = || RegistryLogin::Authorization(file("bearer"));
    check(
        "registry:8081",
        nobody(),
        None,
        "registry: its scheme \"registry\"",
    );
    check("ftp://h", nobody(), None, "registry: its scheme \"ftp\"");
    let want = "registry: it must hold no user or password; use a file for the login";
    check("https://u:p@h", nobody(), None, want);
    check(
        "https://h/?a=b",
        nobody(),
        None,
        "registry: it must end before its ?",
    );
    let want = "registry: a login goes by https:// or to loopback only";
    check("http://registry.example.org", bearer(), None, want);
    let login = RegistryLogin::Authorization(file("none"));
    check("https://h", login, None, "login: the file");
    let login = RegistryLogin::Authorization(file("two"));
    check("https://h", login, None, "login: the file");
    let login = RegistryLogin::Basic(file("plain"));
    check("https://h", login, None, "login: the file");
    check(
        "https://h",
        bearer(),
        Some(file("plain")),
        "ca_file: the file",
    );
    let config = RegistryConfig {
        proxy: Some("socks5://h".to_owned()),
        ..RegistryConfig::new("https://h")
    };
    let problem = SchemaRegistry::new(&config).unwrap_err().to_string();
    assert!(problem.starts_with("proxy: its scheme"), "{problem}");
}

#[tokio::test]
async fn tls_is_trusted_by_the_authority_that_is_named() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority, documented).await;
    let files = folder(&[("ca.pem", &authority.pem())]);
    let url = server.url("").replace("http://", "https://");
    let asked = registry(&url).versions("city/gates-value").await;
    let error = asked.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(server.requests().len(), 0);
    let config = RegistryConfig {
        ca_file: Some(files.path().join("ca.pem")),
        ..RegistryConfig::new(&url)
    };
    let registry = SchemaRegistry::new(&config).unwrap();
    let versions = registry.versions("city/gates-value").await.unwrap();
    assert_eq!(versions, Some(vec![1, 3]));
}
