//! The engine without limits on either side: how many gifts a second it brings through reading, writing and linking, and
//! where the time goes: stage by stage, process by process, statement by statement.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sandbox::{DEMO_HUB_ID, WorldSpec};
use serde_json::Value;
use store::testing::Statement;

use crate::figures::{Figures, Limit, count};
use crate::meter::{Cpu, Meter};
use crate::processes::{Process, Stage};
use crate::say;

const GIFTS: usize = 20_000;
/// Gifts of each person.
const GIFTS_EACH: usize = 4;
/// A worker's rate on a sandbox without limits, in calls per 10 s: more than it comes to.
const RATE: &str = "1000000";
/// Statements to PostgreSQL per 1,000 gifts: a page of 500 that is read takes about 25, a batch of 100 that is written 8.
const STATEMENTS: f64 = 150.0;
/// How many of the costliest statements are named.
const NAMED: usize = 6;
/// How often the sandbox is looked at, and how often web is asked for the end, which costs some statements each time.
const LOOK: Duration = Duration::from_millis(20);
const ASK: Duration = Duration::from_millis(200);
/// Nothing is judged by it.
const PATIENCE: Duration = Duration::from_hours(2);

/// A stage, and the first call to the sandbox by which it is known to have begun.
const STAGES: [(&str, &str); 3] = [
    ("reading", "thnks.transactions"),
    ("writing", "objects.batch_upsert"),
    ("linking", "objects.batch_read"),
];

pub async fn run(figures: &mut Figures, arguments: &[String]) {
    let gifts = arguments
        .first()
        .map_or(GIFTS, |text| text.parse().expect("a number of gifts"));
    let people = gifts.div_ceil(GIFTS_EACH);
    let now = sandbox::machine_clock()();
    let stage = Stage::with(WorldSpec::even(now, gifts, people)).await;
    let worker = worker_without_limits(&stage);
    let meter = Meter::of(&stage, std::slice::from_ref(&worker)).await;
    say(&format!("bringing in {gifts} gifts without limits …"));
    stage.install().await;
    let marks = watch(&stage, &meter).await;

    figures.head(&format!(
        "engine, {gifts} gifts to {people} people, no limits on either side"
    ));
    show_stages(figures, &marks, gifts);
    show_statements(figures, &marks, gifts);
}

/// A worker that keeps to no limit, on a sandbox that has none.
pub fn worker_without_limits(stage: &Stage) -> Process {
    let mut rules = stage.control().rules();
    rules.requests_per_10s = None;
    rules.searches_per_second = None;
    stage.control().set_rules(rules);
    Process::spawn(stage.command(&["work"]).env("HUBSPOT_RATE_PER_10S", RATE))
}

/// Waits for the end of the backfill and makes sure that everything is where it should be.
pub async fn wait_for_the_end(stage: &Stage) {
    let began = Instant::now();
    while !has_ended(&stage.status().await) {
        assert!(began.elapsed() < PATIENCE, "the backfill does not end");
        tokio::time::sleep(ASK).await;
    }
    let verdict = stage.control().verify(DEMO_HUB_ID, None).unwrap();
    assert!(verdict.ok, "{verdict:#?}");
}

fn has_ended(status: &Value) -> bool {
    status["state"] == "active" && status["current_run"].is_null()
}

/// A moment between two stages, and what was used up to it.
struct Mark {
    at: Instant,
    cpu: Cpu,
    statements: Option<Vec<Statement>>,
}

impl Mark {
    async fn now(stage: &Stage, meter: &Meter) -> Self {
        Self {
            at: Instant::now(),
            cpu: meter.cpu(),
            statements: stage.scratch.statements().await,
        }
    }
}

/// The beginning of each stage and the end of the last one.
async fn watch(stage: &Stage, meter: &Meter) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (_, first_call) in STAGES {
        let hub_id = (!first_call.starts_with("thnks.")).then_some(DEMO_HUB_ID);
        let began = Instant::now();
        while !(stage.control().counters(hub_id).by_kind).contains_key(first_call) {
            assert!(began.elapsed() < PATIENCE, "{first_call} is never called");
            tokio::time::sleep(LOOK).await;
        }
        marks.push(Mark::now(stage, meter).await);
    }
    while !has_ended(&stage.status().await) {
        tokio::time::sleep(ASK).await;
    }
    marks.push(Mark::now(stage, meter).await);
    wait_for_the_end(stage).await;
    marks
}

fn show_stages(figures: &mut Figures, marks: &[Mark], gifts: usize) {
    let thousands = count(gifts) / 1_000.0;
    let (first, last) = (&marks[0], &marks[marks.len() - 1]);
    let whole = (last.at - first.at).as_secs_f64();
    figures.show(
        "gifts a second, through all stages",
        (count(gifts) / whole).round(),
        Limit::None,
        &format!("{whole:.1} s"),
    );
    for ((name, _), pair) in STAGES.iter().zip(marks.windows(2)) {
        let secs = (pair[1].at - pair[0].at).as_secs_f64();
        figures.show(
            &format!("{name}, % of the time"),
            (100.0 * secs / whole).round(),
            Limit::None,
            &format!(
                "{:.0} gifts a second; CPU: {}",
                count(gifts) / secs,
                words(pair[1].cpu - pair[0].cpu, secs)
            ),
        );
    }
    let used = last.cpu - first.cpu;
    for (name, secs) in [
        ("worker", used.worker),
        ("PostgreSQL", used.postgres),
        ("Redis", used.redis),
        ("sandbox", used.sandbox),
    ] {
        let name = format!("CPU seconds per 1,000 gifts, {name}");
        figures.show(&name, secs / thousands, Limit::None, "");
    }
}

/// How much of one core each used.
fn words(cpu: Cpu, secs: f64) -> String {
    let percent = |used: f64| format!("{:.0} %", 100.0 * used / secs);
    format!(
        "worker {}, PostgreSQL {}, sandbox {}",
        percent(cpu.worker),
        percent(cpu.postgres),
        percent(cpu.sandbox)
    )
}

fn show_statements(figures: &mut Figures, marks: &[Mark], gifts: usize) {
    let (Some(before), Some(after)) = (
        &marks[0].statements,
        marks.last().and_then(|mark| mark.statements.as_ref()),
    ) else {
        say("PostgreSQL does not count statements here");
        return;
    };
    let mut done = since(before, after);
    let calls: i64 = done.iter().map(|statement| statement.calls).sum();
    figures.show(
        "statements per 1,000 gifts",
        count(calls) * 1_000.0 / count(gifts),
        Limit::AtMost(STATEMENTS),
        "by pg_stat_statements, without BEGIN and COMMIT",
    );
    let millis: f64 = done.iter().map(|statement| statement.millis).sum();
    done.sort_by(|a, b| b.millis.total_cmp(&a.millis));
    for statement in done.iter().take(NAMED) {
        figures.show(
            &title(&statement.text),
            (100.0 * statement.millis / millis).round(),
            Limit::None,
            &format!(
                "% of the statements’ time; {} times, {:.1} ms each",
                statement.calls,
                statement.millis / count(statement.calls)
            ),
        );
    }
}

/// What ran between two looks.
pub fn since(before: &[Statement], after: &[Statement]) -> Vec<Statement> {
    let mut earlier: HashMap<&str, (i64, f64)> = HashMap::new();
    for statement in before {
        let (calls, millis) = earlier.entry(&statement.text).or_default();
        *calls += statement.calls;
        *millis += statement.millis;
    }
    let mut done: HashMap<&str, Statement> = HashMap::new();
    for statement in after {
        let (calls, millis) = earlier.remove(statement.text.as_str()).unwrap_or_default();
        let sum = done
            .entry(statement.text.as_str())
            .or_insert_with(|| Statement {
                text: statement.text.clone(),
                calls: 0,
                millis: 0.0,
            });
        sum.calls += statement.calls - calls;
        sum.millis += statement.millis - millis;
    }
    done.into_values()
        .filter(|statement| statement.calls > 0)
        .collect()
}

/// The beginning of a statement; of one that begins with an aside (`WITH`), that of what follows it.
pub fn title(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let main = match text.strip_prefix("WITH ") {
        Some(rest) => rest.find(") UPDATE ").map_or(rest, |at| &rest[at + 2..]),
        None => &text,
    };
    main.chars().take(44).collect()
}
