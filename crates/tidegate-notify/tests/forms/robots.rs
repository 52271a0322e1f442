//! Signatures against values that Python's `hmac` computed, answers against those seen, limits.

use serde_json::{Value, json};
use tidegate_notify::form::answer::Answer;
use tidegate_notify::form::{RobotStyle, dingtalk, feishu, wecom};

use crate::fixtures::*;

/// ```python
/// base64.b64encode(hmac.new(f"{ts}\n{s}".encode(), b"", sha256).digest())
/// urllib.parse.quote_plus(base64.b64encode(hmac.new(s.encode(), f"{ts}\n{s}".encode(), sha256).digest()))
/// ```
#[test]
fn signatures_are_those_of_python() {
    let cases = [
        (
            "demo",
            1_599_360_473,
            "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=",
        ),
        (
            "密钥🔑",
            1_795_687_507,
            "xwrRR+9LN3SA4UkDtqTWVOlDPqIfD7rCaf1KMkh+BzI=",
        ),
        ("", 0, "53Dh/MqIJzmbXR1ky1eoAPGAmY2mY/DJucsfzM60KVk="),
    ];
    for (secret, time, expected) in cases {
        assert_eq!(feishu::signature(secret, time), expected);
    }
    let cases = [
        (
            "SECthis is secret",
            1_577_262_236_757,
            "J2qBKLynGZv5uMXAkGgdbSkX8S8Dbkqw1VOS3Ie%2BDF0%3D",
        ),
        (
            "密钥🔑",
            1_795_687_507,
            "HBQXwwNVa7%2BM4UTvJ2xEjZrffD9pivN%2BOZ%2BYmU1Vak8%3D",
        ),
        ("", 0, "Q9tEPDPpqPnAbOT2fNJuW8fHBSbcKNHJA%2FiXNesb6iA%3D"),
    ];
    for (secret, time, expected) in cases {
        assert_eq!(dingtalk::signature(secret, time), expected);
    }
    let signed = dingtalk::request(
        &first(),
        &RobotStyle::default(),
        Some("SECthis is secret"),
        1_577_262_236_757,
    );
    assert_eq!(
        signed.query,
        "&timestamp=1577262236757&sign=J2qBKLynGZv5uMXAkGgdbSkX8S8Dbkqw1VOS3Ie%2BDF0%3D"
    );
}

/// Reads each answer: `d`elivered, `t`ry again, `r`efused.
fn check_answers(read: fn(u16, &[u8]) -> Answer, cases: &[(u16, &str, char)]) {
    for &(status, body, expected) in cases {
        let found = match read(status, body.as_bytes()) {
            Answer::Delivered { .. } => 'd',
            Answer::Retry { .. } => 't',
            Answer::Refused { .. } => 'r',
        };
        assert_eq!(found, expected, "{status} {body}");
    }
}

#[test]
fn answers_of_feishu() {
    let limited = r#"{"code":11232,"data":{},"msg":"frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]"}"#;
    let sign = r#"{"code":19021,"data":{},"msg":"sign match fail or timestamp is not within one hour from current time"}"#;
    let token =
        r#"{"code":19001,"data":{},"msg":"param invalid: incoming webhook access token invalid"}"#;
    let cases = [
        (
            200,
            r#"{"StatusCode":0,"StatusMessage":"success","code":0,"msg":"success"}"#,
            'd',
        ),
        (200, r#"{"StatusCode":0,"StatusMessage":"success"}"#, 'd'),
        (200, limited, 't'),
        (200, r#"{"code":9499,"msg":"too many request"}"#, 't'),
        (
            400,
            r#"{"code":99991400,"msg":"request trigger frequency limit"}"#,
            't',
        ),
        (200, r#"{"code":9499,"msg":"Bad Request","data":{}}"#, 'r'),
        (200, sign, 'r'),
        (400, token, 'r'),
    ];
    check_answers(feishu::answer, &cases);
}

#[test]
fn answers_of_dingtalk() {
    let fast = r#"{"status":1111,"wait":5,"source":"x5","punish":"deny","errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}"#;
    let cases = [
        (200, r#"{"errcode":0,"errmsg":"ok"}"#, 'd'),
        (200, fast, 't'),
        (
            200,
            r#"{"errcode":300001,"errmsg":"token is not exist"}"#,
            'r',
        ),
        (200, r#"{"errcode":310000,"errmsg":"sign not match"}"#, 'r'),
        (200, r#"{"errcode":-1,"errmsg":"系统繁忙"}"#, 't'),
    ];
    check_answers(dingtalk::answer, &cases);
}

#[test]
fn answers_of_wecom() {
    let cases = [
        (200, r#"{"errcode":0,"errmsg":"ok"}"#, 'd'),
        (
            200,
            r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#,
            't',
        ),
        (
            200,
            r#"{"errcode":93000,"errmsg":"invalid webhook url, hint: [1]"}"#,
            'r',
        ),
        (502, "<html>Bad Gateway</html>", 't'),
        (200, "", 't'),
    ];
    check_answers(wecom::answer, &cases);
}

#[test]
fn what_does_not_fit_is_counted() {
    let style = RobotStyle::default();
    let notice = many(500);
    let bodies = [
        (
            feishu::request(&notice, &style, Some("s"), 1),
            feishu::BODY_BYTES_MAX,
        ),
        (
            dingtalk::request(&notice, &style, Some("s"), 1),
            dingtalk::BODY_BYTES_MAX,
        ),
    ];
    for (request, most) in bodies {
        assert!(request.body.len() <= most && request.body.len() > most / 2);
        let text = String::from_utf8(request.body).unwrap();
        assert!(text.contains(&format!("另有 {} 条未显示", request.cut)));
    }
    let request = wecom::request(&notice, &style);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let content = body["markdown"]["content"].as_str().unwrap();
    assert!(content.len() <= wecom::MARKDOWN_BYTES_MAX && content.len() > 2_000);
    assert!(content.ends_with(&format!("另有 {} 条未显示", request.cut)));
}

#[test]
fn names_call_nobody_and_link_nowhere() {
    let bad = "<@all> <at id=all></at> [x](http://evil) *b* @all #h";
    let record =
        record_with(json!({ "name_zh": bad, "title_zh": bad, "text_zh": bad, "owner": bad }));
    let notice = notice(
        tidegate_dispatch::NoticeKind::Alert,
        vec![alert(record, &[])],
    );
    let style = RobotStyle::default();
    for body in [
        dingtalk::request(&notice, &style, None, 0).body,
        wecom::request(&notice, &style).body,
    ] {
        let text = String::from_utf8(body).unwrap();
        for forbidden in ["<@", "<at", "](", "@all", "*b*"] {
            assert!(!text.contains(forbidden), "{forbidden} in {text}");
        }
    }
    let card: Value =
        serde_json::from_slice(&feishu::request(&notice, &style, None, 0).body).unwrap();
    assert_eq!(card["card"]["elements"][0]["text"]["tag"], "plain_text");
}
