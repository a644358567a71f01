//! Starting a run from the command line and watching it to its end.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use app::{PortalScope, runs};
use clap::{Subcommand, ValueEnum};
use domain::HubId;
use domain::run::{RunKind, RunState};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::wiring;

/// What can be done with runs.
#[derive(Subcommand)]
pub enum Command {
    /// Start a run, wait for its end and print its account
    Start {
        /// The portal
        #[arg(long, value_name = "HUB_ID")]
        portal: HubId,
        /// What it does
        #[arg(long, value_enum)]
        kind: Kind,
    },
}

/// The kinds that people start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// All history
    Backfill,
    /// What changed since the last time
    Sync,
    /// All orphans
    Reassociate,
}

const LOOK: Duration = Duration::from_millis(250);

/// Runs the command.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn run(command: Command) -> Result<()> {
    let Command::Start { portal, kind } = command;
    let (app, _) = wiring::checked_app(&Config::from_environment()?).await?;
    let scope = PortalScope::from_operator(portal);
    let kind = match kind {
        Kind::Backfill => RunKind::Backfill,
        Kind::Sync => RunKind::Sync,
        Kind::Reassociate => RunKind::Reassociate,
    };
    let requested = runs::request_by_operator(&app, scope, kind).await?;
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {msg} {pos}/{len}")?);
    bar.set_message(kind.as_str());
    let account = loop {
        let account = runs::find(&app, scope, requested.id)
            .await?
            .context("the run is gone")?;
        bar.set_length(account.total.unwrap_or(account.done).unsigned_abs());
        bar.set_position(account.done.unsigned_abs());
        if !account.state.is_open() {
            break account;
        }
        tokio::time::sleep(LOOK).await;
    };
    bar.finish_and_clear();
    println!("{}", serde_json::to_string_pretty(&account.counts)?);
    match (account.state, account.error) {
        (RunState::Succeeded, _) => Ok(()),
        (state, error) => bail!(
            "{} {}: {}",
            kind.as_str(),
            state.as_str(),
            error.unwrap_or_default()
        ),
    }
}
