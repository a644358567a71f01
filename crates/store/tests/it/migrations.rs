//! What a migration may say, so that the version before goes on working beside it: it adds. One that takes something away says
//! `-- contract: VERSION`, the last migration that a binary must know to do without, and raises the floor to it.

use sqlx::migrate::{Migration, Migrator};

static ALL: Migrator = sqlx::migrate!("../../migrations");

/// Up to here the version before was stopped.
const STOPPED: i64 = 20_261_129_000_005;

/// Words that no statement of a migration that adds has, each with the way around.
const FORBIDDEN: [(&str, &str); 16] = [
    ("DROP TABLE", "the version before reads it: a contract"),
    ("DROP COLUMN", "the version before reads it: a contract"),
    ("DROP VIEW", "the version before reads it: a contract"),
    ("DROP FUNCTION", "the version before calls it: a contract"),
    ("DROP TYPE", "the version before uses it: a contract"),
    ("DROP SCHEMA", "a contract"),
    ("TRUNCATE ", "a contract"),
    (
        "RENAME ",
        "add the new name, and take away the old one in a contract",
    ),
    (
        "SET NOT NULL",
        "the version before may write NULL: CHECK (… IS NOT NULL) NOT VALID, in a contract",
    ),
    ("SET DATA TYPE", "it rewrites the table: a new column"),
    (" TYPE ", "it rewrites the table: a new column"),
    ("CLUSTER ", "it rewrites the table"),
    ("VACUUM FULL", "it rewrites the table"),
    ("REINDEX ", "REINDEX CONCURRENTLY by hand"),
    ("LOCK TABLE", "nothing waits for a migration"),
    ("ACCESS EXCLUSIVE", "nothing waits for a migration"),
];

/// Statements, in capitals, without comments and without what stands between dollars: that is not run now.
fn statements(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
        .collect();
    let code = code.join(" ");
    let outside: Vec<&str> = code.split("$$").step_by(2).collect();
    let outside = outside.join("$$");
    let statements = outside.split(';').map(|statement| {
        let words: Vec<&str> = statement.split_whitespace().collect();
        words.join(" ").to_uppercase()
    });
    statements
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// What is wrong with a migration.
fn faults(sql: &str, is_outside: bool) -> Vec<String> {
    let statements = statements(sql);
    let is_new = |table: &str| {
        let made = format!("CREATE TABLE {table} ");
        statements
            .iter()
            .any(|statement| format!("{statement} ").starts_with(&made))
    };
    let mut faults = Vec::new();
    if is_outside && statements.len() != 1 {
        faults
            .push("outside of a transaction: one statement, or the rest could stay undone".into());
    }
    for statement in &statements {
        let mut fault = |why: &str| faults.push(format!("{why}: {statement}"));
        for (words, why) in FORBIDDEN {
            // A column may well be added that is called after a type.
            if format!("{statement} ").contains(words) && !statement.starts_with("CREATE ") {
                fault(why);
            }
        }
        let mut words = statement.split([' ', '(']).filter(|word| !word.is_empty());
        match words.next() {
            Some("UPDATE" | "DELETE") => {
                fault("rows are changed in strides by the service, not all at once");
            }
            Some("INSERT") if statement.contains(" SELECT ") => {
                fault("rows are filled in strides by the service, not all at once");
            }
            Some("CREATE") if statement.contains(" INDEX ") => {
                let table = statement.split(" ON ").nth(1).unwrap_or_default();
                let table = table.split([' ', '(']).next().unwrap_or_default();
                if !(is_new(table) || is_outside && statement.contains(" CONCURRENTLY ")) {
                    fault("writers wait while it is built: CONCURRENTLY, after -- no-transaction");
                }
            }
            Some("ALTER") if statement.starts_with("ALTER TABLE ") => {
                let table = statement.split(' ').nth(2).unwrap_or_default();
                if is_new(table) {
                    continue;
                }
                for part in statement.split(',') {
                    if part.contains("ADD COLUMN")
                        && part.contains("NOT NULL")
                        && !part.contains(" DEFAULT ")
                    {
                        fault("the version before does not fill it: a DEFAULT");
                    }
                    let checks = ["CHECK", "FOREIGN KEY"]
                        .iter()
                        .any(|word| part.contains(word));
                    if part.contains("ADD CONSTRAINT") && checks && !statement.contains("NOT VALID")
                    {
                        fault(
                            "all rows are looked at under a lock: NOT VALID, and VALIDATE in the next migration",
                        );
                    }
                    let is_unique = part.contains("UNIQUE") || part.contains("PRIMARY KEY");
                    if part.contains("ADD CONSTRAINT") && is_unique && !part.contains("USING INDEX")
                    {
                        fault(
                            "writers wait while it is built: a concurrent index, then USING INDEX",
                        );
                    }
                    let dropped = part.split("DROP CONSTRAINT ").nth(1);
                    let dropped = dropped.and_then(|rest| {
                        rest.split(' ')
                            .find(|word| !["IF", "EXISTS"].contains(word))
                    });
                    // A list of values grows so.
                    let is_replaced = |name: &str| {
                        statements
                            .iter()
                            .any(|other| other.contains(&format!("ADD CONSTRAINT {name} ")))
                    };
                    if dropped.is_some_and(|name| !is_replaced(name)) {
                        fault("what held no longer does: a contract");
                    }
                }
            }
            _ => {}
        }
    }
    faults
}

/// The floor that a contract names in its marker.
fn contract(sql: &str) -> Option<i64> {
    let marker = sql
        .lines()
        .find_map(|line| line.strip_prefix("-- contract: "))?;
    let version = marker.split_whitespace().next()?;
    Some(version.parse().expect("-- contract: VERSION"))
}

/// Whether a contract raises the floor to what its marker says, and to a migration that came before it.
fn raises_the_floor(migration: &Migration, floor: i64) -> bool {
    let raised = "CREATE OR REPLACE FUNCTION SCHEMA_FLOOR() RETURNS BIGINT LANGUAGE SQL IMMUTABLE PARALLEL SAFE RETURN";
    let is_known = ALL.iter().any(|known| known.version == floor);
    is_known
        && floor < migration.version
        && statements(migration.sql.as_str()).contains(&format!("{raised} {floor}"))
}

#[test]
fn migrations_only_add_or_say_since_which_version_nobody_needs_what_they_take_away() {
    for migration in ALL.iter().filter(|one| one.version > STOPPED) {
        let sql = migration.sql.as_str();
        if let Some(floor) = contract(sql) {
            assert!(raises_the_floor(migration, floor), "{}", migration.version);
        } else {
            let faults = faults(sql, migration.no_tx);
            assert!(faults.is_empty(), "{}: {faults:#?}", migration.version);
        }
    }
}

#[test]
fn what_would_stop_the_version_before_or_keep_it_waiting_is_found() {
    for sql in [
        "DROP TABLE portals",
        "ALTER TABLE portals DROP COLUMN name",
        "ALTER TABLE portals RENAME COLUMN name TO title",
        "ALTER TABLE portals ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE portals ALTER COLUMN hub_id TYPE text",
        "ALTER TABLE portals ADD COLUMN name text NOT NULL",
        "ALTER TABLE portals\n    ADD COLUMN one text, -- a comment\n    ADD COLUMN two text NOT NULL",
        "ALTER TABLE portals ADD CONSTRAINT named CHECK (name <> '')",
        "ALTER TABLE portals ADD CONSTRAINT one UNIQUE (name)",
        "ALTER TABLE portals DROP CONSTRAINT named",
        "CREATE INDEX portals_name ON portals (name)",
        "CREATE INDEX CONCURRENTLY portals_name ON portals (name)",
        "CREATE UNIQUE INDEX portals_name ON portals (name)",
        "UPDATE portals SET name = ''",
        "DELETE FROM sessions",
        "INSERT INTO names SELECT name FROM portals",
        "CREATE TABLE more (id bigint); LOCK TABLE portals",
    ] {
        assert!(!faults(sql, false).is_empty(), "{sql}");
    }
    let two = "-- no-transaction\nDROP INDEX CONCURRENTLY one; CREATE INDEX CONCURRENTLY one ON portals (name)";
    assert!(!faults(two, true).is_empty());
}

#[test]
fn what_only_adds_passes() {
    for sql in [
        "CREATE TABLE more (hub_id bigint NOT NULL REFERENCES portals, type text); CREATE INDEX more_type ON more (type); ALTER TABLE more ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE portals ADD COLUMN one text, ADD COLUMN two boolean NOT NULL DEFAULT false",
        "ALTER TABLE runs DROP CONSTRAINT runs_kind_check; ALTER TABLE runs ADD CONSTRAINT runs_kind_check CHECK (kind IN ('a', 'b')) NOT VALID",
        "ALTER TABLE runs VALIDATE CONSTRAINT runs_kind_check",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE portals SET name = ''; DELETE FROM sessions; RETURN NULL; END $$",
    ] {
        assert_eq!(faults(sql, false), Vec::<String>::new(), "{sql}");
    }
    let index = "-- no-transaction\nCREATE INDEX CONCURRENTLY portals_name ON portals (name)";
    assert_eq!(faults(index, true), Vec::<String>::new());
}
