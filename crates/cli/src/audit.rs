//! Whether what was done stands as it was written.

use anyhow::{Result, bail};
use app::PortalScope;
use app::chain::{self, Chain, Head};
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
        /// An end of the portal's chain of acts that was noted before, such as from the log
        #[arg(long, value_name = "NUMBER:HASH", requires = "portal")]
        expect: Option<Head>,
    },
}

/// Runs the command; fails when a chain is broken.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn run(command: Command) -> Result<()> {
    let Command::Verify { portal, expect } = command;
    let (app, _) = wiring::checked_app(&Config::from_environment()?).await?;
    let portals = match portal {
        Some(hub_id) => vec![PortalScope::from_operator(hub_id)],
        None => chain::portals(&app).await?,
    };
    let mut broken = 0;
    for scope in portals {
        let verdict = chain::verify(&app, scope, expect.as_ref()).await?;
        println!("portal {}", verdict.hub_id);
        println!("  {}", line("acts", "act", &verdict.acts));
        println!("  {}", line("writes to HubSpot", "batch", &verdict.writes));
        broken += usize::from(!verdict.is_whole());
    }
    if portal.is_none() {
        let acts = chain::verify_operator(&app).await?;
        println!("operator\n  {}", line("acts", "act", &acts));
        broken += usize::from(acts.broken.is_some());
    }
    if broken > 0 {
        bail!("{broken} of the trails are not as they were written");
    }
    Ok(())
}

fn line(what: &str, unit: &str, chain: &Chain) -> String {
    match &chain.broken {
        None if chain.lines == 0 => format!("no {what}"),
        None => format!("{} {what}, whole; the end is {}", chain.lines, chain.head),
        Some(first) => format!(
            "{what} BROKEN: {unit} {first}; {} before it are sound",
            chain.lines
        ),
    }
}
