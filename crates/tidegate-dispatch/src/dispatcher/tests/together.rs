//! Storms, inhibitions, silences and escalation that meet. Tries to have one of them lose what
//! another held.

use super::*;

/// One notice a minute; a critical station keeps its cells quiet.
const STORM: &str = "
    [[inhibit]]
    source = { rule = 'station', severity_min = 'critical' }
    target = { severity_max = 'warning' }
    equal = 'subject=station'
    [[route]]
    name = 'default'
    channels = ['hall']
    group_wait = '0s'
    [storm]
    notices_per_minute = 1
";

#[test]
fn an_all_clear_that_a_storm_held_is_told_though_inhibited() {
    check(
        STORM,
        "0 firing c warning subject=c1
         5 firing s critical rule=station subject=st1
         10 resolved c warning subject=c1
         99 end",
        &[
            "0 hall alert c:firing",
            "60 hall digest s:firing c:resolved",
        ],
    );
}

#[test]
fn what_a_storm_held_and_a_source_kept_quiet_is_told_at_the_end_of_the_source() {
    check(
        STORM,
        "0 firing x warning subject=x1 station=st9
         5 firing c warning subject=c1
         10 firing s critical rule=station subject=st1
         200 resolved s critical rule=station subject=st1
         999 end",
        &[
            "0 hall alert x:firing",
            "60 hall digest s:firing",
            "200 hall alert s:resolved",
            "260 hall digest c:firing",
        ],
    );
}

#[test]
fn what_became_better_and_worse_again_goes_on_up() {
    check(
        DUTIES,
        "0 firing a
         700 eased a info
         2000 escalated a warning
         9999 end",
        &[
            "30 mail alert a:firing grid@example.org",
            "630 mail escalation a:firing street@example.org",
            "630 sms escalation a:firing street@example.org",
            "730 mail alert a:eased grid@example.org street@example.org",
            "730 sms alert a:eased street@example.org",
            "2000 mail alert a:escalated grid@example.org street@example.org",
            "2000 sms alert a:escalated street@example.org",
            "2600 sms escalation a:escalated city@example.org",
        ],
    );
}

#[test]
fn who_takes_an_alert_that_nobody_heard_of_does_not_end_its_telling() {
    check(
        STORM,
        "0 firing x warning subject=x1 station=st9
         5 firing c warning subject=c1 station=st9
         10 ack c
         11 silence c1 100
         999 end",
        &["0 hall alert x:firing", "111 hall alert c:firing"],
    );
}

#[test]
fn a_newer_record_is_judged_anew() {
    // `check` compares with what is restored after each step.
    let toml = STORM.replace("'0s'", "'30s'");
    check(
        &toml,
        "0 firing c warning subject=c1
         40 firing s critical rule=station subject=st1
         50 no_data c warning subject=c1
         340 end
         350 flapping c critical subject=c1
         999 end",
        &[
            "30 hall alert c:firing",
            "90 hall digest s:firing",
            "380 hall digest c:flapping",
        ],
    );
}

#[test]
fn who_takes_an_alert_is_told_what_a_storm_held_and_a_silence_muted() {
    check(
        STORM,
        "0 firing c warning subject=c1 station=st9
         60 firing x warning subject=x1 station=st9
         70 escalated c critical subject=c1 station=st9
         80 ack c
         90 silence c1 100
         999 end",
        &[
            "0 hall alert c:firing",
            "60 hall alert x:firing",
            "190 hall alert c:escalated",
        ],
    );
}

#[test]
fn who_takes_an_alert_is_told_what_a_storm_held_and_a_source_kept_quiet() {
    check(
        STORM,
        "0 firing c warning subject=c1
         60 firing x warning subject=x1 station=st9
         400 firing y warning subject=y1 station=st9
         401 eased c watch subject=c1
         405 ack c
         410 firing s critical rule=station subject=st1
         600 resolved s critical rule=station subject=st1
         999 end",
        &[
            "0 hall alert c:firing",
            "60 hall alert x:firing",
            "400 hall alert y:firing",
            "460 hall digest s:firing",
            "600 hall alert s:resolved",
            "660 hall digest c:eased",
        ],
    );
}

#[test]
fn who_takes_an_alert_is_not_told_the_repeat_that_a_storm_held() {
    let toml = STORM.replace("'0s'", "'0s'\nrepeat_interval = '10m'");
    check(
        &toml,
        "0 firing c warning subject=c1 station=st9
         599 firing x warning subject=x1 station=st9
         610 ack c
         999 end",
        &["0 hall alert c:firing", "599 hall alert x:firing"],
    );
}

#[test]
fn what_was_over_while_it_was_silenced_is_no_example() {
    check(
        STORM,
        "0 firing x warning subject=x1 station=st9
         5 firing c warning subject=c1 station=st9
         10 silence c1 100
         20 resolved c warning subject=c1 station=st9
         999 end",
        &["0 hall alert x:firing"],
    );
    // The silence came after the end: the number waits until something can be shown with it.
    check(
        STORM,
        "0 firing x warning subject=x1 station=st9
         5 firing c warning subject=c1 station=st9
         10 resolved c warning subject=c1 station=st9
         20 silence c1 200
         61 firing d warning subject=d1 station=st9
         65 firing e warning subject=e1 station=st9
         999 end",
        &[
            "0 hall alert x:firing",
            "61 hall alert d:firing",
            "120 hall digest e:firing +1",
        ],
    );
}

#[test]
fn a_silenced_end_leaves_no_digest_behind() {
    // `check` compares the deadlines with those of what is restored.
    check(
        STORM,
        "0 firing c warning subject=c1 station=st9
         60 firing x warning subject=x1 station=st9
         70 escalated c critical subject=c1 station=st9
         75 silence c1 100
         80 resolved c critical subject=c1 station=st9
         999 end",
        &["0 hall alert c:firing", "60 hall alert x:firing"],
    );
}

#[test]
fn only_what_a_digest_counts_was_held_back() {
    let silenced = "0 firing x warning subject=x1
         5 firing c warning subject=c1
         10 silence c1 100
         99 end";
    let check = |toml: &str, steps: &str, expected: (u64, u64, u64)| {
        let mut dispatcher = dispatcher(toml);
        for line in steps.lines() {
            step(&mut dispatcher, line, &mut Vec::new());
            check_laws(&dispatcher);
        }
        let it = dispatcher.totals();
        assert_eq!((it.told, it.held_back, dispatcher.waiting()), expected);
    };
    // No digest is sent: what is muted waits.
    check(STORM, silenced, (1, 0, 1));
    check(STORM, &format!("{silenced}\n200 end"), (2, 0, 0));
    let over = "\n50 resolved c warning subject=c1\n200 end";
    check(
        STORM,
        &silenced.replace("\n         99 end", over),
        (1, 0, 0),
    );
    // One is shown, one is counted.
    let storm = "0 firing x\n10 firing c warning rule=q\n20 firing d critical rule=r\n60 end";
    let few = format!("{STORM}alerts_per_notice = 1");
    check(&few, storm, (2, 1, 0));
    // One was over before it could be shown.
    check(
        STORM,
        "0 firing x\n5 firing c warning rule=q\n9 resolved c warning rule=q",
        (1, 1, 0),
    );
}
