//! How far gifts got, step by step, with the time that took.

use domain::money;
use domain::pace::Step;
use domain::statistics::Funnel;

use super::asked::Asked;
use super::format;

/// One step.
#[derive(Debug, Clone)]
pub struct StepLine {
    /// Its name.
    pub name: &'static str,
    /// How many gifts took it, grouped.
    pub count: String,
    /// Their share in those sent.
    pub share: String,
    /// Width of its bar, 0 to 100.
    pub width: String,
    /// Half of them took it within this time.
    pub note: String,
    /// The gifts.
    pub href: String,
}

/// The steps of a funnel, sent first; none where nothing was sent. `days` asks for the days shown.
pub fn steps(funnel: &Funnel, path: &str, days: &Asked) -> Vec<StepLine> {
    if funnel.sent <= 0 {
        return Vec::new();
    }
    let line = |name, status: &str, reached: i64, note| {
        let tenths = reached.saturating_mul(1_000) / funnel.sent;
        let asked = Asked {
            status: status.to_owned(),
            ..days.clone()
        };
        StepLine {
            name,
            count: format::number(reached),
            share: money::rate(reached, funnel.sent)
                .map_or_else(|| "–".to_owned(), format::percent),
            width: format!("{}.{}", tenths / 10, tenths % 10),
            note,
            href: asked.href(path, "/thnks"),
        }
    };
    let mut steps = vec![line("Sent", "reached-sent", funnel.sent, String::new())];
    steps.extend(funnel.steps.iter().map(|step| {
        let (name, status) = match step.step {
            Step::Delivered => ("Delivered", "reached-delivered"),
            Step::Opened => ("Opened", "reached-opened"),
            Step::Redeemed => ("Redeemed", "reached-redeemed"),
        };
        let note = step
            .median
            .map_or_else(String::new, |median| match format::duration(median) {
                text if text.starts_with("under") => format!("Half in {text}"),
                text => format!("Half within {text}"),
            });
        line(name, status, step.reached, note)
    }));
    steps
}
