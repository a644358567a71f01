//! Failures of one reason, in words: where they were stopped, by what, and what helps.

use domain::failure::{Selection, Stage};
use url::form_urlencoded;

/// What happened, in one sentence.
pub fn happened(stage: Stage) -> &'static str {
    match stage {
        Stage::Row => "Thnks sent a row that cannot be a gift",
        Stage::Record => "HubSpot refused the record",
        Stage::Link => "HubSpot refused a link",
    }
}

/// What helps, in one sentence.
pub fn remedy(stage: Stage) -> &'static str {
    match stage {
        Stage::Row => {
            "Ask Thnks to mend the gift. It is read again when it changes there, or when you retry."
        }
        Stage::Record => {
            "Change the value at Thnks or the property’s settings in HubSpot. It is tried again with every sync."
        }
        Stage::Link => {
            "The record is in HubSpot; one of its links is not. It is tried again with every sync."
        }
    }
}

/// The fields by which an address or a form names `selection`, empty ones where they mean something.
pub fn fields(selection: &Selection) -> Vec<(&'static str, String)> {
    let stage = selection.stage.map(|stage| stage.as_str().to_owned());
    [
        ("stage", stage),
        ("code", selection.code.clone()),
        ("field", selection.field.clone()),
        ("key", selection.key.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// The failures page of the portal at `path`, showing `selection`, from the key `after` on.
pub fn address(path: &str, selection: &Selection, after: Option<&str>) -> String {
    let fields = fields(selection);
    if fields.is_empty() && after.is_none() {
        return format!("{path}/failures");
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .extend_pairs(after.map(|after| ("after", after)))
        .finish();
    format!("{path}/failures?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_failures() {
        let selection = Selection {
            stage: Some(Stage::Record),
            code: Some("NOT & SO".to_owned()),
            field: Some(String::new()),
            key: None,
        };
        assert_eq!(
            address("/portals/1", &selection, Some("txn_1")),
            "/portals/1/failures?stage=record&code=NOT+%26+SO&field=&after=txn_1"
        );
        let all = Selection::default();
        assert_eq!(address("/portals/1", &all, None), "/portals/1/failures");
    }
}
