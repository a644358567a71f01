//! What the list of gifts is asked for, as forms and addresses write it.

use app::gifts::{Filter, Link, Order, Reached, Wanted};
use chrono::NaiveDate;
use domain::Status;
use domain::pace::Step;
use domain::statistics::Range;
use rust_decimal::Decimal;
use serde::Deserialize;
use url::form_urlencoded;

use crate::handlers::days;

/// The fields of the form, as they were entered; an empty one asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Words, or an id.
    pub q: String,
    /// A status, or `reached-` and how far.
    pub status: String,
    /// A type.
    #[serde(rename = "type")]
    pub gift_type: String,
    /// A sender's address or name.
    pub sender: String,
    /// `linked` or `orphan`.
    pub contact: String,
    /// `failed`.
    pub sync: String,
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
    /// Currency code.
    pub currency: String,
    /// Smallest amount.
    pub min: String,
    /// Greatest amount.
    pub max: String,
    /// `oldest`, `highest` or `lowest`.
    pub sort: String,
}

/// What is wrong with a field: its name, and what to enter.
pub type Mistake = (&'static str, &'static str);

/// How far gifts got, as the form writes it.
pub const REACHED: [(&str, Reached); 4] = [
    ("reached-sent", Reached::Sent),
    ("reached-delivered", Reached::Step(Step::Delivered)),
    ("reached-opened", Reached::Step(Step::Opened)),
    ("reached-redeemed", Reached::Step(Step::Redeemed)),
];

impl Asked {
    /// The gifts of some days.
    pub fn of_days(days: Range) -> Self {
        let text = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
        Self {
            from: text(days.from),
            to: text(days.to),
            ..Self::default()
        }
    }

    /// What is asked for, with what is wrong; a wrong field asks for nothing. `None` for what no form of ours sends.
    pub fn wanted(&self) -> Option<(Wanted, Vec<Mistake>)> {
        let mut mistakes = Vec::new();
        let mut filter = Filter::default();
        let status = self.status.as_str();
        let reached = REACHED.iter().find(|(name, _)| *name == status);
        filter.reached = reached.map(|(_, reached)| *reached);
        if reached.is_none() && !status.is_empty() {
            let known = Status::ALL.into_iter().find(|one| one.as_str() == status);
            filter.status = Some(known?);
        }
        filter.link = match self.contact.as_str() {
            "" => None,
            "linked" => Some(Link::Linked),
            "orphan" => Some(Link::Orphan),
            _ => return None,
        };
        filter.failed = match self.sync.as_str() {
            "" => false,
            "failed" => true,
            _ => return None,
        };
        let order = match self.sort.as_str() {
            "" => Order::Newest,
            "oldest" => Order::Oldest,
            "highest" => Order::Highest,
            "lowest" => Order::Lowest,
            _ => return None,
        };
        let some = |text: &str| {
            Some(text.trim().to_owned()).filter(|text| !text.is_empty() && !text.contains('\0'))
        };
        filter.gift_type = some(&self.gift_type);
        // As gifts of one sender are put together: an address in lower case.
        filter.sender = some(&self.sender).map(|sender| {
            if sender.contains('@') {
                sender.to_lowercase()
            } else {
                sender
            }
        });
        filter.currency = some(&self.currency).map(|code| code.to_uppercase());
        let mut day = |text: &str, field| {
            days::day(text.trim()).unwrap_or_else(|days::NotADay| {
                mistakes.push((field, "Write the day like 2026-11-23."));
                None
            })
        };
        let days = Range {
            from: day(&self.from, "from"),
            to: day(&self.to, "to"),
        };
        let mut amount = |text: &str, field| match text.trim() {
            "" => None,
            text => match text.parse::<Decimal>() {
                Ok(amount) if !amount.is_sign_negative() => Some(amount),
                _ => {
                    mistakes.push((field, "Write the amount like 12.50."));
                    None
                }
            },
        };
        filter.least = amount(&self.min, "min");
        filter.most = amount(&self.max, "max");
        if matches!((days.from, days.to), (Some(from), Some(to)) if from > to) {
            mistakes.push(("to", "This day is before the first one."));
        }
        if matches!((filter.least, filter.most), (Some(least), Some(most)) if least > most) {
            mistakes.push(("max", "This is less than the smallest amount."));
        }
        let wanted = Wanted {
            text: self.q.replace('\0', ""),
            days,
            filter,
            order,
        };
        Some((wanted, mistakes))
    }

    /// The fields that ask for something, in the order of the form.
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        let fields = [
            ("q", &self.q),
            ("status", &self.status),
            ("type", &self.gift_type),
            ("contact", &self.contact),
            ("sync", &self.sync),
            ("sender", &self.sender),
            ("from", &self.from),
            ("to", &self.to),
            ("currency", &self.currency),
            ("min", &self.min),
            ("max", &self.max),
            ("sort", &self.sort),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name, value.trim()))
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// The address of this list of the portal at `path`; `below` is `/thnks` or `/thnks.csv`.
    pub fn href(&self, path: &str, below: &str) -> String {
        address(path, below, &self.fields())
    }

    /// The same with one more field.
    pub fn href_with(&self, path: &str, name: &'static str, value: &str) -> String {
        let mut fields = self.fields();
        fields.push((name, value));
        address(path, "/thnks", &fields)
    }

    /// The same without some fields.
    pub fn href_without(&self, path: &str, names: &[&str]) -> String {
        let mut fields = self.fields();
        fields.retain(|(name, _)| !names.contains(name));
        address(path, "/thnks", &fields)
    }
}

fn address(path: &str, below: &str, fields: &[(&str, &str)]) -> String {
    if fields.is_empty() {
        return format!("{path}{below}");
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    format!("{path}{below}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        let fields: serde_json::Map<String, serde_json::Value> =
            form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
                .collect();
        serde_json::from_value(fields.into()).unwrap()
    }

    #[test]
    fn an_address_leads_to_the_list_it_was_made_for() {
        let query = "q=sam+%26+dana&status=reached-redeemed&type=Coffee&contact=orphan&sender=Dana%40acme.example\
            &from=2026-01-01&to=2026-01-31&currency=usd&min=5&max=12.50&sort=highest";
        let asked = asked(query);
        assert_eq!(asked.href("/p", "/thnks"), format!("/p/thnks?{query}"));
        let (wanted, mistakes) = asked.wanted().unwrap();
        assert_eq!(mistakes, []);
        assert_eq!(wanted.filter.reached, Some(Reached::Step(Step::Redeemed)));
        assert_eq!(wanted.filter.sender.as_deref(), Some("dana@acme.example"));
        assert_eq!(wanted.filter.currency.as_deref(), Some("USD"));
        assert_eq!(wanted.order, Order::Highest);
        assert_eq!(Asked::default().href("/p", "/thnks"), "/p/thnks");
        assert!(!asked.href_without("/p", &["q", "type"]).contains("Coffee"));
    }

    #[test]
    fn what_people_mistype_is_named_and_what_no_form_sends_is_nothing() {
        let (wanted, mistakes) = asked("from=yesterday&min=-5&max=much&q=sam")
            .wanted()
            .unwrap();
        let fields: Vec<_> = mistakes.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["from", "min", "max"]);
        assert_eq!(
            (wanted.text.as_str(), wanted.days),
            ("sam", Range::default())
        );
        let (_, mistakes) = asked("from=2026-02-01&to=2026-01-01&min=5&max=4")
            .wanted()
            .unwrap();
        assert_eq!(mistakes.len(), 2);
        for query in ["status=lost", "contact=both", "sync=ok", "sort=random"] {
            assert_eq!(asked(query).wanted(), None, "{query}");
        }
    }
}
