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
            "60 hall digest s:firing +1",
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
        &["0 hall alert x:firing", "111 hall repeat c:firing"],
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
