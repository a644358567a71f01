//! All gifts: the form of filters, the filters that are on, and a page of lines.

use app::gifts::{Count, Line, Page};
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::Status;

use super::asked::{Asked, Mistake, REACHED};
use super::format::{self, Moment, Money};
use super::pill::Pill;
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use super::trace;

/// `templates/gifts/list.html`.
#[derive(Template)]
#[template(path = "gifts/list.html")]
pub struct GiftsPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// How many there are, in words.
    pub sentence: String,
    /// The fields as they were entered.
    pub asked: Asked,
    /// What is wrong with them.
    pub mistakes: Vec<Mistake>,
    /// Statuses to choose from.
    pub statuses: Vec<Choice>,
    /// Steps to choose from.
    pub reached: Vec<Choice>,
    /// Types to choose from.
    pub types: Vec<Choice>,
    /// Links to choose from.
    pub contacts: Vec<Choice>,
    /// Orders to choose from.
    pub orders: Vec<Choice>,
    /// Whether the rarer filters stand open.
    pub is_open: bool,
    /// The filters that are on, each with the way to the list without it.
    pub chips: Vec<Chip>,
    /// The list without any filter, where there is one.
    pub clear: Option<String>,
    /// The gift whose id was entered.
    pub exact: Option<(String, String)>,
    /// The gifts.
    pub rows: Vec<GiftRow>,
    /// What stands in their place while there are none.
    pub empty: (&'static str, &'static str),
    /// The page before.
    pub before: Option<String>,
    /// The page after.
    pub after: Option<String>,
    /// All of it as a file.
    pub csv: String,
    /// The time zone's name.
    pub zone: String,
}

/// Something to choose.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The value in the form.
    pub value: String,
    /// What people read.
    pub label: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// A filter that is on.
#[derive(Debug, Clone)]
pub struct Chip {
    /// `Status: Opened`.
    pub label: String,
    /// The list without it.
    pub href: String,
}

/// A gift, as a row.
#[derive(Debug, Clone)]
pub struct GiftRow {
    /// Its page.
    pub href: String,
    /// Who got it.
    pub recipient: String,
    /// The address or number, where that is not the name already.
    pub identifier: Option<String>,
    /// What was given.
    pub gift: String,
    /// Its type, where that is not its name.
    pub gift_type: Option<String>,
    /// Who gave it.
    pub sender: Option<String>,
    /// Its value.
    pub value: String,
    /// Its status.
    pub status: Pill,
    /// How it stands in HubSpot.
    pub link: Pill,
    /// When it was sent.
    pub at: Moment,
}

impl GiftsPage {
    /// The field's mistake, for templates.
    pub fn mistake(&self, field: &str) -> Option<&'static str> {
        let found = self.mistakes.iter().find(|(of, _)| *of == field);
        found.map(|(_, sentence)| *sentence)
    }

    /// The `page` of what was `asked`, for `viewer`.
    pub fn new(
        page: &Page,
        asked: &Asked,
        mistakes: Vec<Mistake>,
        viewer: Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        let (portal, status) = (&page.portal, &page.status);
        let (path, zone) = (format!("/portals/{}", portal.hub_id), portal.time_zone);
        let chips = chips(asked, &path);
        let beside = |name, gift: Option<&Line>| {
            gift.map(|gift| asked.href_with(&path, name, gift.id.as_str()))
        };
        Self {
            shell: Shell::new("Thnks", Some(viewer)),
            tabs: tabs(&path, Place::Thnks, status),
            sentence: sentence(page.count, !chips.is_empty()),
            mistakes,
            statuses: Status::ALL
                .iter()
                .map(|status| choice(status.as_str(), status.label(), &asked.status))
                .collect(),
            reached: REACHED
                .iter()
                .map(|(value, _)| choice(value, reached(value), &asked.status))
                .collect(),
            types: types(&page.types, &asked.gift_type),
            contacts: vec![
                choice("", "Any", &asked.contact),
                choice("linked", "Linked", &asked.contact),
                choice("orphan", "Orphans", &asked.contact),
            ],
            orders: [
                ("", "Newest first"),
                ("oldest", "Oldest first"),
                ("highest", "Highest value"),
                ("lowest", "Lowest value"),
            ]
            .map(|(value, label)| choice(value, label, &asked.sort))
            .into(),
            is_open: asked.fields().iter().any(|(name, _)| {
                matches!(
                    *name,
                    "contact" | "sync" | "sender" | "from" | "to" | "currency" | "min" | "max"
                )
            }),
            clear: (!chips.is_empty()).then(|| format!("{path}/thnks")),
            chips,
            exact: page
                .exact
                .as_ref()
                .map(|id| (id.to_string(), trace::address(&path, id))),
            rows: page
                .lines
                .iter()
                .map(|line| GiftRow::new(line, &path, now, zone))
                .collect(),
            empty: if status.transactions == 0 {
                (
                    "No gifts yet",
                    "The first gift your people send is listed here within the hour.",
                )
            } else {
                (
                    "No such gifts",
                    "Nothing matches all of these filters. Take one away, or look for fewer words.",
                )
            },
            before: beside("before", page.lines.first().filter(|_| page.has_before)),
            after: beside("after", page.lines.last().filter(|_| page.has_after)),
            csv: asked.href(&path, "/thnks.csv"),
            zone: zone.name().replace('_', " "),
            asked: asked.clone(),
            path,
        }
    }
}

fn sentence(count: Option<Count>, is_filtered: bool) -> String {
    let gifts = |count| format::count(count, "gift", "gifts");
    let these = if is_filtered { " of these filters" } else { "" };
    match count {
        Some(Count::Exactly(count)) => format!("{}{these}.", gifts(count)),
        Some(Count::MoreThan(count)) => format!("More than {}{these}.", gifts(count)),
        None => "Further down the list.".to_owned(),
    }
}

fn choice(value: &str, label: &str, asked: &str) -> Choice {
    Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        chosen: value == asked,
    }
}

/// The types there are, and the one that is asked for, if it is another.
fn types(known: &[String], asked: &str) -> Vec<Choice> {
    let mut types: Vec<Choice> = known.iter().map(|one| choice(one, one, asked)).collect();
    if !asked.is_empty() && !known.iter().any(|one| one == asked) {
        types.push(choice(asked, asked, asked));
    }
    types
}

fn reached(value: &str) -> &'static str {
    match value {
        "reached-sent" => "Sent (all but scheduled)",
        "reached-delivered" => "Delivered or further",
        "reached-opened" => "Opened or further",
        _ => "Redeemed at any time",
    }
}

fn chips(asked: &Asked, path: &str) -> Vec<Chip> {
    let label = |name: &str, value: &str| {
        Some(match name {
            "q" => format!("“{value}”"),
            "status" => match Status::ALL.iter().find(|status| status.as_str() == value) {
                Some(status) => format!("Status: {}", status.label()),
                None => reached(value).to_owned(),
            },
            "type" => format!("Type: {value}"),
            "contact" if value == "orphan" => "Orphans".to_owned(),
            "contact" => "Linked".to_owned(),
            "sync" => "Failed".to_owned(),
            "sender" => format!("Sender: {value}"),
            "from" => format!("From {value}"),
            "to" => format!("To {value}"),
            "currency" => format!("In {value}"),
            "min" => format!("At least {value}"),
            "max" => format!("At most {value}"),
            _ => return None,
        })
    };
    asked
        .fields()
        .into_iter()
        .filter_map(|(name, value)| {
            Some(Chip {
                label: label(name, value)?,
                href: asked.href_without(path, &[name]),
            })
        })
        .collect()
}

impl GiftRow {
    fn new(line: &Line, path: &str, now: DateTime<Utc>, zone: Tz) -> Self {
        let name = line.recipient_name.clone();
        let identifier = line.recipient.clone();
        let gift = line.gift_name.clone().or_else(|| line.gift_type.clone());
        Self {
            href: trace::address(path, &line.id),
            identifier: identifier.clone().filter(|_| name.is_some()),
            recipient: name.or(identifier).unwrap_or_else(|| {
                let words = if line.is_erased { "Erased" } else { "Unknown" };
                words.to_owned()
            }),
            gift_type: line.gift_type.clone().filter(|_| gift != line.gift_type),
            gift: gift.unwrap_or_else(|| "Unnamed gift".to_owned()),
            sender: line.sender_name.clone(),
            value: match (&line.amount, &line.currency) {
                (Some(amount), Some(currency)) => {
                    Money::new(&amount.to_string(), currency).to_string()
                }
                (Some(amount), None) => amount.to_string(),
                (None, _) => "–".to_owned(),
            },
            status: Pill::of_status(line.status),
            link: link(line),
            at: Moment::new(line.counted_at, now, zone),
        }
    }
}

fn link(line: &Line) -> Pill {
    let (word, tone) = if line.is_failed {
        ("Refused", "bad")
    } else if line.record.is_none() {
        ("Waiting", "idle")
    } else if line.contact.is_some() {
        ("Linked", "good")
    } else if line.is_erased {
        ("Erased", "idle")
    } else if line.is_looked_at {
        ("Orphan", "warn")
    } else {
        ("In HubSpot", "busy")
    };
    Pill { word, tone }
}
