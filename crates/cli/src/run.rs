//! Starting a run from the command line, watching it to its end, and its account.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use app::runs::{Account, Wish};
use app::{PortalScope, runs};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
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
    ///
    /// Exit code: 0 when it succeeded, 3 when it failed, 4 when it was given up, 5 when somebody cancelled it, 1 when it could not be started or watched.
    Start {
        /// The portal
        #[arg(long, value_name = "HUB_ID")]
        portal: HubId,
        /// What it does
        #[arg(long, value_enum)]
        kind: Kind,
        /// For a re-sync: from this day (midnight UTC) or time on; without it everything
        #[arg(long, value_name = "DATE", value_parser = moment)]
        since: Option<DateTime<Utc>>,
        /// Print the account as JSON
        #[arg(long)]
        json: bool,
    },
}

/// The kinds that people start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// All history
    Backfill,
    /// What changed since the last time
    Sync,
    /// Everything since a date once more, written and linked anew
    Resync,
    /// The gifts whose story is not over, in case a change went by unseen
    Sweep,
    /// All orphans
    Reassociate,
}

impl From<Kind> for RunKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Backfill => Self::Backfill,
            Kind::Sync => Self::Sync,
            Kind::Resync => Self::Resync,
            Kind::Sweep => Self::Sweep,
            Kind::Reassociate => Self::Reassociate,
        }
    }
}

const LOOK: Duration = Duration::from_millis(250);

/// A day or a time, for example `2026-11-01` or `2026-11-01T08:00:00Z`.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    text.parse()
        .map_err(|_| "write a day like 2026-11-01 or a time like 2026-11-01T08:00:00Z".to_owned())
}

/// Runs the command.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn run(command: Command) -> Result<ExitCode> {
    let Command::Start {
        portal,
        kind,
        since,
        json,
    } = command;
    if since.is_some() && kind != Kind::Resync {
        bail!("--since is for --kind resync");
    }
    let (app, _) = wiring::checked_app(&Config::from_environment()?).await?;
    let scope = PortalScope::from_operator(portal);
    let wish = Wish {
        kind: kind.into(),
        since,
    };
    let requested = runs::request_by_operator(&app, scope, wish).await?;
    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(
        "{spinner} {msg} {wide_bar} {human_pos}/{human_len}, {elapsed}",
    )?);
    bar.set_message(requested.kind.as_str());
    let account = loop {
        let account = runs::find(&app, scope, requested.id)
            .await?
            .context("the run is gone")?;
        if let Some(total) = account.total {
            bar.set_length(total.unsigned_abs());
        }
        bar.set_position(account.done.unsigned_abs());
        bar.tick();
        if !account.state.is_open() {
            break account;
        }
        tokio::time::sleep(LOOK).await;
    };
    bar.finish_and_clear();
    if json {
        println!("{}", serde_json::to_string_pretty(&account)?);
    } else {
        println!("{}", words(&account));
    }
    Ok(match account.state {
        RunState::Failed => ExitCode::from(3),
        RunState::Dead => ExitCode::from(4),
        RunState::Cancelled => ExitCode::from(5),
        RunState::Queued | RunState::Running | RunState::Succeeded => ExitCode::SUCCESS,
    })
}

/// The account as people read it.
fn words(account: &Account) -> String {
    let counts = &account.counts;
    let took = account.duration().unwrap_or_default();
    let mut lines = vec![format!(
        "{} {} after {:.1} s",
        account.kind.as_str(),
        account.state.as_str(),
        took.as_seconds_f64()
    )];
    if let Some(error) = &account.error {
        lines.push(format!("  because         {error}"));
    }
    if account.kind.reads() {
        lines.push(format!(
            "  read            {} (new {}, changed {}, unchanged {}, malformed {})",
            counts.read, counts.new, counts.changed, counts.unchanged, counts.malformed
        ));
    }
    lines.push(format!(
        "  written         {} (refused {}, made again {})",
        counts.written, counts.refused, counts.remade
    ));
    lines.push(format!(
        "  looked for      {} (without a contact {}, refused {})",
        counts.associated, counts.orphans, counts.unlinked
    ));
    lines.push(format!(
        "  linked          contacts {}, companies {}, deals {}",
        counts.contacts, counts.companies, counts.deals
    ));
    let calls: Vec<String> = counts
        .calls
        .iter()
        .map(|(kind, calls)| format!("{kind} {calls}"))
        .collect();
    lines.push(format!(
        "  HubSpot calls   {}{}",
        counts.total_calls(),
        in_brackets(&calls.join(", "))
    ));
    lines.push(format!(
        "  waited          {:.1} s asked for by HubSpot, {:.1} s for the portal's budget",
        counts.throttled_secs, counts.queued_secs
    ));
    lines.push(format!("  failed          {}", counts.failed()));
    for reason in counts.failures.reasons() {
        let field = reason.field.as_deref().unwrap_or("");
        lines.push(format!(
            "    {} × {} {}{}: {} ({})",
            reason.rows,
            reason.stage.as_str(),
            reason.code,
            if field.is_empty() {
                String::new()
            } else {
                format!(" {field}")
            },
            reason.reason,
            reason.examples.join(", ")
        ));
    }
    lines.join("\n")
}

fn in_brackets(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(" ({text})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_or_a_time_is_read_and_anything_else_is_explained() {
        assert_eq!(
            moment("2026-11-01").unwrap().to_rfc3339(),
            "2026-11-01T00:00:00+00:00"
        );
        assert_eq!(
            moment("2026-11-01T08:00:00Z").unwrap().to_rfc3339(),
            "2026-11-01T08:00:00+00:00"
        );
        assert!(moment("last week").unwrap_err().contains("2026-11-01"));
    }
}
