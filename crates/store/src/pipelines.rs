//! The labels of deal pipelines and their stages, as HubSpot named them when the work last read them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::{Conn, Error, PortalScope};

/// A stage of a deal pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The pipeline's id.
    pub pipeline: String,
    /// The pipeline's label.
    pub pipeline_label: String,
    /// The stage's id.
    pub stage: String,
    /// The stage's label.
    pub stage_label: String,
}

/// Which stages have a label: pipeline and stage.
pub async fn list_known(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<BTreeSet<(String, String)>, Error> {
    let rows = sqlx::query!(
        "SELECT pipeline, stage FROM pipeline_stages WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.pipeline, row.stage))
        .collect())
}

/// Keeps the labels of `stages`, which were read just now. A stage that is gone at HubSpot keeps its last label: gifts
/// were sent in it.
pub async fn upsert_stages(
    conn: &mut Conn,
    scope: PortalScope,
    stages: &[Stage],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let column = |field: fn(&Stage) -> &String| -> Vec<String> {
        stages.iter().map(|stage| field(stage).clone()).collect()
    };
    sqlx::query!(
        "INSERT INTO pipeline_stages (hub_id, pipeline, stage, pipeline_label, stage_label, read_at)
         SELECT DISTINCT ON (pipeline, stage) $1::bigint, pipeline, stage, pipeline_label, stage_label, $2::timestamptz
         FROM UNNEST($3::text[], $4::text[], $5::text[], $6::text[])
            AS read (pipeline, stage, pipeline_label, stage_label)
         ORDER BY pipeline, stage
         ON CONFLICT (hub_id, pipeline, stage) DO UPDATE SET pipeline_label = excluded.pipeline_label,
            stage_label = excluded.stage_label, read_at = excluded.read_at",
        scope.hub_id().0,
        now,
        &column(|stage| &stage.pipeline),
        &column(|stage| &stage.stage),
        &column(|stage| &stage.pipeline_label),
        &column(|stage| &stage.stage_label)
    )
    .execute(conn)
    .await?;
    Ok(())
}
