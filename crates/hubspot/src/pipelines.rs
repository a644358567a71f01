//! Deal pipelines: the stages, and which of them are closed.

use serde::Deserialize;
use serde_json::Value;

use crate::{API_VERSION, Error, Portal, wire};

/// A stage of a deal pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DealStage {
    /// The pipeline's id.
    pub pipeline: String,
    /// The pipeline's label.
    pub pipeline_label: String,
    /// The stage's id, unique in the account.
    pub id: String,
    /// The stage's label.
    pub label: String,
    /// Whether a deal in this stage is won or lost.
    pub is_closed: bool,
}

#[derive(Deserialize)]
struct Pipeline {
    id: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    id: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    metadata: Value,
}

impl Stage {
    /// `isClosed` says it, as text; a stage without it is closed when its probability is certain.
    fn is_closed(&self) -> bool {
        self.metadata
            .get("isClosed")
            .and_then(wire::flag)
            .unwrap_or_else(|| {
                let probability = self.metadata.get("probability").and_then(|value| {
                    value
                        .as_f64()
                        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
                });
                probability.is_some_and(|probability| probability <= 0.0 || probability >= 1.0)
            })
    }
}

impl Portal {
    /// Every stage of every deal pipeline, among them the closed ones, for deals whose `hs_is_closed` is empty. Needs the scope
    /// to read deals.
    pub async fn deal_stages(&self) -> Result<Vec<DealStage>, Error> {
        let path = format!("/crm/pipelines/{API_VERSION}/deals");
        let pipelines: wire::Results<Pipeline> =
            wire::read(&self.read("pipelines.list", path).await?)?;
        let stages = pipelines.results.into_iter().flat_map(|pipeline| {
            let Pipeline { id, label, stages } = pipeline;
            stages.into_iter().map(move |stage| DealStage {
                pipeline: id.clone(),
                pipeline_label: label.clone(),
                is_closed: stage.is_closed(),
                id: stage.id,
                label: stage.label,
            })
        });
        Ok(stages.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_closed_by_its_flag_or_else_by_certainty() {
        let closed = |metadata| {
            let stage = Stage {
                id: String::new(),
                label: String::new(),
                metadata,
            };
            stage.is_closed()
        };
        assert!(closed(serde_json::json!({"isClosed": "true"})));
        assert!(!closed(
            serde_json::json!({"isClosed": "false", "probability": "1.0"})
        ));
        assert!(closed(serde_json::json!({"probability": "0.0"})));
        assert!(!closed(serde_json::json!({"probability": "0.4"})));
        assert!(!closed(Value::Null));
    }
}
