//! Making an entry for `OPERATORS`. Needs no database and no environment.

use std::io::BufRead;

use anyhow::{Context, Result};
use clap::Subcommand;
use secrecy::SecretString;

/// What can be done for operators.
#[derive(Subcommand)]
pub enum Command {
    /// Read a password, the first line of standard input, and print an entry for OPERATORS
    Hash {
        /// The operator's name
        #[arg(long)]
        name: String,
    },
}

/// Runs the command.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub fn run(command: Command) -> Result<()> {
    let Command::Hash { name } = command;
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("the password on standard input")?;
    let password = SecretString::from(line.trim_end_matches(['\r', '\n']));
    println!("{}", app::console::entry(&name, &password)?);
    Ok(())
}
