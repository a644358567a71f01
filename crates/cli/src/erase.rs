//! Erasing a person again, after a restore.

use anyhow::{Context, Result, bail};
use app::PortalScope;
use domain::{HubId, RecordId};

use crate::config::Config;
use crate::wiring;

/// Erases a contact's person; says how many gifts went to them.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn run(portal: HubId, contact: RecordId) -> Result<()> {
    let (app, _) = wiring::checked_app(&Config::from_environment()?).await?;
    let erased = app::erase::again(&app, PortalScope::from_operator(portal), contact)
        .await
        .with_context(|| format!("portal {portal}"))?;
    match erased {
        None => bail!("there is no portal {portal}"),
        Some(0) => println!(
            "no gift to contact {} of portal {portal} is known",
            contact.0
        ),
        Some(gifts) => println!(
            "{gifts} gifts to contact {} of portal {portal} were wiped",
            contact.0
        ),
    }
    Ok(())
}
