//! What holds for every table, read from PostgreSQL's own catalog: a new table that forgets it fails here.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use store::testing::rights;

use crate::harness::{World, world};

/// Tables that belong to no portal, each with the reason.
pub const NOT_TENANT: [(&str, &str); 17] = [
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
    ("portal_board", "domains, states and times for the operator"),
    ("ledger_board", "counts for the operator"),
    ("run_board", "ids, codes and times for the operator"),
    ("operator_sessions", "the operator's"),
    ("operator_looks", "the operator's"),
];

#[tokio::test]
async fn every_tenant_table_is_isolated() {
    let world = world().await;
    let mut owner = world.scratch.owner().await;
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
    let world = world().await;
    let mut owner = world.scratch.owner().await;
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
            AND NOT conrelid::regclass::text = ANY(ARRAY['setup_links', 'install_states', 'operator_looks'])
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
    let app = app_role(&world);
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

/// The name of the app's role.
fn app_role(world: &World) -> String {
    let options: sqlx::postgres::PgConnectOptions = world.scratch.app_url.parse().unwrap();
    options.get_username().to_owned()
}

#[tokio::test]
async fn no_policy_lets_in_more_than_the_known_ones() {
    let world = world().await;
    let mut owner = world.scratch.owner().await;
    let policies = sqlx::query(
        "SELECT tablename::text, policyname::text, permissive, roles::text[], cmd, qual, with_check
         FROM pg_policies WHERE schemaname = 'public' ORDER BY 1, 2",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let own = "(hub_id = (NULLIF(current_setting('app.hub_id'::text, true), ''::text))::bigint)";
    let membership =
        "(user_id = (NULLIF(current_setting('app.user_id'::text, true), ''::text))::bigint)";
    let mut tables = BTreeSet::new();
    for row in &policies {
        let table: String = row.get(0);
        let policy: String = row.get(1);
        let kind: (String, Vec<String>) = (row.get(2), row.get(3));
        if kind.0 == "RESTRICTIVE" {
            // Beside the others: it lets in nobody.
            assert_eq!(policy, "only_while_erasing", "{table}");
            continue;
        }
        assert_eq!(
            kind,
            ("PERMISSIVE".into(), vec!["public".into()]),
            "{table}"
        );
        let lets_in: (String, Option<String>, Option<String>) =
            (row.get(4), row.get(5), row.get(6));
        let known = match (table.as_str(), policy.as_str()) {
            // A person sees which portals they belong to.
            ("members", "own_memberships") => ("SELECT".into(), Some(membership.into()), None),
            (_, "one_portal") => ("ALL".into(), Some(own.into()), Some(own.into())),
            _ => panic!("nobody knows the policy {policy} of {table}"),
        };
        assert_eq!(lets_in, known, "{policy} of {table}");
        tables.insert(table);
    }
    let restrictive = policies
        .iter()
        .filter(|row| row.get::<String, _>(2) == "RESTRICTIVE");
    assert_eq!(policies.len(), tables.len() + 1 + restrictive.count());
    assert_eq!(tables.len(), rights().len() + 1 - NOT_TENANT.len());
}

#[tokio::test]
async fn nothing_leads_round_the_tables() {
    let world = world().await;
    let mut owner = world.scratch.owner().await;
    // A view reads with its owner's rights, a partition has policies of its own.
    let others: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('r', 'i', 'S', 't', 'c')",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(others.is_empty(), "neither table nor index: {others:?}");
    let app = app_role(&world);
    for (what, query) in [
        (
            "functions of the app's role",
            "SELECT count(*) FROM pg_proc WHERE proowner = $1::regrole",
        ),
        (
            "schemas of the app's role",
            "SELECT count(*) FROM pg_namespace WHERE nspowner = $1::regrole",
        ),
        (
            "roles that the app's is a member of",
            "SELECT count(*) FROM pg_auth_members WHERE member = $1::regrole",
        ),
        (
            "rights to create something",
            "SELECT has_schema_privilege($1, 'public', 'CREATE')::int::bigint",
        ),
        (
            "rights of single columns",
            "SELECT count(*) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
             WHERE c.relnamespace = 'public'::regnamespace AND a.attacl IS NOT NULL AND $1 <> ''",
        ),
    ] {
        let found: i64 = sqlx::query_scalar(query)
            .bind(&app)
            .fetch_one(&mut owner)
            .await
            .unwrap();
        assert_eq!(found, 0, "{what}");
    }
}

#[tokio::test]
async fn the_apps_role_has_the_rights_that_are_listed_and_no_others() {
    let world = world().await;
    let mut owner = world.scratch.owner().await;
    let granted: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT c.relname::text, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type
         FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
         WHERE c.relnamespace = 'public'::regnamespace AND a.grantee <> c.relowner",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let app = app_role(&world);
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (table, grantee, right) in granted {
        assert_eq!(grantee, app, "{right} on {table}");
        seen.entry(table).or_default().insert(right);
    }
    let listed = rights().iter().copied();
    let known: BTreeMap<String, BTreeSet<String>> = listed
        .chain([("_sqlx_migrations", "SELECT")])
        .map(|(table, rights)| {
            let rights = rights.split(", ").map(str::to_owned);
            (table.to_owned(), rights.collect())
        })
        .collect();
    assert_eq!(seen, known);
}

#[tokio::test]
async fn what_row_level_security_adds_is_looked_up_in_an_index() {
    let world = world().await;
    let mut app = PgConnection::connect(&world.scratch.app_url).await.unwrap();
    let mut tx = app.begin().await.unwrap();
    // Tables are empty here, and an empty one is read through whatever index there is.
    sqlx::raw_sql("SET LOCAL app.hub_id = '1'; SET LOCAL enable_seqscan = off")
        .execute(&mut *tx)
        .await
        .unwrap();
    for query in [
        "SELECT FROM transactions WHERE transaction_id = 'txn_1'",
        "SELECT FROM transactions ORDER BY counted_at DESC, transaction_id DESC LIMIT 50",
        "SELECT FROM transactions WHERE applied_hash IS DISTINCT FROM desired_hash ORDER BY transaction_id LIMIT 100",
        "SELECT FROM transactions WHERE contact_id = 7",
        "SELECT FROM gift_words WHERE word >= 'an' AND word < 'ao'",
        "SELECT FROM daily_totals WHERE day >= '2026-11-01'",
        "SELECT FROM status_events WHERE status IN ('sent', 'redeemed') ORDER BY happened_at DESC LIMIT 20",
        "SELECT FROM portal_totals",
        "SELECT FROM audit ORDER BY at DESC, seq DESC LIMIT 50",
    ] {
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {query}")))
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        let enters = |line: &String| line.contains("Index Cond: ") && line.contains("hub_id = ");
        assert!(plan.iter().any(enters), "{query}: {plan:#?}");
    }
}
