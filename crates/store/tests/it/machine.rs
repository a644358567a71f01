//! The isolation of portals as a state machine: three of them, with the same ids everywhere, act at random through the
//! store's own functions, look, and see their own map of what they did and nothing else. It holds with both layers, with
//! the predicates of the queries alone, and with row-level security alone, where a proxy takes the predicates out; with
//! neither it must fail, which shows that it can see.
//!
//! Left out, as they belong to no portal or to all by design: `organizations`, `setup_links`, `install_states`,
//! `hubspot_events`, the dispatcher's `runs::take_due`, `notices::take_due` and `schedule::insert_due_runs`, and
//! `sessions::delete_of`. A new table gets acts in `ledger` or `portal`, a look in `looks` and a field of `Model`.

mod ledger;
mod looks;
mod model;
mod portal;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use domain::UserId;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sqlx::{AssertSqlSafe, PgConnection};
use store::testing::ScratchDatabase;
use store::{Db, PortalScope, members};

use self::model::{Dice, MARKS, Model, Outcome, Surprise, Turn, count};
use crate::catalog::NOT_TENANT;
use crate::harness::now;
use crate::proxy::{Proxy, strip};

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => $take:path,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        enum $name {
            $($variant,)+
        }

        impl $name {
            const ALL: &[Self] = &[$(Self::$variant,)+];

            async fn take(self, turn: &mut Turn<'_>) -> Outcome {
                match self {
                    $(Self::$variant => $take(turn).await,)+
                }
            }
        }
    };
}

choices! {
    /// What changes something.
    Act {
        Page => ledger::page,
        PageAgain => ledger::page_again,
        Write => ledger::write,
        Refuse => ledger::refuse,
        LeaveUnanswered => ledger::leave_unanswered,
        GiveUp => ledger::give_up,
        TryAgain => ledger::try_again,
        MarkDirty => ledger::mark_dirty,
        MarkAllDirty => ledger::mark_all_dirty,
        ForgetRecords => ledger::forget_records,
        ForgetLost => ledger::forget_lost,
        Link => ledger::link,
        KeepDeals => ledger::keep_deals,
        MarkOrphans => ledger::mark_orphans,
        MarkRecipients => ledger::mark_recipients,
        MarkDue => ledger::mark_due,
        DropContact => ledger::drop_contact,
        DropLinks => ledger::drop_links,
        MoveContact => ledger::move_contact,
        TakeInHand => ledger::take_in_hand,
        Remedy => ledger::remedy,
        Reject => ledger::reject,
        Accept => ledger::accept,
        DropUnseen => ledger::drop_unseen,
        ReadAgain => ledger::read_again,
        SaveKey => ledger::save_key,
        Erase => ledger::erase,
        Install => portal::install,
        SaveObject => portal::save_object,
        SaveRules => portal::save_rules,
        SaveNeeds => portal::save_needs,
        MoveCursor => portal::move_cursor,
        EndBackfill => portal::end_backfill,
        Disconnect => portal::disconnect,
        PlanSync => portal::plan_sync,
        Grant => portal::grant,
        RefuseRefresh => portal::refuse_refresh,
        ConnectThnks => portal::connect_thnks,
        LabelStages => portal::label_stages,
        Trouble => portal::trouble,
        SetNotices => portal::set_notices,
        SetSecret => portal::set_secret,
        Say => portal::say,
        Deliver => portal::deliver,
        Ask => portal::ask,
        Claim => portal::claim,
        Progress => portal::progress,
        Postpone => portal::postpone,
        Finish => portal::finish,
        Cancel => portal::cancel,
        Pause => portal::pause,
        Resume => portal::resume,
        FailOpen => portal::fail_open,
        Interrupt => portal::interrupt,
        WipeRun => portal::wipe_run,
        Join => portal::join,
        ChangeRole => portal::change_role,
        Leave => portal::leave,
        SignIn => portal::sign_in,
        SignOut => portal::sign_out,
        Note => portal::note,
    }
}

choices! {
    /// What compares.
    Look {
        Counters => looks::counters,
        Portal => looks::portal,
        Gifts => looks::gifts,
        Trace => looks::trace,
        Story => looks::story,
        Work => looks::work,
        Orphans => looks::orphans,
        Contacts => looks::contacts,
        Person => looks::person,
        Remedies => looks::remedies,
        Failures => looks::failures,
        Rejected => looks::rejected,
        Totals => looks::totals,
        Reports => looks::reports,
        Activity => looks::activity,
        Runs => looks::run_list,
        People => looks::people,
        Sessions => looks::session_count,
        Trail => looks::trail,
        Grants => looks::grants,
        Labels => looks::labels,
        Notices => looks::notices,
    }
}

impl Act {
    /// Those of which most things come.
    const FREQUENT: &[Self] = &[Self::Page, Self::Write, Self::Link, Self::Ask, Self::Claim];
    /// Those that change a table without row-level security, which only their predicate guards.
    const NOT_ACROSS: &[Self] = &[
        Self::Disconnect,
        Self::PlanSync,
        Self::Claim,
        Self::Progress,
        Self::Postpone,
        Self::Pause,
        Self::Resume,
        Self::FailOpen,
        Self::Interrupt,
        Self::SignOut,
    ];
}

/// How a step ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    Commit,
    RollBack,
    /// It is tried in the transaction of the portal so many places further.
    Across(usize),
}

#[derive(Debug, Clone)]
struct Step {
    portal: usize,
    act: Act,
    look: Look,
    ending: Ending,
    seed: u64,
}

impl Step {
    /// Every second one does: looks read more than acts write.
    fn looks(&self) -> bool {
        self.seed.is_multiple_of(2)
    }

    fn committed(portal: usize, act: Act, look: Look) -> Self {
        Self {
            portal,
            act,
            look,
            ending: Ending::Commit,
            seed: 0,
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        3 => proptest::sample::select(Act::ALL),
        1 => proptest::sample::select(Act::FREQUENT),
    ];
    let ending = prop_oneof![
        7 => Just(Ending::Commit),
        1 => Just(Ending::RollBack),
        1 => Just(Ending::Across(1)),
        1 => Just(Ending::Across(2)),
    ];
    let look = proptest::sample::select(Look::ALL);
    (0..MARKS.len(), act, look, ending, any::<u64>()).prop_map(
        |(portal, act, look, ending, seed)| Step {
            portal,
            act,
            look,
            ending,
            seed,
        },
    )
}

/// What stands between two portals.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layers {
    Both,
    Predicates,
    RowSecurity,
    Neither,
}

impl Layers {
    fn has_row_security(self) -> bool {
        matches!(self, Self::Both | Self::RowSecurity)
    }

    fn has_predicates(self) -> bool {
        matches!(self, Self::Both | Self::Predicates)
    }
}

/// A database with the layers that are wanted, and the way to it.
struct Machine {
    layers: Layers,
    db: Db,
    /// What `db` leads to, which goes with it.
    _scratch: ScratchDatabase,
    proxy: Option<Proxy>,
    /// The last portal's number.
    hubs: Cell<i64>,
    acts: Cell<usize>,
}

impl Machine {
    async fn new(layers: Layers) -> Self {
        let scratch = ScratchDatabase::create().await;
        let mut owner = scratch.owner().await;
        if !layers.has_row_security() {
            for (table, _) in store::testing::rights() {
                let sql = format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY");
                sqlx::query(AssertSqlSafe(sql))
                    .execute(&mut owner)
                    .await
                    .unwrap();
            }
        }
        let (mut db, mut proxy) = (scratch.db(), None);
        if !layers.has_predicates() {
            strip_functions(&mut owner).await;
            let between = Proxy::start(&scratch.app_url).await;
            db = Db::open(&between.url, 2).unwrap();
            proxy = Some(between);
        }
        Self {
            layers,
            db,
            _scratch: scratch,
            proxy,
            hubs: Cell::new(0),
            acts: Cell::new(0),
        }
    }

    /// Plays the steps with three new portals, and looks at everything in the end. The error has the number of steps that it
    /// took.
    async fn play(&self, steps: &[Step]) -> Result<(), (usize, Surprise)> {
        let mut models = [(); 3].map(|()| Model::default());
        let scopes = [(); 3].map(|()| {
            self.hubs.set(self.hubs.get() + 1);
            PortalScope::from_operator(domain::HubId(self.hubs.get()))
        });
        for (portal, _) in MARKS.iter().enumerate() {
            let install = Step::committed(portal, Act::Install, Look::Portal);
            let taken = self.take(&install, &scopes, &mut models, 0).await;
            taken.map_err(|why| (0, why))?;
        }
        for (n, step) in (1..).zip(steps) {
            let taken = self.take(step, &scopes, &mut models, count(n)).await;
            taken.map_err(|why| (n, why))?;
            self.acts.set(self.acts.get() + 1);
        }
        let all_seen = self.look_at_all(&scopes, &mut models).await;
        all_seen.map_err(|why| (steps.len(), why))
    }

    async fn look_at_all(&self, scopes: &[PortalScope; 3], models: &mut [Model; 3]) -> Outcome {
        for (portal, _) in MARKS.iter().enumerate() {
            for look in Look::ALL {
                let step = Step::committed(portal, Act::Accept, *look);
                self.take(&step, scopes, models, 20_000).await?;
            }
        }
        self.look_at_memberships(scopes, models).await
    }

    async fn take(
        &self,
        step: &Step,
        scopes: &[PortalScope; 3],
        models: &mut [Model; 3],
        tick: i64,
    ) -> Outcome {
        let own = step.portal;
        let other = match step.ending {
            Ending::Across(by) => (own + by) % MARKS.len(),
            Ending::Commit | Ending::RollBack => own,
        };
        let is_across = own != other;
        if is_across && !self.layers.has_row_security() {
            return Ok(());
        }
        let lure = models[own].clone();
        let mut model = match (is_across, self.layers.has_predicates()) {
            (false, _) => lure.clone(),
            (true, true) => Model::default(),
            (true, false) => models[other].clone(),
        };
        let mut tx = self.db.begin(scopes[other]).await?;
        let mut turn = Turn {
            conn: &mut tx,
            scope: scopes[own],
            // Where only the security of rows holds, it writes in the other's place, and in the other's name.
            mark: MARKS[if self.layers.has_predicates() {
                own
            } else {
                other
            }],
            may_see: MARKS[other],
            model: &mut model,
            is_judged: !is_across || self.layers.has_predicates(),
            lure: &lure,
            dice: Dice(step.seed),
            tick,
            at: now() + TimeDelta::minutes(tick),
        };
        let mut taken = Ok(());
        if !is_across || !Act::NOT_ACROSS.contains(&step.act) {
            taken = step.act.take(&mut turn).await;
        }
        if is_across && taken.is_ok() && step.look != Look::Sessions {
            if self.layers.has_predicates() {
                // Nothing has come of it.
                *turn.model = Model::default();
            }
            taken = step.look.take(&mut turn).await;
        } else if !is_across && taken.is_ok() && step.looks() {
            let lure = turn.model.clone();
            turn.lure = &lure;
            taken = step.look.take(&mut turn).await;
        }
        match (taken, is_across) {
            (Err(Surprise::Refused(error)), true) if is_no_way_in(&error) => {
                tx.rollback().await.map_err(store::Error::from)?;
            }
            (Err(surprise), _) => return Err(surprise),
            (Ok(()), false) if step.ending == Ending::Commit => {
                tx.commit().await.map_err(store::Error::from)?;
                models[own] = model;
            }
            (Ok(()), true) if self.layers.has_predicates() => {
                tx.commit().await.map_err(store::Error::from)?;
            }
            (Ok(()), _) => tx.rollback().await.map_err(store::Error::from)?,
        }
        Ok(())
    }

    /// A person sees which portals they belong to, outside of all of them.
    async fn look_at_memberships(&self, scopes: &[PortalScope; 3], models: &[Model; 3]) -> Outcome {
        for user in 0..4 {
            let mut tx = self.db.begin_unscoped().await?;
            let seen = members::list_portals(&mut tx, UserId(user)).await?;
            let seen: BTreeSet<_> = seen
                .into_iter()
                .filter(|scope| scopes.contains(scope))
                .map(PortalScope::hub_id)
                .collect();
            let own = scopes.iter().zip(models);
            let known = own
                .filter(|(_, model)| model.members.contains_key(&user))
                .map(|(scope, _)| scope.hub_id())
                .collect();
            if seen != known {
                let text = format!("user {user} belongs to {known:?} and sees {seen:?}");
                return Err(Surprise::Differs(text));
            }
        }
        Ok(())
    }
}

/// Takes the predicates out of what runs within the database.
async fn strip_functions(owner: &mut PgConnection) {
    let functions: Vec<String> = sqlx::query_scalar(
        "SELECT pg_get_functiondef(oid) FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace AND prosrc LIKE '%hub_id = %'
            -- Which no row-level security guards.
            AND prosrc NOT LIKE '%sync_schedule%'",
    )
    .fetch_all(&mut *owner)
    .await
    .unwrap();
    assert!(!functions.is_empty());
    for function in functions {
        let stripped = strip(&function);
        assert_ne!(stripped, function);
        sqlx::raw_sql(AssertSqlSafe(stripped))
            .execute(&mut *owner)
            .await
            .unwrap();
    }
}

/// The database let nothing in, or had nothing there.
fn is_no_way_in(error: &store::Error) -> bool {
    const INSUFFICIENT_PRIVILEGE: &str = "42501";
    match error {
        store::Error::Database(sqlx::Error::RowNotFound) => true,
        store::Error::Database(sqlx::Error::Database(error)) => {
            error.code().as_deref() == Some(INSUFFICIENT_PRIVILEGE)
        }
        _ => false,
    }
}

/// How many sequences, each of so many steps; `MACHINE_SEQUENCES` asks for another number, and for others each time.
const SEQUENCES: usize = 20;
const STEPS: usize = 500;
/// For how long a shorter sequence is looked for that fails as well.
const PATIENCE: Duration = Duration::from_secs(15);

/// A sequence that fails, and why.
struct Failed {
    steps: Vec<Step>,
    why: Surprise,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} after {} steps:", self.why, self.steps.len())?;
        self.steps
            .iter()
            .try_for_each(|step| writeln!(f, "{step:?}"))
    }
}

/// Plays random sequences until one fails.
fn run(layers: Layers) -> (Machine, Option<Failed>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let machine = runtime.block_on(Machine::new(layers));
    let wanted = std::env::var_os("MACHINE_SEQUENCES")
        .map(|wanted| wanted.to_string_lossy().parse::<usize>().unwrap());
    let mut runner = match wanted {
        Some(_) => TestRunner::default(),
        None => TestRunner::deterministic(),
    };
    let sequence = proptest::collection::vec(step(), STEPS);
    let sequences = match layers {
        // The layer that every other test of the product sees as well.
        Layers::Predicates => SEQUENCES / 4,
        Layers::Both | Layers::RowSecurity | Layers::Neither => SEQUENCES,
    };
    for _ in 0..wanted.unwrap_or(sequences) {
        let steps = sequence.new_tree(&mut runner).unwrap().current();
        let play = |steps: &[Step]| runtime.block_on(machine.play(steps)).err();
        if let Some((failed_at, why)) = play(&steps) {
            let mut failed = Failed { steps, why };
            failed.steps.truncate(failed_at);
            shorten(&mut failed, play);
            return (machine, Some(failed));
        }
    }
    (machine, None)
}

/// Leaves out steps, many at once and then few, as long as it still fails.
fn shorten(failed: &mut Failed, play: impl Fn(&[Step]) -> Option<(usize, Surprise)>) {
    let begun = Instant::now();
    let mut length = failed.steps.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < failed.steps.len() && begun.elapsed() < PATIENCE {
            let mut fewer = failed.steps.clone();
            fewer.drain(at..(at + length).min(fewer.len()));
            if let Some((failed_at, why)) = play(&fewer) {
                fewer.truncate(failed_at);
                (failed.steps, failed.why) = (fewer, why);
            } else {
                at += length;
            }
        }
        length /= 2;
    }
}

fn assert_holds(layers: Layers) -> Machine {
    let (machine, failed) = run(layers);
    if let Some(failed) = failed {
        panic!("{layers:?}: {failed}");
    }
    machine
}

#[test]
fn three_portals_with_the_same_ids_see_what_each_did_and_nothing_else() {
    let machine = assert_holds(Layers::Both);
    println!("{} acts, and half as many looks", machine.acts.get());
}

#[test]
fn the_predicates_of_the_queries_hold_alone() {
    assert_holds(Layers::Predicates);
}

#[test]
fn row_level_security_holds_alone_when_the_queries_have_no_predicates() {
    let machine = assert_holds(Layers::RowSecurity);
    let seen = machine.proxy.unwrap().seen();
    println!(
        "{} statements without their predicates, {} left as they are on tables of no portal, {} had none",
        seen.stripped.len(),
        seen.exempt.len(),
        seen.without.len()
    );
    for statement in &seen.exempt {
        println!(
            "left: {}",
            statement.split_whitespace().collect::<Vec<_>>().join(" ")
        );
    }
    assert!(seen.stripped.len() > 150);
    assert!(seen.exempt.len() < 40);
    for statement in &seen.exempt {
        let names = |(table, _): &(&str, &str)| statement.contains(table);
        assert!(NOT_TENANT.iter().any(names), "{statement}");
    }
}

#[test]
fn with_neither_layer_the_machine_fails() {
    let (_, failed) = run(Layers::Neither);
    let failed = failed.expect("a leak is seen");
    println!("{failed}");
    assert!(matches!(failed.why, Surprise::Differs(_)));
}

#[tokio::test]
async fn with_neither_layer_every_look_sees_a_leak() {
    let machine = Machine::new(Layers::Neither).await;
    let scopes = [1, 2, 3].map(|hub_id| PortalScope::from_operator(domain::HubId(hub_id)));
    let mut models = [(); 3].map(|()| Model::default());
    let mut runner = TestRunner::deterministic();
    let steps = proptest::collection::vec(step(), 2 * STEPS);
    let mut blind: Vec<Look> = Look::ALL.to_vec();
    // No row-level security guards these.
    blind.retain(|look| *look != Look::Sessions);
    let install = Step::committed(0, Act::Install, Look::Portal);
    machine
        .take(&install, &scopes, &mut models, 0)
        .await
        .unwrap();
    for (tick, step) in (1..).zip(steps.new_tree(&mut runner).unwrap().current()) {
        if blind.is_empty() {
            break;
        }
        let own = Step {
            portal: 0,
            ending: Ending::Commit,
            ..step
        };
        machine
            .take(&own, &scopes, &mut models, tick)
            .await
            .unwrap();
        let looks = if tick % 10 == 0 {
            blind.clone()
        } else {
            Vec::new()
        };
        for look in looks {
            // Another one comes for a moment, and looks.
            let others = Step {
                portal: 1,
                act: Act::Install,
                look,
                ending: Ending::RollBack,
                seed: own.seed - own.seed % 2,
            };
            let seen = machine.take(&others, &scopes, &mut models, tick).await;
            if matches!(seen, Err(Surprise::Differs(_))) {
                blind.retain(|one| *one != look);
            }
        }
    }
    assert!(blind.is_empty(), "see nothing: {blind:?}");
    assert!(machine.proxy.unwrap().seen().stripped.len() > 100);
}
