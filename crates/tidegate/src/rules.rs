//! `tidegate rules`: rules checked, tested, and tried on what was recorded.

mod audit;
mod backtest;
mod change;
mod check;
mod columns;
mod data;
mod edit;
mod events;
mod json;
mod known_now;
mod show;
mod suggest;
mod table;
mod test;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Rules;

/// Where lines of text go.
type Print = fn(&str);

/// Runs the command.
pub(crate) async fn rules(command: &Rules, print: Print) -> Result<ExitCode> {
    match command {
        Rules::Check(args) => check::check(args, print).await,
        Rules::Test(args) => test::test(args, print).await,
        Rules::Backtest(args) => backtest::backtest(args, print).await,
        Rules::Diff(args) => backtest::difference(args, print).await,
        Rules::Suggest(args) => suggest::suggested(args, print).await,
        Rules::Promote(args) => change::promote(args, print).await,
        Rules::Rollback(args) => change::rollback(args, print).await,
        Rules::History(args) => audit::history(args, print).await,
    }
}
