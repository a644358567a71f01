//! What migrations make of rows that were there before.

use std::borrow::Cow;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use store::testing::ScratchDatabase;

static ALL: Migrator = sqlx::migrate!("../../migrations");
/// The last migration before pages were read from words, steps and spans.
const BEFORE_PAGES: i64 = 20_261_125_000_001;

/// The last migration before portals had keys and what was done was chained.
const BEFORE_KEYS: i64 = 20_261_127_000_002;

/// An empty database, as the owner, with the migrations up to a version.
async fn database_at(version: i64) -> (PgConnection, Migrator) {
    let scratch = ScratchDatabase::create().await;
    let mut owner = scratch.owner().await;
    let name = format!("upgrade_{}", uuid::Uuid::now_v7().simple());
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut owner)
        .await
        .unwrap();
    let options: PgConnectOptions = scratch.owner_url.parse().unwrap();
    let mut conn = options.database(&name).connect().await.unwrap();
    let part = |is_wanted: &dyn Fn(i64) -> bool| Migrator {
        migrations: Cow::Owned(
            ALL.iter()
                .filter(|migration| is_wanted(migration.version))
                .cloned()
                .collect(),
        ),
        ignore_missing: true,
        ..Migrator::DEFAULT
    };
    part(&|of| of <= version).run(&mut conn).await.unwrap();
    (conn, part(&|of| of > version))
}

#[tokio::test]
async fn gifts_of_before_get_their_words_their_steps_and_no_spans_that_thnks_does_not_tell() {
    let (mut conn, rest) = database_at(BEFORE_PAGES).await;
    let mut tx = conn.begin().await.unwrap();
    sqlx::raw_sql(
        r#"SELECT set_config('app.hub_id', '7', true);
        INSERT INTO portals (hub_id, installed_at) VALUES (7, now());
        INSERT INTO portal_totals (hub_id) VALUES (7);
        INSERT INTO transactions (hub_id, transaction_id, gift_type, amount, sender_name, recipient_name, recipient_email,
            reported_status, history, created_at, updated_at, seen_at, status, counted_at, counted_on, redeemed, desired_hash)
        SELECT 7, id, 'Coffee', 5, 'Dana Reyes', 'José Anne-Marie', 'Sam.Okafor@Client.example', status, history::jsonb,
            '2026-11-01T10:00:00Z', now(), now(), status, '2026-11-01T10:00:00Z', '2026-11-01', false, '\x01'
        FROM (VALUES
            ('txn_sent', 'sent', '[{"status":"sent","at":"2026-11-01T10:00:00Z"}]'),
            ('txn_opened', 'opened', '[{"status":"sent","at":"2026-11-01T10:00:00Z"},{"status":"Opened","at":"2026-11-01T11:00:00Z"}]'),
            ('txn_odd', 'expired', '[{"status":"sent","at":"2026-11-01T10:00:00Z"},{"status":"expired","at":"0000-01-01T00:00:00Z"},{"status":"delivered","at":"+10000-01-01T00:00:00Z"}]')
        ) AS gift (id, status, history)"#,
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    rest.run(&mut conn).await.unwrap();

    let mut tx = conn.begin().await.unwrap();
    sqlx::query("SELECT set_config('app.hub_id', '7', true)")
        .execute(&mut *tx)
        .await
        .unwrap();
    let rows = sqlx::query(
        "SELECT transaction_id, delivered, opened, delivered_after, opened_after, redeemed_after, words FROM transactions ORDER BY 1",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    // Whether it was delivered and opened, and how long each step took.
    let steps = rows.iter().map(|row| {
        let took: [Option<i32>; 3] = [row.get(3), row.get(4), row.get(5)];
        let (id, reached): (&str, [bool; 2]) = (row.get(0), [row.get(1), row.get(2)]);
        (id, reached, took)
    });
    let steps: Vec<_> = steps.collect();
    assert_eq!(
        steps,
        [
            ("txn_odd", [true, false], [None; 3]),
            ("txn_opened", [true, true], [None, Some(3_600), None]),
            ("txn_sent", [false, false], [None; 3]),
        ]
    );
    let words: Vec<String> = rows[0].get("words");
    for text in [
        "jose",
        "anne marie",
        "sam.okafor@client.example",
        "client.example",
        "okafor",
        "reyes",
    ] {
        for term in domain::search::terms(text) {
            assert!(
                words.iter().any(|word| word.starts_with(&term)),
                "{text}: {words:?}"
            );
        }
    }
    let paces: Vec<(String, i64)> =
        sqlx::query_as("SELECT step, transactions FROM daily_paces ORDER BY 1")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    assert_eq!(paces, [("opened".to_owned(), 1)]);
    let counted: (i64, i64) =
        sqlx::query_as("SELECT sum(delivered)::bigint, sum(opened)::bigint FROM daily_totals")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
    assert_eq!(counted, (2, 1));
    let indexed: i64 = sqlx::query_scalar("SELECT count(*) FROM gift_words WHERE word = 'okafor'")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(indexed, 3);
}

#[tokio::test]
async fn what_was_done_is_chained_what_was_sealed_is_found_and_the_disconnected_begin_to_wait() {
    let (mut conn, rest) = database_at(BEFORE_KEYS).await;
    for hub_id in [7, 8] {
        let mut tx = conn.begin().await.unwrap();
        // Sealed with the key `one`; what is no sealed value must not stand in the way.
        sqlx::raw_sql(AssertSqlSafe(format!(
            r#"SELECT set_config('app.hub_id', '{hub_id}', true);
            INSERT INTO portals (hub_id, installed_at, disconnected_at)
            VALUES ({hub_id}, '2020-01-01', CASE WHEN {hub_id} = 8 THEN timestamptz '2020-02-01' END);
            INSERT INTO sync_schedule (hub_id) VALUES ({hub_id});
            INSERT INTO thnks_connections (hub_id, api_key, connected_at) VALUES ({hub_id}, '\x01036f6e65ffff', now());
            INSERT INTO connections (hub_id, access_token, refresh_token, refresh_at, expires_at, scopes)
            VALUES ({hub_id}, '\x01036f6e65ffff', '\x01', now(), now(), '{{}}');
            INSERT INTO audit (hub_id, at, actor, action, detail)
            SELECT {hub_id}, now() + n * interval '1 s', 'user:1', 'run.request', '{{"kind": "sync"}}' FROM generate_series(1, 50) AS n"#
        )))
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }
    rest.run(&mut conn).await.unwrap();

    for hub_id in [7_i64, 8] {
        let mut tx = conn.begin().await.unwrap();
        sqlx::query("SELECT set_config('app.hub_id', $1, true)")
            .bind(hub_id.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query("INSERT INTO audit (hub_id, at, actor, action) VALUES ($1, now(), 'user:1', 'portal.pause')")
            .bind(hub_id)
            .execute(&mut *tx)
            .await
            .unwrap();
        let (lines, last, sound): (i64, i64, bool) = sqlx::query_as(
            "SELECT count(*), max(number), bool_and(is_sound) FROM (
                SELECT number, hash = act_hash(coalesce(lag(hash) OVER (ORDER BY number), ''), audit) AS is_sound FROM audit) AS chain",
        )
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        assert_eq!((lines, last, sound), (51, 51, true));
        let head: i64 = sqlx::query_scalar("SELECT number FROM chain_heads WHERE chain = 'acts'")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(head, 51);
    }
    let uses: Vec<(i64, String)> = sqlx::query_as("SELECT hub_id, key_id FROM key_uses ORDER BY 1")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    assert_eq!(uses, [(7, "one".to_owned()), (8, "one".to_owned())]);
    // Whoever was disconnected years ago has the whole time still.
    let waits: Vec<(i64, Option<bool>)> = sqlx::query_as(
        "SELECT hub_id, disconnected_at > now() - interval '1 hour' FROM sync_schedule ORDER BY 1",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(waits, [(7, None), (8, Some(true))]);
}
