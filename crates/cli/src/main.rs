//! The one binary: reads the environment, wires the parts, and offers every command that people and scripts type.

mod audit;
mod config;
mod demo;
mod erase;
mod healthcheck;
mod keys;
mod logging;
mod metrics;
mod operator;
mod org;
mod run;
mod sandbox;
mod serve;
mod wiring;

use std::process::ExitCode;

use clap::{ArgGroup, Parser, Subcommand};
use domain::HubId;

/// Pages are many small strings: with the system's allocator a quarter of web's time goes there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The Thnks HubSpot integration.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the pages, HubSpot's callback and webhooks
    Serve {
        /// Work on runs in this process as well
        #[arg(long)]
        with_worker: bool,
    },
    /// Work on runs: backfill, hourly sync, re-association
    Work,
    /// Bring the database's schema up to date, as its owner
    Migrate,
    /// Everything at once against the sandbox, with no account
    Demo(demo::Options),
    /// HubSpot and Thnks to run against
    Sandbox(sandbox::Options),
    /// Whether a part of the service is well, for container health checks
    Healthcheck {
        /// The part
        #[arg(value_enum, default_value_t = healthcheck::Part::Serve)]
        part: healthcheck::Part,
    },
    /// Organizations and their setup links
    #[command(subcommand)]
    Org(org::Command),
    /// Runs
    #[command(subcommand)]
    Run(run::Command),
    /// The trail of what was done
    #[command(subcommand)]
    Audit(audit::Command),
    /// Whoever may sign in to the console
    #[command(subcommand)]
    Operator(operator::Command),
    /// Erase people again, whom a backup from before has brought back: HubSpot tells of each once
    Erase(erase::Whom),
    /// The keys of `ENCRYPTION_KEYS`
    #[command(subcommand)]
    Keys(keys::Command),
    /// End a connection: uninstall at HubSpot, destroy tokens, keep data for a while
    #[command(group = ArgGroup::new("whom").required(true))]
    Disconnect {
        /// The portal
        #[arg(long, value_name = "HUB_ID", group = "whom")]
        portal: Option<HubId>,
        /// Every portal, as after a breach: grants are revoked, the app stays listed in HubSpot; may be called again
        #[arg(long, group = "whom")]
        all: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    // A file for development; production has a real environment.
    dotenvy::dotenv().ok();
    let cli = Cli::parse();
    let is_service = matches!(cli.command, Command::Serve { .. } | Command::Work);
    let ending = match logging::start(matches!(cli.command, Command::Demo(_)), is_service) {
        Ok(ending) => ending,
        Err(error) => return ended(Err(error)),
    };
    let code = follow(cli.command).await;
    ending.finish();
    code
}

/// Does what was asked for.
async fn follow(command: Command) -> ExitCode {
    let done = match command {
        Command::Serve { with_worker } => serve::serve(with_worker).await,
        Command::Work => serve::work().await,
        Command::Migrate => serve::migrate().await,
        Command::Demo(options) => demo::run(options).await,
        Command::Sandbox(options) => sandbox::run(options).await,
        Command::Healthcheck { part } => healthcheck::run(part).await,
        Command::Org(command) => org::run(command).await,
        Command::Run(command) => return ended(run::run(command).await),
        Command::Operator(command) => operator::run(command),
        Command::Audit(command) => audit::run(command).await,
        Command::Keys(command) => keys::run(command).await,
        Command::Erase(whom) => erase::run(whom).await,
        Command::Disconnect { portal, .. } => match portal {
            Some(portal) => org::disconnect(portal).await,
            None => org::disconnect_all().await,
        },
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

/// The exit code; a failure says why in one line.
fn ended(done: anyhow::Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the last word of a command that failed"
            )]
            {
                eprintln!("thnks-hubspot: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
