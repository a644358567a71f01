//! Whether what was done stands as it was written.

use anyhow::{Result, anyhow, bail};
use app::App;
use app::PortalScope;
use app::chain::{self, Chain, End, Noted, Of};
use clap::Subcommand;
use domain::HubId;

use crate::config::Config;
use crate::wiring;

/// What can be done with the audit trail.
#[derive(Subcommand)]
pub enum Command {
    /// Recompute the chains over acts and writes, and name the first line that is not as it was written
    Verify {
        /// The portal; without one all of them, and the operator's own acts
        #[arg(long, value_name = "HUB_ID")]
        portal: Option<HubId>,
        /// An end that was noted before, as the log and this command print it: of one of the portal's chains, or without
        /// a portal of the operator's own acts. May be given several times
        #[arg(long, value_name = "NUMBER:HASH:SIGNATURE")]
        expect: Vec<End>,
    },
}

/// Runs the command; fails when a chain is broken.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn run(command: Command) -> Result<()> {
    let Command::Verify { portal, expect } = command;
    let (app, _) = wiring::checked_app(&Config::from_environment()?).await?;
    let noted = Noted::sort(&app, portal, &expect).map_err(|end| {
        let whose = portal.map_or_else(
            || "the operator's".into(),
            |hub_id| format!("portal {hub_id}'s"),
        );
        anyhow!(
            "{end} was not signed as an end of {whose} chains with a key that is in ENCRYPTION_KEYS"
        )
    })?;
    let portals = match portal {
        Some(hub_id) => vec![PortalScope::from_operator(hub_id)],
        None => chain::portals(&app).await?,
    };
    let mut broken = 0;
    for scope in portals {
        let (verdict, hub_id) = (chain::verify(&app, scope, &noted).await?, scope.hub_id());
        println!("portal {hub_id}");
        println!("  {}", line(&app, Of::Acts(hub_id), &verdict.acts));
        println!("  {}", line(&app, Of::Writes(hub_id), &verdict.writes));
        broken += usize::from(!verdict.is_whole());
    }
    if portal.is_none() {
        let acts = chain::verify_operator(&app, &noted).await?;
        println!("operator\n  {}", line(&app, Of::Operator, &acts));
        broken += usize::from(acts.broken.is_some());
    }
    if broken > 0 {
        bail!("{broken} of the trails are not as they were written");
    }
    Ok(())
}

fn line(app: &App, of: Of, chain: &Chain) -> String {
    let (what, unit) = match of {
        Of::Acts(_) | Of::Operator => ("acts", "act"),
        Of::Writes(_) => ("writes to HubSpot", "batch"),
    };
    match &chain.broken {
        None if chain.lines == 0 => format!("no {what}"),
        None => {
            let end = chain::sign(app, of, chain.head.clone());
            format!("{} {what}, whole; the end is {end}", chain.lines)
        }
        Some(first) => format!(
            "{what} BROKEN: {unit} {first}; {} before it are sound",
            chain.lines
        ),
    }
}
