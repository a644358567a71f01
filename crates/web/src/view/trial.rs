//! What rules that are not stored yet would do.

use app::orphans::Preview;
use app::trial::{Linked, Trial};

use super::format;
use super::reassociate::Figure;
use super::trace;

/// `templates/rules/trial.html`.
#[derive(Debug, Clone)]
pub struct TrialView {
    /// What the trial comes to, in one sentence.
    pub sentence: String,
    /// About orphans.
    pub orphans: Vec<Figure>,
    /// About linked gifts.
    pub linked: Vec<Figure>,
    /// Which linked gifts were looked at.
    pub sample: Option<String>,
    /// Some gifts that would be linked otherwise: id and address.
    pub examples: Vec<(String, String)>,
    /// HubSpot's words about what it did not let us read.
    pub trouble: Option<String>,
    /// What the trial took.
    pub cost: String,
}

impl TrialView {
    /// The view of `trial`, of the portal at `path`.
    pub fn new(trial: &Trial, path: &str) -> Self {
        let calls = i64::try_from(trial.calls).unwrap_or(i64::MAX);
        let orphans = trial.orphans.as_ref().filter(|orphans| orphans.is_asked);
        Self {
            sentence: sentence(trial),
            orphans: orphans
                .map(|orphans| of_orphans(orphans, trial.is_same))
                .unwrap_or_default(),
            linked: trial.linked.as_ref().map(of_linked).unwrap_or_default(),
            sample: trial.linked.as_ref().map(sample),
            examples: trial
                .linked
                .iter()
                .flat_map(|linked| &linked.examples)
                .map(|id| (id.as_str().to_owned(), trace::address(path, id)))
                .collect(),
            trouble: trial.trouble.clone(),
            cost: format!(
                "Nothing is stored or changed. The trial took {} to HubSpot.",
                format::count(calls, "call", "calls")
            ),
        }
    }
}

fn sentence(trial: &Trial) -> String {
    let orphans = trial.orphans.as_ref().filter(|orphans| orphans.is_asked);
    let (Some(orphans), Some(linked)) = (orphans, &trial.linked) else {
        return if orphans.is_none() && trial.linked.is_none() {
            "HubSpot could not be asked just now, so nothing can be said."
        } else {
            "HubSpot could be asked for a part only."
        }
        .to_owned();
    };
    let links = match orphans.would_link {
        0 => "No orphan would be linked".to_owned(),
        count => format!(
            "{} be linked",
            format::count(count, "orphan would", "orphans would")
        ),
    };
    let otherwise = linked.gifts - linked.unchanged - linked.unclear;
    match (trial.is_same, otherwise) {
        (true, _) => format!("These are the rules in force. {links} now."),
        (false, 0) => format!("{links}, and no linked gift would be linked otherwise."),
        (false, count) => format!(
            "{links}. Of the linked gifts that were looked at, {} would be linked otherwise.",
            format::number(count)
        ),
    }
}

fn of_orphans(orphans: &Preview, is_same: bool) -> Vec<Figure> {
    let mut figures = vec![Figure {
        name: "Orphans that would be linked",
        number: format::number(orphans.would_link),
        meaning: match (orphans.is_whole, is_same) {
            (true, true) => format!("of {}", format::number(orphans.orphans)),
            (true, false) => format!(
                "of {}; soon after the rules are saved",
                format::number(orphans.orphans)
            ),
            (false, _) => format!(
                "of {}, looking at the {} recipients with the most of them; more may follow",
                format::number(orphans.orphans),
                format::number(orphans.looked_at)
            ),
        },
    }];
    if orphans.ambiguous > 0 {
        figures.push(Figure {
            name: "Orphans for you to choose",
            number: format::number(orphans.ambiguous),
            meaning: "have several contacts, and the rule leaves the choice to a person".to_owned(),
        });
    }
    figures
}

fn of_linked(linked: &Linked) -> Vec<Figure> {
    let figure = |name, number: i64, meaning: &str| Figure {
        name,
        number: format::number(number),
        meaning: meaning.to_owned(),
    };
    let mut figures = vec![
        figure(
            "Another contact",
            linked.other_contact,
            "would be the one, had they been sent now",
        ),
        figure("No contact", linked.no_contact, "would be found or chosen"),
        figure(
            "Other companies",
            linked.other_companies,
            "more, fewer or different",
        ),
        figure(
            "Other deals",
            linked.other_deals,
            "more, fewer or different",
        ),
        figure(
            "Linked alike",
            linked.unchanged,
            "by these rules and those in force",
        ),
    ];
    if linked.unclear > 0 {
        figures.push(figure(
            "Unclear",
            linked.unclear,
            "because HubSpot did not let us read everything",
        ));
    }
    figures
}

fn sample(linked: &Linked) -> String {
    match (linked.gifts, linked.is_whole) {
        (0, _) => "No gift is linked yet.".to_owned(),
        (1, true) => "The one gift that is linked was looked at.".to_owned(),
        (gifts, true) => format!("All {} linked gifts were looked at.", format::number(gifts)),
        (gifts, false) => format!(
            "The latest {} linked gifts were looked at, not all of them.",
            format::number(gifts)
        ),
    }
}
