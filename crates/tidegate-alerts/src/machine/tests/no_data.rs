//! What rules say of missing data, and layers that fail: tries to have an alert end that nobody
//! saw end, or a subject raised that nobody has ever heard of.

use super::*;

fn on_no_data(on_no_data: OnNoData, no_data_after: Option<&str>) -> RuleConfig {
    RuleConfig {
        on_no_data,
        no_data_after: no_data_after.map(str::to_owned),
        flap_max: 0,
        ..config("0s", "0s")
    }
}

#[test]
fn resolve_ends_after_a_time_without_data() {
    let resolve = on_no_data(OnNoData::Resolve, None);
    check(&resolve, "4 _ _ _ 4", "F N R . F");
    check(&resolve, "4 _ 4 _ _", "F N C N R");
    check(&resolve, "2 _ _ _", ". . . .");
    check(&on_no_data(OnNoData::Resolve, Some("0s")), "4 _ 4", "F R F");
    check(
        &on_no_data(OnNoData::Resolve, Some("15m")),
        "4 _ null _",
        "F N . R",
    );
    // Too little data is data, and so is a layer that fails: neither ends an alert.
    check(&resolve, "4 0* 0* 0* null* 0", "F S . . . R");
    check(&resolve, "4 _ 0* _ ! _ _", "F N . . E . R");
    let told = play(&mut machine(&resolve), "4 _ _").concat();
    let over = &told[2];
    assert_eq!((over.why, over.threshold), (Why::NoData, None));
    assert!(
        over.text_en
            .starts_with("No data for 10 min: the rule ends")
    );
    assert!(over.text_zh.starts_with("已 10 分钟没有数据"));
    // What was about to be raised ends unheard, unless something was told.
    let slow = RuleConfig {
        hold_for: "1h".to_owned(),
        ..resolve
    };
    check(&slow, "4 _ _ 4", ". N R .");
}

#[test]
fn alert_raises_what_was_heard_before() {
    let alert = on_no_data(OnNoData::Alert, None);
    check(&alert, "2 _ _ _ 2 _ 2", ". . F . R . .");
    check(&alert, "_ _ _ _", ". . . .");
    check(&alert, "null null null", ". . .");
    // A value that calls for it makes it an ordinary alert.
    check(&alert, "2 _ _ 4 3.5 3", ". . F C . R");
    // Between the thresholds: the reason is gone, and nothing else had raised it.
    check(&alert, "2 _ _ 3.5 4", ". . F R F");
    // An open alert is kept, as without the key.
    check(&alert, "4 _ _ _ 4", "F N . . C");
    check(&on_no_data(OnNoData::Alert, Some("5m")), "2 _ 2", ". F R");
    // A value that rests on little is a value.
    check(&alert, "2 2* 2* 2* _ _", ". . . . . F");
    let told = play(&mut machine(&alert), "2 _ _ 2").concat();
    assert_eq!((told[0].why, told[1].why), (Why::NoData, Why::DataIsBack));
    assert_eq!(
        told[0].title_en,
        "Missing data: East Gate Market is crushed: –"
    );
    assert!(
        told[0]
            .text_en
            .starts_with("Data has been missing for 10 min")
    );
    assert!(told[0].text_zh.starts_with("已 10 分钟没有数据"));
    assert_eq!(told[0].data_age, Some(Span::minutes(10)));
    assert!(told[1].text_zh.starts_with("数据已恢复"));
}

#[test]
fn alert_raises_what_is_about_to_be_raised() {
    let slow = RuleConfig {
        hold_for: "1h".to_owned(),
        keep_firing_for: "5m".to_owned(),
        ..on_no_data(OnNoData::Alert, None)
    };
    check(&slow, "4 _ _ _", ". N F .");
    check(&slow, "4 _ _ 2 2 2", ". N F C R .");
    // Too little is believed nowhere, and is no silence.
    check(&slow, "4 2* 2* 2*", ". S . .");
}

#[test]
fn a_layer_that_fails_is_told_once_and_clears_nothing() {
    for policy in [OnNoData::Keep, OnNoData::Alert, OnNoData::Resolve] {
        let rule = on_no_data(policy, None);
        check(&rule, "4 ! ! ! ! 4 2", "F E . . . C R");
        check(&rule, "4 ! ! 2", "F E . R");
        check(&rule, "2 ! ! !", ". . . .");
    }
    let keep = on_no_data(OnNoData::Keep, None);
    // Two kinds of darkness, each told once.
    check(&keep, "4 _ ! _ ! 5", "F N E . . C");
    check(&keep, "4 ! _ 5", "F E N C");
    // The gap counts towards `for`, and not towards `keep_firing_for`.
    let slow = RuleConfig {
        hold_for: "10m".to_owned(),
        keep_firing_for: "10m".to_owned(),
        ..keep
    };
    check(&slow, "4 ! 4 2 2 ! 2 2 2", ". E F . . E C . R");
    let told = play(&mut machine(&slow), "4 4 4 !").concat();
    assert!(told[1].text_en.starts_with("Layer density could not be"));
    assert!(told[1].text_zh.starts_with("图层 density 本时段计算失败"));
}

#[test]
fn subjects_beyond_the_limit_are_counted() {
    let mut machine = machine(&on_no_data(OnNoData::Alert, None)).with_subjects_max(1);
    let at = end(0);
    machine.observe(
        "density",
        at,
        &[row("b", at, Some(1.0)), row("a", at, Some(1.0))],
    );
    assert_eq!(machine.forgotten(), 1);
    machine.observe("density", end(1), &[]);
    let told = machine.observe("density", end(2), &[]);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].subject, "a");
}
