//! The days that an address asks for: `?from=2026-01-01&to=2026-01-31`, both optional, both inclusive.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use chrono::NaiveDate;
use domain::statistics::Range;
use serde::Deserialize;

use crate::error::Error;

/// The range in the address.
pub struct DaysAsked(pub Range);

#[derive(Deserialize)]
struct Params {
    from: Option<String>,
    to: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for DaysAsked {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Query(params) = Query::<Params>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::NotDays)?;
        parse(params.from.as_deref(), params.to.as_deref())
            .map(Self)
            .ok_or(Error::NotDays)
    }
}

/// `None` for what is no day, or for days the wrong way round. An empty field of a form is open.
fn parse(from: Option<&str>, to: Option<&str>) -> Option<Range> {
    let range = Range {
        from: day(from.unwrap_or_default()).ok()?,
        to: day(to.unwrap_or_default()).ok()?,
    };
    match (range.from, range.to) {
        (Some(from), Some(to)) if from > to => None,
        _ => Some(range),
    }
}

/// A text that is no day.
#[derive(Debug, PartialEq, Eq)]
pub struct NotADay;

/// A day as forms and addresses write it; `None` for an empty text.
pub fn day(text: &str) -> Result<Option<NaiveDate>, NotADay> {
    match text.len() {
        0 => Ok(None),
        // Years of four digits, as the contract writes them: the database's calendar ends somewhere.
        10 => text.parse().map(Some).map_err(|_| NotADay),
        _ => Err(NotADay),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_the_contract_writes_them() {
        let range = parse(Some("2026-01-01"), Some("2026-01-31")).unwrap();
        assert_eq!(range.from.unwrap().to_string(), "2026-01-01");
        assert_eq!(range.to.unwrap().to_string(), "2026-01-31");
        assert_eq!(parse(None, Some("")), Some(Range::default()));
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["yesterday", "2026-02-30", "2026-1-1", "+12026-01-01"] {
            assert_eq!(parse(Some(text), None), None, "{text}");
        }
        assert_eq!(parse(Some("2026-02-01"), Some("2026-01-01")), None);
    }
}
