//! The operator's keys: what hangs on which, and moving everything to the first.

use anyhow::{Context, Result, bail};
use app::{PortalScope, keys};
use clap::Subcommand;
use domain::HubId;

use crate::config::Config;
use crate::wiring;

/// What can be done with keys.
#[derive(Subcommand)]
pub enum Command {
    /// Open everything that is sealed and tell what hangs on which key
    Check,
    /// Move everything to the first key; may be interrupted and called again
    Rotate,
    /// Take away the secrets of a portal that cannot be read, because a key is lost; it must be installed anew
    GiveUp {
        /// The portal
        #[arg(long, value_name = "HUB_ID")]
        portal: HubId,
    },
}

/// Runs the command; fails when something cannot be read.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn run(command: Command) -> Result<()> {
    let (app, _) = wiring::app(&Config::from_environment()?)?;
    app.check().await.context("DATABASE_URL")?;
    match command {
        // It is asked when the keys do not do: it must not refuse to start then.
        Command::Check => {
            let report = keys::inspect(&app).await?;
            for key in &report.keys {
                println!("{}", line(key));
            }
            println!("{} secrets open", report.readable);
            for what in &report.unreadable {
                println!("does not open: {what}");
            }
            if !report.is_well() {
                bail!(
                    "some secrets cannot be read with ENCRYPTION_KEYS: put the keys back that they hang on"
                );
            }
        }
        Command::GiveUp { portal } => {
            keys::give_up(&app, PortalScope::from_operator(portal)).await?;
            println!("{portal} is disconnected and has no secrets any more");
        }
        Command::Rotate => {
            keys::check(&app).await.context("ENCRYPTION_KEYS")?;
            let rotated = keys::rotate(&app).await?;
            println!(
                "{} portals and {} organizations moved to the first key",
                rotated.portals, rotated.organizations
            );
            for what in &rotated.unreadable {
                println!("does not open, left as it is: {what}");
            }
            if !rotated.unreadable.is_empty() {
                bail!("some secrets cannot be read with ENCRYPTION_KEYS; `keys check` says more");
            }
        }
    }
    Ok(())
}

fn line(key: &keys::KeyState) -> String {
    let place = match key.place {
        Some(0) => "seals and opens",
        Some(_) => "opens",
        None => "missing",
    };
    let uses = &key.uses;
    format!(
        "{}  {place}: {} portals, {} organizations, {} open setup links",
        uses.key_id, uses.portals, uses.organizations, uses.setup_links
    )
}
