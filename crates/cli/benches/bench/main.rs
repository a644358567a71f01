//! Measures the binary as operators run it: real processes, real PostgreSQL, a Redis of its own, and the sandbox with its
//! exact counters. Run by `script/bench`. Figures are counts or ratios within one run; a missed limit is exit code 1.

#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

#[path = "../../tests/it/browser.rs"]
#[expect(dead_code, reason = "the tests do more")]
mod browser;
mod calls;
mod engine;
mod figures;
mod memory;
mod meter;
mod naive;
mod pages;
mod portals;
#[path = "../../tests/it/processes.rs"]
#[expect(dead_code, reason = "the tests do more")]
mod processes;
mod rate;
mod start;
mod webhooks;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::figures::Figures;

/// Tells whoever waits what is going on.
fn say(words: &str) {
    #[expect(clippy::print_stderr, reason = "beside the figures")]
    {
        eprintln!("{words}");
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    // Whatever ends the bench, its processes end with it: they are dropped here.
    tokio::select! {
        code = run(&arguments) => code,
        _ = terminated.recv() => ExitCode::from(143),
        _ = tokio::signal::ctrl_c() => ExitCode::from(130),
    }
}

async fn run(arguments: &[String]) -> ExitCode {
    let mut figures = Figures::default();
    match arguments {
        [name] if name == "calls" => calls::run(&mut figures).await,
        [name, rest @ ..] if name == "rate" => rate::run(&mut figures, rest).await,
        [name, rest @ ..] if name == "portals" => portals::run(&mut figures, rest).await,
        [name, rest @ ..] if name == "pages" => pages::run(&mut figures, rest).await,
        [name, rest @ ..] if name == "webhooks" => webhooks::run(&mut figures, rest).await,
        [name, rest @ ..] if name == "engine" => engine::run(&mut figures, rest).await,
        [name, rest @ ..] if name == "naive" => naive::run(&mut figures, rest).await,
        [name, rest @ ..] if name == "memory" => memory::run(&mut figures, rest).await,
        [name] if name == "start" => start::run(&mut figures).await,
        _ => {
            say(
                "which bench? calls, rate [GIFTS], portals [N [INTERVAL]], webhooks [SECS], pages [GIFTS], engine [GIFTS], naive [GIFTS], memory [N …] or start",
            );
            return ExitCode::from(2);
        }
    }
    if figures.all_held() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
