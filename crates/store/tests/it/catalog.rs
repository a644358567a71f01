//! What holds for every table, read from PostgreSQL's own catalog: a new table that forgets it fails here.

use sqlx::Row;

use crate::harness::world;

/// Tables that belong to no portal, each with the reason.
const NOT_TENANT: [(&str, &str); 12] = [
    ("_sqlx_migrations", "the schema's own"),
    ("organizations", "the operator's"),
    ("setup_links", "the operator's"),
    ("install_states", "before there is a portal"),
    (
        "sessions",
        "found by the token's hash, before the portal is known",
    ),
    ("key_uses", "numbers and names of keys, for the operator"),
    ("key_checks", "the operator's"),
    ("operator_acts", "the operator's"),
    ("run_queue", "ids and times for the dispatcher"),
    (
        "hubspot_events",
        "ids and times for the dispatcher, and several portals in one delivery",
    ),
    ("sync_schedule", "ids and times for the dispatcher"),
    ("notice_board", "ids and times for the dispatcher"),
];

#[tokio::test]
async fn every_tenant_table_is_isolated() {
    let mut owner = world().await.scratch.owner().await;
    let rows = sqlx::query(
        "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
            EXISTS (SELECT FROM pg_policies p WHERE p.tablename = c.relname AND p.qual LIKE '%app.hub_id%'
                AND p.with_check LIKE '%app.hub_id%') AS has_policy
         FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(rows.len() > NOT_TENANT.len());
    for row in rows {
        let table: String = row.get("relname");
        if NOT_TENANT.iter().any(|(name, _)| *name == table) {
            continue;
        }
        assert!(
            row.get::<bool, _>("relrowsecurity"),
            "{table} has no row-level security"
        );
        assert!(
            row.get::<bool, _>("relforcerowsecurity"),
            "{table} does not force it"
        );
        assert!(
            row.get::<bool, _>("has_policy"),
            "{table} has no policy on app.hub_id"
        );
    }
}

#[tokio::test]
async fn keys_of_tenant_tables_begin_with_the_portal() {
    let mut owner = world().await.scratch.owner().await;
    let exempt: Vec<&str> = NOT_TENANT.iter().map(|(name, _)| *name).collect();
    let unique: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.relname::text, i.indexrelid::regclass::text FROM pg_index i
         JOIN pg_class t ON t.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
         WHERE t.relnamespace = 'public'::regnamespace AND i.indisunique AND a.attname <> 'hub_id'",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    for (table, index) in unique {
        assert!(
            exempt.contains(&table.as_str()),
            "the unique index {index} of {table} does not begin with hub_id"
        );
    }
    let foreign: Vec<(String, String)> = sqlx::query_as(
        "SELECT conrelid::regclass::text, conname::text FROM pg_constraint
         WHERE contype = 'f' AND connamespace = 'public'::regnamespace
            AND NOT conrelid::regclass::text = ANY(ARRAY['setup_links', 'install_states'])
            AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = conrelid AND a.attnum = ANY(conkey) AND a.attname = 'hub_id')
            AND conname <> 'portals_organization_id_fkey'",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(
        foreign.is_empty(),
        "foreign keys without hub_id: {foreign:?}"
    );
}

#[tokio::test]
async fn the_apps_role_is_weak_and_history_is_append_only() {
    let world = world().await;
    let mut owner = world.scratch.owner().await;
    let app: String = sqlx::query_scalar("SELECT regexp_replace($1, '^.*//([^:@]+).*$', '\\1')")
        .bind(&world.scratch.app_url)
        .fetch_one(&mut owner)
        .await
        .unwrap();
    let (is_super, bypasses): (bool, bool) =
        sqlx::query_as("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = $1")
            .bind(&app)
            .fetch_one(&mut owner)
            .await
            .unwrap();
    assert!(!is_super && !bypasses);
    // From the others rows go only while their portal is being erased, which is tried in `app/tests/it/retention.rs`.
    for (table, rights) in [
        ("audit", ["UPDATE", "DELETE", "TRUNCATE"].as_slice()),
        ("operator_acts", &["UPDATE", "DELETE", "TRUNCATE"]),
        ("status_events", &["UPDATE", "TRUNCATE"]),
        ("write_attempts", &["UPDATE", "TRUNCATE"]),
        ("write_batches", &["UPDATE", "TRUNCATE"]),
    ] {
        for right in rights {
            let held: bool = sqlx::query_scalar("SELECT has_table_privilege($1, $2, $3)")
                .bind(&app)
                .bind(table)
                .bind(right)
                .fetch_one(&mut owner)
                .await
                .unwrap();
            assert!(!held, "{app} may {right} {table}");
        }
    }
    let owned: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relowner = $1::regrole AND relnamespace = 'public'::regnamespace")
        .bind(&app)
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(owned, 0);
    let definers: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(definers, 0);
}
