//! Where the trace of a run is shown: an address of the operator's with a place for the run's id.

use domain::RunId;
use url::Url;

const PLACE: &str = "{run_id}";

/// An address that becomes a run's by its id (`TRACE_URL_TEMPLATE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceUrl(String);

/// Why an address cannot lead to a run's trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TraceUrlError {
    /// Every run would lead to the same place.
    #[error("it must have {{run_id}} where the run’s id belongs")]
    NoPlace,
    /// Another place than the one that is known.
    #[error("it has a place in braces other than {{run_id}}")]
    UnknownPlace,
    /// Not an address of the web.
    #[error("it must be an address that begins with https:// or http://")]
    NotWeb,
}

impl TraceUrl {
    /// The address that `text` writes.
    pub fn parse(text: &str) -> Result<Self, TraceUrlError> {
        if !text.contains(PLACE) {
            return Err(TraceUrlError::NoPlace);
        }
        let without = text.replace(PLACE, "");
        if without.contains(['{', '}']) {
            return Err(TraceUrlError::UnknownPlace);
        }
        match Url::parse(&without) {
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(TraceUrlError::NotWeb),
        }
    }

    /// Where this run's trace is.
    pub fn of(&self, run_id: RunId) -> String {
        self.0.replace(PLACE, &run_id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_a_runs_id_in_an_address_of_the_web() {
        let of = TraceUrl::parse("https://grafana.example/explore?q=%22{run_id}%22").unwrap();
        assert_eq!(
            of.of(RunId(uuid::Uuid::nil())),
            "https://grafana.example/explore?q=%2200000000-0000-0000-0000-000000000000%22"
        );
        for (text, error) in [
            ("https://grafana.example/", TraceUrlError::NoPlace),
            (
                "https://grafana.example/{trace_id}/{run_id}",
                TraceUrlError::UnknownPlace,
            ),
            ("javascript:alert('{run_id}')", TraceUrlError::NotWeb),
            ("/traces/{run_id}", TraceUrlError::NotWeb),
        ] {
            assert_eq!(TraceUrl::parse(text), Err(error), "{text}");
        }
    }
}
