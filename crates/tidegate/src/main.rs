//! The `tidegate` command: wiring, event loop, terminal.

mod cli;
mod failpoint;
mod folder;
mod whole_file;

mod records;
mod rows;

mod outputs;
mod progress;

mod drive;
mod live;

mod batch;
mod checkpoint;
mod demo;
mod feed;
mod notify;
mod published;
mod recorded;
mod rejected;
mod replay;
mod rules;
mod run;
mod sql;
mod summary;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use tidegate_pipeline::{Problem, Summary, run_cases};

use crate::cli::{Cli, Command, Folder};
use crate::demo::DemoSummary;
use crate::folder::BadPipeline;

/// `EX_CONFIG` of sysexits.h: something was found in a wrong configuration.
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    if let Some(code) = failpoint::arm() {
        return code;
    }
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // A log in a file is read by programs: colours are for terminals.
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
                tracing_subscriber::EnvFilter::new("warn,rdkafka=off,librdkafka=off")
            }),
        )
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(execute(cli)));
    match result {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "this is where a command reports its failure"
)]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("tidegate: {error:#}");
    if error.downcast_ref::<BadPipeline>().is_some() {
        return ExitCode::from(EXIT_CONFIG);
    }
    ExitCode::FAILURE
}

async fn execute(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Demo(args) => {
            let summary = demo::demo(&args).await?;
            if args.json {
                print_json(&summary)?;
            } else {
                print_demo(&summary);
            }
        }
        Command::Run(args) => {
            for summary in run::run(&args).await? {
                print_summary(&summary, args.json)?;
            }
        }
        Command::Backfill(args) => print_summary(&batch::backfill(&args).await?, args.json)?,
        Command::Replay(args) => {
            let sent = replay::replay(&args).await?;
            if args.json {
                print_json(&sent)?;
            } else {
                for (feed, count) in &sent.sent {
                    print(&format!("{feed}: {count} messages sent"));
                }
            }
        }
        Command::Feed(command) => return feed::feed(&command, print).await,
        Command::Check(args) => return check(&args).await,
        Command::Test(args) => return test(&args).await,
        Command::Rules(command) => return rules::rules(&command, print).await,
        Command::Sql(args) => print(sql::sql(&args).await?.trim_end()),
        Command::Checkpoint(args) => {
            let report = checkpoint::checkpoint(&args).await?;
            if args.place().json {
                print_json(&report.value)?;
            } else {
                print(&report.lines.join("\n"));
            }
            if !report.is_good {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Lake(args) => return published::lake(&args, print).await,
        Command::Summary(args) => print(summary::summary(&args).await?.trim_end()),
        Command::Alerts(command) => return notify::alerts(&command, print).await,
        Command::Silence(command) => return notify::silence(&command, print).await,
        Command::Routes(command) => return notify::routes(&command, print).await,
        Command::Notify(command) => return notify::notify(&command, print).await,
        Command::Rejected(args) => rejected::rejected(&args, print).await?,
        Command::Version { json } => {
            let version = env!("CARGO_PKG_VERSION");
            if json {
                print_json(&serde_json::json!({ "name": "tidegate", "version": version }))?;
            } else {
                print(&format!("tidegate {version}"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(args: &Folder) -> Result<ExitCode> {
    let checked = match folder::load(&args.pipeline).await {
        Ok(pipeline) => feed::check(&args.pipeline, &pipeline)
            .and_then(|()| notify::check_folder(&args.pipeline, &pipeline))
            .map(|_| pipeline),
        Err(error) => Err(error),
    };
    let problems = match checked {
        Ok(pipeline) => {
            if args.json {
                print_json(&serde_json::json!({ "ok": true, "problems": [] }))?;
            } else {
                print(&format!(
                    "{} is good: {} feeds, {} windows, {} layers, {} rules, {} sites, {} venues",
                    pipeline.name,
                    pipeline.feeds.len(),
                    pipeline.windows.len(),
                    pipeline.layers.len(),
                    pipeline.rules.len(),
                    pipeline.reference.sites.len(),
                    pipeline.reference.venues.len()
                ));
            }
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => match error.downcast::<BadPipeline>() {
            Ok(bad) => bad.0,
            Err(error) => return Err(error),
        },
    };
    if !args.json {
        return Err(BadPipeline(problems).into());
    }
    let problems: Vec<_> = problems.iter().map(problem_json).collect();
    print_json(&serde_json::json!({ "ok": false, "problems": problems }))?;
    Ok(ExitCode::from(EXIT_CONFIG))
}

fn problem_json(problem: &Problem) -> serde_json::Value {
    serde_json::json!({
        "file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message,
    })
}

async fn test(args: &Folder) -> Result<ExitCode> {
    let pipeline = folder::load(&args.pipeline).await?;
    let outcomes = run_cases(&pipeline).await.map_err(BadPipeline)?;
    let failed = outcomes
        .iter()
        .filter(|outcome| !outcome.failures.is_empty())
        .count();
    if args.json {
        let cases: Vec<_> = outcomes
            .iter()
            .map(|o| serde_json::json!({ "file": o.file, "name": o.name, "failures": o.failures }))
            .collect();
        print_json(
            &serde_json::json!({ "passed": outcomes.len() - failed, "failed": failed, "cases": cases }),
        )?;
    } else {
        for outcome in &outcomes {
            let mark = if outcome.failures.is_empty() {
                "ok  "
            } else {
                "FAIL"
            };
            print(&format!("{mark} {} — {}", outcome.file, outcome.name));
            for failure in &outcome.failures {
                print(&format!("     {failure}"));
            }
        }
        print(&format!(
            "{} passed, {failed} failed",
            outcomes.len() - failed
        ));
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print_summary(summary: &Summary, json: bool) -> Result<()> {
    if json {
        return print_json(summary);
    }
    print(&format!(
        "{}: {} messages, {} records = {} counted + {} late + {} duplicate + {} rejected",
        summary.pipeline,
        summary.payloads,
        summary.received,
        summary.counted,
        summary.late,
        summary.duplicate,
        summary.rejected
    ));
    for (name, feed) in &summary.feeds {
        for (reason, count) in &feed.rejected {
            print(&format!("  {name}: {count} rejected as {reason}"));
        }
        for (state, count) in &feed.health {
            print(&format!("  {name}: {count} times {state}"));
        }
        for (why, count) in &feed.passed_over {
            print(&format!("  {name}: {count} passed over as {why}"));
        }
        for (what, count) in &feed.references {
            print(&format!("  {name}: {count} {}", what.replace('_', " ")));
        }
        for (kind, count) in &feed.counter_faults {
            print(&format!("  {name}: {count} counter readings: {kind}"));
        }
    }
    for (site, count) in summary.unknown_sites.iter().take(10) {
        print(&format!("  unknown site {site:?}: {count} records"));
    }
    for (name, window) in &summary.windows {
        print(&format!(
            "  {name}: {} windows closed, {} panes",
            window.closed, window.panes
        ));
    }
    for (state, count) in &summary.alerts {
        print(&format!("  alerts {state}: {count}"));
    }
    Ok(())
}

fn print_demo(summary: &DemoSummary) {
    print(&format!(
        "\n{} records = {} counted + {} late + {} duplicate + {} rejected",
        summary.received, summary.counted, summary.late, summary.duplicate, summary.rejected
    ));
    for event in &summary.injected {
        let seen = match event.after_s {
            Some(after) => format!("seen after {:.0} min of event time", after / 60.0),
            None => "NOT SEEN".to_owned(),
        };
        let told = match event.deliveries.len() {
            0 => String::new(),
            notices => format!(", told in {notices} notices"),
        };
        print(&format!(
            "  injected {:<14} {:<28} {seen}{told}",
            event.kind, event.name
        ));
    }
    print(&format!(
        "  alerts: {} raised, {} resolved, {} not injected",
        summary.alerts.fired,
        summary.alerts.resolved,
        summary.alerts.not_injected.len()
    ));
    print(&format!(
        "  notices: {} delivered, {} of them twice",
        summary.delivered.notices, summary.delivered.doubled
    ));
    for alert in &summary.alerts.not_injected {
        print(&format!("    not injected: {alert}"));
    }
    if let Some(first) = summary.first_alert_s {
        print(&format!(
            "  first alert after {first:.1} s, whole day in {:.1} s",
            summary.elapsed_s
        ));
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value)?);
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "this is where a command gives its result"
)]
fn print(text: &str) {
    println!("{text}");
}
