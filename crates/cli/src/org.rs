//! Organizations, setup links, and ending a connection.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use app::{PortalScope, operator};
use chrono::TimeDelta;
use clap::Subcommand;
use domain::HubId;
use secrecy::SecretString;

use crate::config::Config;
use crate::wiring;

/// What can be done with organizations.
#[derive(Subcommand)]
pub enum Command {
    /// Add an organization; reads its Thnks API key on standard input and prints a setup link
    Add {
        /// Its name
        #[arg(long)]
        name: String,
        /// The only portal that may use the link
        #[arg(long, value_name = "HUB_ID")]
        portal: Option<HubId>,
        /// How long the link is good
        #[arg(long, default_value = "7d", value_parser = humantime::parse_duration)]
        expires: Duration,
    },
    /// List organizations
    List,
    /// Revoke a setup link that was not used yet
    RevokeLink {
        /// The link or its token
        link: String,
    },
}

/// Runs the command.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn run(command: Command) -> Result<()> {
    let (app, _) = wiring::checked_app(&Config::from_environment()?).await?;
    match command {
        Command::Add {
            name,
            portal,
            expires,
        } => {
            let mut key = String::new();
            std::io::stdin()
                .read_to_string(&mut key)
                .context("the Thnks API key on standard input")?;
            let api_key = SecretString::from(key.trim());
            if key.trim().is_empty() {
                bail!(
                    "no Thnks API key on standard input: pipe it in, for example from a password manager"
                );
            }
            let link_lifetime = TimeDelta::from_std(expires).context("--expires")?;
            let new = operator::NewOrganization {
                name: &name,
                api_key: &api_key,
                portal,
                link_lifetime,
            };
            println!("{}", operator::add_organization(&app, &new).await?);
        }
        Command::List => {
            for organization in operator::list_organizations(&app).await? {
                println!(
                    "{}  {}  {}",
                    organization.id,
                    organization.created_at.format("%Y-%m-%d"),
                    organization.name
                );
            }
        }
        Command::RevokeLink { link } => {
            if !operator::revoke_setup_link(&app, &link).await? {
                bail!("no such link, or it was used or revoked before");
            }
            println!("revoked");
        }
    }
    Ok(())
}

/// Ends a portal's connection.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn disconnect(portal: HubId) -> Result<()> {
    let (app, _) = wiring::checked_app(&Config::from_environment()?).await?;
    let scope = PortalScope::from_operator(portal);
    let told = app::disconnect::disconnect_by_operator(&app, scope).await?;
    if told {
        println!("{portal} is disconnected");
    } else {
        println!(
            "{portal} is disconnected here; HubSpot did not answer and may still list the app"
        );
    }
    Ok(())
}

/// Ends every connection; fails while some are left.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn disconnect_all() -> Result<()> {
    let (app, _) = wiring::checked_app(&Config::from_environment()?).await?;
    let everybody = app::disconnect::disconnect_all(&app).await?;
    println!("{} portals are disconnected", everybody.ended);
    for hub_id in &everybody.left {
        println!("{hub_id} is connected still: its grant could not be revoked");
    }
    if !everybody.left.is_empty() {
        bail!(
            "{} portals are left: call it again when HubSpot answers",
            everybody.left.len()
        );
    }
    Ok(())
}
