//! Tries to have a change of rules lost, made twice or made elsewhere by a crash between any two
//! messages, and to have wrong rules taken up.

use std::sync::Arc;

use tidegate_model::{EventTime, FeedId, Payload, Position, Span};
use tidegate_pipeline::{
    AuditEntry, Event, Pipeline, Progress, RuleChange, Snapshot, SnapshotName, Source, Step, Task,
    verify_audit,
};

use crate::support::block_on;

fn rules(fire: f64, more: &str) -> String {
    format!(
        "{more}[[rule]]\nname = \"r\"\nlayer = \"persons\"\nfire_above = {fire:?}\n\
         clear_below = 2.0\nseverity = \"warning\"\nowner = \"duty\"\n\
         title = {{ zh-CN = \"{{name}} {{value}}\", en = \"{{name}} {{value}}\" }}\n\
         do = {{ zh-CN = \"看\", en = \"look\" }}\n"
    )
}

async fn pipeline(rules: &str) -> Arc<Pipeline> {
    let files = [
        (
            "pipeline.toml",
            "name = \"changing\"\n[[window]]\nname = \"w\"\nsize = \"5m\"\n\
             [[layer]]\nname = \"persons\"\non = \"w\"\n",
        ),
        (
            "feeds/gates.toml",
            "format = \"json\"\nunknown_site = \"accept\"\nout_of_orderness = \"0s\"\n\
             interval_max = \"1s\"\nsilent_after = \"9000h\"\n",
        ),
        (
            "windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        ),
        (
            "layers/persons.sql",
            "SELECT 'site' AS subject_kind, site_id AS subject, CAST(persons AS DOUBLE) AS value, \
             'persons' AS unit, 'test/sum@1' AS method FROM w",
        ),
        ("rules.toml", rules),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let loaded = Pipeline::load(&Source::new(files)).await;
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:#?}")))
}

fn at(minute: i64) -> EventTime {
    let start = tidegate_model::parse_rfc3339("2026-03-02T00:00:00Z").unwrap();
    start.plus(Span::minutes(minute))
}

/// What happens: a message with a count for its window, which closes the window of the one before
/// the last, or a change of rules.
#[derive(Debug, Clone)]
enum Act {
    Count(i64),
    Rules(String),
}

fn acts() -> Vec<Act> {
    let mut acts = vec![Act::Rules(rules(5.0, ""))];
    acts.extend([7, 7, 7].map(Act::Count));
    // Above what goes on: nothing is told, and what comes next needs more.
    acts.push(Act::Rules(rules(
        9.0,
        "[change]\nwho = \"duty\"\nreason = \"too loud\"\n",
    )));
    acts.extend([7, 1, 7, 12, 12, 12].map(Act::Count));
    // The rule is gone while its alert is open.
    acts.push(Act::Rules(String::new()));
    acts.extend([12].map(Act::Count));
    acts.push(Act::Rules(rules(5.0, "")));
    acts.extend([12, 1, 1, 1].map(Act::Count));
    acts
}

fn messages() -> Vec<Vec<u8>> {
    let counts = acts().into_iter().filter_map(|act| match act {
        Act::Count(count) => Some(count),
        Act::Rules(_) => None,
    });
    let bytes = |(n, count): (i64, i64)| {
        let start = at(5 * n);
        format!(r#"{{"site":"a","start":"{start}","measure":"in","count":{count}}}"#).into_bytes()
    };
    (0..).zip(counts).map(bytes).collect()
}

fn told(task: &mut Task, told: &mut Vec<String>, audit: &mut Vec<AuditEntry>) {
    while let Some(event) = task.poll_event() {
        match event {
            Event::Alert(alert) => told.push(format!(
                "{} {} {} {}",
                alert.state.as_str(),
                alert.window_end,
                alert.rule_hash,
                alert.id
            )),
            Event::Audit(entry) => {
                told.push(format!("rules {}", entry.number));
                audit.push(*entry);
            }
            _ => {}
        }
    }
}

/// Does the acts from `from` on, each an epoch; gives their progress.
async fn act(
    task: &mut Task,
    from: usize,
    to: usize,
    out: (&mut Vec<String>, &mut Vec<AuditEntry>),
) -> Vec<Progress> {
    let messages = messages();
    let mut epochs = Vec::new();
    let done = |n: usize| {
        acts()[..n]
            .iter()
            .filter(|act| matches!(act, Act::Count(_)))
            .count()
    };
    for (n, act) in acts().into_iter().enumerate().take(to).skip(from) {
        match act {
            Act::Count(_) => {
                let offset = i64::try_from(done(n)).unwrap();
                let payload = Payload {
                    position: Position {
                        partition: 0,
                        offset,
                        row: 0,
                    },
                    bytes: Some(&messages[done(n)]),
                    arrived: None,
                };
                let feed = FeedId::new("gates");
                task.read(&feed, 0, &[payload], offset + 1).await.unwrap();
            }
            Act::Rules(text) => {
                let at = format!("2026-03-02T01:00:{n:02}Z");
                task.change_rules(RuleChange { at, text }).unwrap();
            }
        }
        told(task, out.0, out.1);
        epochs.push(task.end_epoch());
    }
    epochs
}

async fn fresh(rules: &str) -> Task {
    let mut task = Task::new(pipeline(rules).await, 0).await.unwrap();
    task.assign(&FeedId::new("gates"), 0, 0).unwrap();
    task
}

#[test]
fn a_change_is_made_once_and_where_it_was_whatever_crashes() {
    block_on(async {
        let all = acts().len();
        let (mut whole, mut audit) = (Vec::new(), Vec::new());
        let mut task = fresh(&rules(5.0, "")).await;
        let epochs = act(&mut task, 0, all, (&mut whole, &mut audit)).await;
        assert_eq!(verify_audit(&audit), Ok(()));
        let states: Vec<&str> = whole
            .iter()
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(
            states,
            // 7 fires; under 9 it goes on to 1; 12 fires; the rule goes; comes; 12 fires; 1.
            [
                "rules", "firing", "rules", "resolved", "firing", "rules", "resolved", "rules",
                "firing", "resolved"
            ]
        );
        // A snapshot after any act, and the steps since repeated by a process whose folder says
        // something else by now.
        for saved in 0..=all {
            for stop in [saved, (saved + 3).min(all), all] {
                let (mut broken, mut chain) = (Vec::new(), Vec::new());
                let mut task = fresh(&rules(5.0, "")).await;
                act(&mut task, 0, saved, (&mut broken, &mut chain)).await;
                if saved == 0 {
                    continue;
                }
                let snapshot = Snapshot::decode(&task.snapshot().await.unwrap().encode()).unwrap();
                let name = SnapshotName {
                    epoch: u64::try_from(saved).unwrap(),
                    name: "1".to_owned(),
                    bytes: 0,
                    sha256: String::new(),
                };
                act(&mut task, saved, stop, (&mut broken, &mut chain)).await;
                let other = pipeline(&rules(3.0, "")).await;
                let mut task = Task::restore(other, 0, &snapshot, name).await.unwrap();
                for progress in &epochs[saved..stop] {
                    for step in &progress.steps {
                        let bytes = messages();
                        let payloads = match step {
                            Step::Read { from, .. } => vec![Payload {
                                position: Position {
                                    partition: 0,
                                    offset: *from,
                                    row: 0,
                                },
                                bytes: Some(&bytes[usize::try_from(*from).unwrap()]),
                                arrived: None,
                            }],
                            _ => Vec::new(),
                        };
                        task.repeat(step, &payloads).await.unwrap();
                    }
                    task.end_repeated(progress).unwrap();
                }
                act(&mut task, stop, all, (&mut broken, &mut chain)).await;
                assert_eq!(broken, whole, "saved after {saved}, stopped after {stop}");
                assert_eq!(chain, audit);
            }
        }
    });
}

#[test]
fn wrong_rules_leave_those_before_in_force() {
    block_on(async {
        let mut task = fresh(&rules(5.0, "")).await;
        for (wrong, part) in [
            (
                rules(1.0, ""),
                "rules.toml:5: rule[0].clear_below: 2 must be at or below fire_above 1",
            ),
            (rules(5.0, "[change]\nwhom = \"x\"\n"), "whom"),
            (
                rules(5.0, "").replace("\"persons\"", "\"person\""),
                "rests on layer \"person\"",
            ),
            (
                rules(5.0, "") + &rules(6.0, ""),
                "is the name of an earlier rule too",
            ),
            (rules(5.0, "").replace("{value}", "{valeu}"), "{valeu}"),
            (
                rules(
                    5.0,
                    "[[time_interval]]\nname = \"t\"\ntime_zone = \"Mars/Olympus\"\n",
                ),
                "Mars/Olympus",
            ),
            (rules(5.0, "")[..40].to_owned(), "rules.toml"),
        ] {
            let change = RuleChange {
                at: "2026-03-02T01:00:00Z".to_owned(),
                text: wrong.clone(),
            };
            let error = task.change_rules(change).unwrap_err().to_string();
            assert!(error.contains(part), "{wrong}\n{error}");
            assert_eq!(task.runtime().rules_text(), rules(5.0, ""));
            assert!(task.poll_event().is_none());
        }
    });
}
