//! Acts on everything but gifts: the portal itself, its grants, runs, people, trail and notices.

use chrono::TimeDelta;
use domain::matching::Rules;
use domain::notice::{Channel, Notice, NoticeKind};
use domain::portal::{Need, NeedCode};
use domain::run::{RunKind, RunState, STARTS_WITHOUT_PROGRESS};
use domain::trouble::{Said, Trouble};
use domain::{RunId, UserId};
use serde_json::json;
use store::connections;
use store::members::{self, Role};
use store::notices::{self, Target};
use store::pipelines::{self, Stage};
use store::portals::{self, AccountDetails, AssociationTypes};
use store::runs::{self, Claim, Progress};
use store::thnks_connections::{self, ThnksConnection};
use store::{Error, Sealed, audit, erasure, schedule, sessions, troubles};
use uuid::Uuid;

use super::model::{
    Delivery, Grant, Member, Outcome, PRIVATE, Run, Settings, Surprise, Thnks, Turn,
};
use crate::harness::now;

pub async fn install(turn: &mut Turn<'_>) -> Outcome {
    let details = AccountDetails {
        hub_domain: Some(format!("{}.example", turn.mark)),
        ui_domain: "app.hubspot.com".into(),
        time_zone: "UTC".into(),
        ..AccountDetails::default()
    };
    portals::upsert(turn.conn, turn.scope, None, &details, turn.at).await?;
    turn.model.is_installed = true;
    turn.model.hub_domain = details.hub_domain;
    if turn.model.disconnected_at.take().is_some() {
        turn.model.needs.clear();
    }
    Ok(())
}

pub async fn save_object(turn: &mut Turn<'_>) -> Outcome {
    let object = turn.text();
    let types = AssociationTypes::default();
    portals::save_object(turn.conn, turn.scope, &object, &types).await?;
    turn.model.object_type_id = Some(object);
    Ok(())
}

pub async fn save_rules(turn: &mut Turn<'_>) -> Outcome {
    let rules = Rules {
        email_property: Some(turn.text()),
        ..Rules::default()
    };
    portals::save_rules(turn.conn, turn.scope, &rules).await?;
    turn.model.rules = rules;
    Ok(())
}

fn need(turn: &Turn<'_>) -> Need {
    Need {
        code: NeedCode::ScopeMissing,
        detail: turn.text(),
        remedy: turn.text(),
    }
}

pub async fn save_needs(turn: &mut Turn<'_>) -> Outcome {
    let needs: Vec<Need> = turn.dice.is(3).then(|| need(turn)).into_iter().collect();
    portals::save_needs(turn.conn, turn.scope, &needs, None, turn.at).await?;
    turn.model.needs = needs;
    turn.model.checked_at = Some(turn.at);
    Ok(())
}

pub async fn move_cursor(turn: &mut Turn<'_>) -> Outcome {
    let through = now() + TimeDelta::minutes(i64::try_from(turn.dice.roll(9_000)).unwrap());
    portals::save_synced_through(turn.conn, turn.scope, through).await?;
    turn.model.synced_through = turn.model.synced_through.max(Some(through));
    Ok(())
}

pub async fn end_backfill(turn: &mut Turn<'_>) -> Outcome {
    let seen = portals::save_backfilled(turn.conn, turn.scope, turn.at).await?;
    let is_first = turn.model.is_installed && turn.model.backfilled_at.is_none();
    turn.same("first backfill", &seen, &is_first)?;
    turn.model.backfilled_at = turn.model.backfilled_at.or(Some(turn.at));
    Ok(())
}

pub async fn disconnect(turn: &mut Turn<'_>) -> Outcome {
    let need = need(turn);
    portals::disconnect(turn.conn, turn.scope, &need, turn.at).await?;
    connections::delete(turn.conn, turn.scope).await?;
    let model = &mut *turn.model;
    model.disconnected_at = model.disconnected_at.or(Some(turn.at));
    model.needs = vec![need];
    (model.paused_at, model.next_sync_at, model.grant) = (None, None, None);
    Ok(())
}

pub async fn plan_sync(turn: &mut Turn<'_>) -> Outcome {
    let at = Some(turn.at).filter(|_| !turn.dice.is(3));
    schedule::save_next_sync(turn.conn, turn.scope, at).await?;
    turn.model.next_sync_at = at;
    Ok(())
}

pub async fn grant(turn: &mut Turn<'_>) -> Outcome {
    let token = turn.text();
    let (sealed, scopes) = (Sealed(token.clone().into_bytes()), vec![turn.text()]);
    let grant = connections::Grant {
        access_token: &sealed,
        refresh_token: &sealed,
        refresh_at: turn.at,
        expires_at: turn.at,
        scopes: &scopes,
    };
    let before = turn
        .model
        .grant
        .as_ref()
        .map_or(0, |grant| grant.generation);
    let refreshes = turn.dice.is(2);
    if refreshes {
        let lured = turn.lure.grant.as_ref();
        let generation = lured.map_or(1, |grant| grant.generation);
        let seen = connections::save_refreshed(turn.conn, turn.scope, generation, &grant).await?;
        turn.same("refreshed", &seen, &turn.model.grant.is_some())?;
    } else {
        connections::upsert(turn.conn, turn.scope, &grant).await?;
    }
    // The first generation is a matter of time; each after it is the next.
    let stored = connections::find(turn.conn, turn.scope).await?;
    let first = stored.map_or(0, |stored| stored.generation);
    if turn.model.grant.is_some() || !refreshes {
        turn.model.grant = Some(Grant {
            token,
            generation: if before == 0 { first } else { before + 1 },
            refusals: 0,
            refused_at: None,
            scopes,
        });
    }
    Ok(())
}

/// A refresh that HubSpot refuses.
pub async fn refuse_refresh(turn: &mut Turn<'_>) -> Outcome {
    let lease = Uuid::from_u128(3);
    let lured = turn.lure.grant.as_ref();
    let as_read = lured.map_or((1, None), |grant| (grant.generation, grant.refused_at));
    let leased = connections::lease_refresh(turn.conn, turn.scope, as_read, lease, 60.0).await?;
    turn.same("leased", &leased, &turn.model.grant.is_some())?;
    let refused_at = Some(turn.at);
    let seen = connections::release_refresh(turn.conn, turn.scope, lease, refused_at).await?;
    let known = turn.model.grant.as_mut().map_or(0, |grant| {
        grant.refusals += 1;
        grant.refused_at = refused_at;
        grant.refusals
    });
    turn.same("refusals", &seen, &known)
}

pub async fn connect_thnks(turn: &mut Turn<'_>) -> Outcome {
    let (api_key, name) = (turn.text(), turn.text());
    let told = Some(turn.text()).filter(|_| turn.dice.is(2));
    let connection = ThnksConnection {
        api_key: &Sealed(api_key.clone().into_bytes()),
        organization_id: told.as_deref(),
        organization_name: Some(&name),
    };
    thnks_connections::upsert(turn.conn, turn.scope, &connection, turn.at).await?;
    let before = turn.model.thnks.take();
    let organization_id = told.or(before.and_then(|thnks| thnks.organization_id));
    turn.model.thnks = Some(Thnks {
        api_key,
        organization_id,
        name,
    });
    Ok(())
}

pub async fn label_stages(turn: &mut Turn<'_>) -> Outcome {
    let stage = Stage {
        pipeline: "default".into(),
        pipeline_label: turn.text(),
        stage: ["new", "won"][turn.dice.roll(2)].into(),
        stage_label: turn.text(),
    };
    let stages = [stage.clone()];
    pipelines::upsert_stages(turn.conn, turn.scope, &stages, turn.at).await?;
    let key = (stage.pipeline.clone(), stage.stage.clone());
    turn.model.stages.insert(key, stage);
    Ok(())
}

pub async fn trouble(turn: &mut Turn<'_>) -> Outcome {
    let trouble = if turn.dice.is(3) {
        Trouble::default()
    } else {
        Trouble {
            since: Some(turn.at),
            failures: 1,
            said: Some(Said::SyncFailing),
        }
    };
    troubles::save(turn.conn, turn.scope, &trouble).await?;
    turn.model.trouble = trouble;
    Ok(())
}

pub async fn set_notices(turn: &mut Turn<'_>) -> Outcome {
    let emails = vec!["admin@acme.example".to_owned()];
    let kinds = turn.dice.some(NoticeKind::CHOICES);
    let url = Some(turn.text());
    let (conn, scope, at) = (&mut *turn.conn, turn.scope, turn.at);
    notices::save_settings(conn, scope, &emails, &kinds, url.as_deref(), at).await?;
    let before = turn.model.settings.take();
    turn.model.settings = Some(Settings {
        emails,
        kinds,
        webhook_url: url,
        secret: before.and_then(|settings| settings.secret),
    });
    Ok(())
}

pub async fn set_secret(turn: &mut Turn<'_>) -> Outcome {
    let secret = turn.text();
    let sealed = Sealed(secret.clone().into_bytes());
    notices::save_secret(turn.conn, turn.scope, &sealed, None, turn.at).await?;
    if let Some(settings) = &mut turn.model.settings {
        settings.secret = Some(secret);
    }
    Ok(())
}

pub async fn say(turn: &mut Turn<'_>) -> Outcome {
    let target = format!("{}.hooks.example", turn.mark);
    let targets = [Target {
        channel: Channel::Webhook,
        name: target.clone(),
    }];
    let notice = Notice::Test;
    let id = notices::insert(turn.conn, turn.scope, &notice, &targets, turn.at).await?;
    let delivery = Delivery {
        created_at: turn.at,
        target,
        due_at: turn.at,
        is_open: true,
        attempts: 0,
        last_error: None,
    };
    turn.model.deliveries.insert(id, delivery);
    Ok(())
}

pub async fn deliver(turn: &mut Turn<'_>) -> Outcome {
    let until = turn.at + TimeDelta::minutes(1);
    let leased = notices::lease(turn.conn, turn.scope, turn.at, until).await?;
    let due = turn
        .model
        .deliveries
        .iter_mut()
        .filter(|(_, delivery)| delivery.is_open && delivery.due_at <= turn.at)
        .min_by_key(|(id, delivery)| (delivery.due_at, **id));
    let seen = leased
        .as_ref()
        .map(|leased| (leased.notice_id, leased.target.clone(), leased.attempt));
    let mut known = None;
    let reason = format!("{PRIVATE} {} {}", turn.mark, turn.tick);
    let how = turn.dice.roll(3);
    let again_at = Some(turn.at + TimeDelta::minutes(5)).filter(|_| how == 2);
    let outcome = match how {
        0 => notices::Outcome::Delivered,
        _ => notices::Outcome::Failed(&reason, again_at),
    };
    if let Some((id, delivery)) = due {
        delivery.attempts += 1;
        known = Some((
            *id,
            delivery.target.clone(),
            delivery.attempts.unsigned_abs(),
        ));
        delivery.is_open = again_at.is_some();
        delivery.due_at = again_at.unwrap_or(until);
        delivery.last_error = (how > 0).then(|| reason.clone());
    }
    turn.same("leased", &seen, &known)?;
    if let Some(leased) = leased {
        notices::save_outcome(turn.conn, turn.scope, &leased, outcome, turn.at).await?;
    }
    Ok(())
}

pub async fn ask(turn: &mut Turn<'_>) -> Outcome {
    let kind = turn.dice.pick(&RunKind::ALL).unwrap();
    ask_for(turn, kind).await
}

/// Asks, and notes the run that is open from now on.
async fn ask_for(turn: &mut Turn<'_>, kind: RunKind) -> Outcome {
    let asker = turn.text();
    let requested = runs::request(turn.conn, turn.scope, kind, &asker, turn.at).await?;
    let id = requested.run_id.0;
    let mut open = turn.model.runs.iter_mut();
    let open = open.find(|(_, run)| run.is_open() && run.kind == kind);
    let seen = (requested.is_new, (!requested.is_new).then_some(id));
    let known = (open.is_none(), open.as_ref().map(|(id, _)| **id));
    if let Some((_, run)) = open {
        run.wanted_again |= run.is_started;
    } else {
        let run = Run {
            kind,
            state: RunState::Queued,
            is_started: false,
            starts: 0,
            is_held: turn.model.paused_at.is_some(),
            wanted_again: false,
            done: 0,
            is_private: false,
            error: None,
            created_at: turn.at,
            finished_at: None,
        };
        turn.model.runs.insert(id, run);
    }
    turn.same("requested", &seen, &known)
}

/// Claims a run while nobody works on the portal.
pub async fn claim(turn: &mut Turn<'_>) -> Outcome {
    // Whether a lease is over is the database's clock's to say, which no model has.
    if turn.model.lease.is_some() {
        return Ok(());
    }
    let Some(run_id) = turn.dice.pick(&turn.model.open_runs()) else {
        return Ok(());
    };
    let run = turn.model.runs.get_mut(&run_id.0).unwrap();
    if run.starts == STARTS_WITHOUT_PROGRESS {
        return Ok(());
    }
    let (is_held, kind, done) = (run.is_held, run.kind, run.done);
    if !is_held {
        (run.state, run.is_started) = (RunState::Running, true);
        run.starts += 1;
        turn.model.lease = Some(run_id);
        turn.model.fence += 1;
    }
    let describe = |claim: Claim| match claim {
        Claim::Claimed(it) => Some((it.run_id, it.kind, it.fence, it.done)),
        Claim::Held => None,
        other => Some((run_id, kind, -1, i64::from(other == Claim::Busy))),
    };
    let seen = runs::claim(turn.conn, turn.scope, run_id, turn.at).await?;
    let known = (!is_held).then_some((run_id, kind, turn.model.fence, done));
    turn.same("claimed", &describe(seen), &known)?;
    if !is_held {
        let again = runs::claim(turn.conn, turn.scope, run_id, turn.at).await?;
        turn.same("claimed again", &again, &Claim::Busy)?;
    }
    Ok(())
}

pub async fn progress(turn: &mut Turn<'_>) -> Outcome {
    let Some(run_id) = turn.model.lease else {
        return Ok(());
    };
    let fence = turn.model.fence;
    let old = runs::hold(turn.conn, turn.scope, run_id, fence - 1).await;
    turn.same("fenced", &matches!(old, Err(Error::Fenced)), &true)?;
    runs::hold(turn.conn, turn.scope, run_id, fence).await?;
    let counts = json!({"note": turn.text()});
    let run = turn.model.runs.get_mut(&run_id.0).unwrap();
    run.done += 1;
    run.starts = 0;
    run.is_private = true;
    let progress = Progress {
        progress: &json!({}),
        counts: &counts,
        done: run.done,
        total: None,
    };
    runs::save_progress(turn.conn, turn.scope, run_id, progress).await?;
    Ok(())
}

pub async fn postpone(turn: &mut Turn<'_>) -> Outcome {
    let Some(run_id) = turn.model.lease.take() else {
        return Ok(());
    };
    let run = turn.model.runs.get_mut(&run_id.0).unwrap();
    (run.state, run.starts) = (RunState::Queued, 0);
    let wait = TimeDelta::seconds(1);
    runs::postpone(turn.conn, turn.scope, run_id, wait, false).await?;
    Ok(())
}

pub async fn finish(turn: &mut Turn<'_>) -> Outcome {
    let Some(run_id) = turn.lure.lease else {
        return Ok(());
    };
    let (state, error) = if turn.dice.is(3) {
        (RunState::Failed, Some(turn.text()))
    } else {
        (RunState::Succeeded, None)
    };
    let (conn, scope, at) = (&mut *turn.conn, turn.scope, turn.at);
    runs::finish(conn, scope, run_id, state, error.as_deref(), at).await?;
    turn.model.lease = None;
    let Some(run) = turn.model.runs.get_mut(&run_id.0) else {
        return Ok(());
    };
    run.end(state, error.as_deref(), at);
    run.is_private |= error.is_some();
    let (kind, wanted_again) = (run.kind, run.wanted_again);
    let did_nothing = |run: &Run| {
        matches!(run.kind, RunKind::Check | RunKind::Link)
            && run.done == 0
            && run
                .finished_at
                .is_some_and(|at| at < turn.at - TimeDelta::hours(1))
    };
    if matches!(kind, RunKind::Check | RunKind::Link) {
        let runs = &mut turn.model.runs;
        runs.retain(|id, run| *id == run_id.0 || !did_nothing(run));
    }
    let is_ready = turn.model.disconnected_at.is_none() && turn.model.needs.is_empty();
    if wanted_again && (state == RunState::Succeeded || is_ready) {
        // One follows by itself: asked for now, it is told.
        let asked = runs::request(turn.conn, turn.scope, kind, "test", turn.at).await?;
        turn.same("follows", &asked.is_new, &false)?;
        let run = Run {
            kind,
            state: RunState::Queued,
            is_started: false,
            starts: 0,
            is_held: turn.model.paused_at.is_some(),
            wanted_again: false,
            done: 0,
            is_private: false,
            error: None,
            created_at: turn.at,
            finished_at: None,
        };
        turn.model.runs.insert(asked.run_id.0, run);
    }
    Ok(())
}

pub async fn cancel(turn: &mut Turn<'_>) -> Outcome {
    let all: Vec<Uuid> = turn.lure.runs.keys().copied().collect();
    let Some(id) = turn.dice.pick(&all) else {
        return Ok(());
    };
    let cancelled = runs::cancel(turn.conn, turn.scope, RunId(id), turn.at).await?;
    let seen = cancelled.map(|cancelled| (cancelled.kind, cancelled.was));
    let open = turn.model.runs.get_mut(&id).filter(|run| run.is_open());
    let known = open.map(|run| {
        let was = (run.kind, run.state);
        run.end(RunState::Cancelled, None, turn.at);
        run.wanted_again = false;
        was
    });
    if known.is_some() && turn.model.lease == Some(RunId(id)) {
        turn.model.lease = None;
        turn.model.fence += 1;
    }
    turn.same("cancelled", &seen, &known)
}

pub async fn pause(turn: &mut Turn<'_>) -> Outcome {
    runs::pause(turn.conn, turn.scope).await?;
    portals::save_paused(turn.conn, turn.scope, Some(turn.at)).await?;
    turn.model.paused_at = Some(turn.at);
    take_away(turn);
    for run in turn.model.runs.values_mut().filter(|run| run.is_open()) {
        run.is_held = true;
        if run.state == RunState::Running {
            (run.state, run.starts) = (RunState::Queued, 0);
        }
    }
    Ok(())
}

fn take_away(turn: &mut Turn<'_>) {
    turn.model.lease = None;
    turn.model.fence += 1;
}

pub async fn resume(turn: &mut Turn<'_>) -> Outcome {
    let seen = runs::resume(turn.conn, turn.scope).await?;
    portals::save_paused(turn.conn, turn.scope, None).await?;
    turn.model.paused_at = None;
    let known = !turn.model.open_runs().is_empty();
    for run in turn.model.runs.values_mut() {
        run.is_held = false;
    }
    turn.same("resumed", &seen, &known)
}

pub async fn fail_open(turn: &mut Turn<'_>) -> Outcome {
    let reason = turn.text();
    runs::fail_open(turn.conn, turn.scope, &reason, turn.at).await?;
    take_away(turn);
    for run in turn.model.runs.values_mut().filter(|run| run.is_open()) {
        run.end(RunState::Failed, Some(&reason), turn.at);
        run.is_private = true;
    }
    Ok(())
}

pub async fn interrupt(turn: &mut Turn<'_>) -> Outcome {
    runs::interrupt(turn.conn, turn.scope).await?;
    take_away(turn);
    for run in turn.model.runs.values_mut() {
        if run.state == RunState::Running {
            run.starts = 0;
        }
    }
    Ok(())
}

/// Wipes the account of a run, as an erasure does.
pub async fn wipe_run(turn: &mut Turn<'_>) -> Outcome {
    let all: Vec<Uuid> = turn.lure.runs.keys().copied().collect();
    let Some(id) = turn.dice.pick(&all) else {
        return Ok(());
    };
    erasure::save_run(turn.conn, turn.scope, RunId(id), &json!({}), None).await?;
    if let Some(run) = turn.model.runs.get_mut(&id) {
        (run.is_private, run.error) = (false, None);
    }
    Ok(())
}

pub async fn join(turn: &mut Turn<'_>) -> Outcome {
    let user = i64::try_from(turn.dice.roll(4)).unwrap();
    let email = format!("u{user}@{}.example", turn.mark);
    let (conn, scope, at) = (&mut *turn.conn, turn.scope, turn.at);
    let seen = members::upsert(conn, scope, UserId(user), Some(&email), at).await?;
    let is_first = turn.model.members.is_empty();
    let member = turn.model.members.entry(user).or_insert(Member {
        email: email.clone(),
        role: if is_first { Role::Owner } else { Role::Member },
        joined_at: turn.at,
    });
    member.email = email;
    let known = member.role;
    turn.same("role", &seen, &known)
}

pub async fn change_role(turn: &mut Turn<'_>) -> Outcome {
    let user = i64::try_from(turn.dice.roll(4)).unwrap();
    let role = [Role::Owner, Role::Member][turn.dice.roll(2)];
    let seen = members::save_role(turn.conn, turn.scope, UserId(user), role).await?;
    let member = turn.model.members.get_mut(&user);
    let known = member.map(|member| member.role = role).is_some();
    turn.same("role changed", &seen, &known)
}

pub async fn leave(turn: &mut Turn<'_>) -> Outcome {
    let user = i64::try_from(turn.dice.roll(4)).unwrap();
    let seen = members::delete(turn.conn, turn.scope, UserId(user)).await?;
    let known = turn.model.members.remove(&user).is_some();
    turn.model.sessions.retain(|_, (whose, _)| *whose != user);
    turn.same("left", &seen, &known)
}

pub async fn sign_in(turn: &mut Turn<'_>) -> Outcome {
    let all: Vec<i64> = turn.lure.members.keys().copied().collect();
    let Some(user) = turn.dice.pick(&all) else {
        return Ok(());
    };
    let token = format!("{} {}", turn.scope.hub_id(), turn.tick).into_bytes();
    sessions::insert(turn.conn, turn.scope, &token, UserId(user), None, now()).await?;
    let Some(member) = turn.model.members.get(&user) else {
        let text = format!("user {user} signed in where they are no member");
        return Err(Surprise::Differs(text));
    };
    let session = (user, member.email.clone());
    turn.model.sessions.insert(token, session);
    Ok(())
}

pub async fn sign_out(turn: &mut Turn<'_>) -> Outcome {
    if turn.dice.is(3) {
        sessions::delete_all(turn.conn, turn.scope).await?;
        turn.model.sessions.clear();
        return Ok(());
    }
    let all: Vec<Vec<u8>> = turn.model.sessions.keys().cloned().collect();
    if let Some(token) = turn.dice.pick(&all) {
        sessions::delete(turn.conn, &token).await?;
        turn.model.sessions.remove(&token);
    }
    Ok(())
}

pub async fn note(turn: &mut Turn<'_>) -> Outcome {
    let actor = ["operator", "user:1", "user:2"][turn.dice.roll(3)];
    let action = ["run.request", "settings.save"][turn.dice.roll(2)];
    let detail = json!({"note": turn.text()});
    audit::insert(turn.conn, turn.scope, actor, action, &detail, turn.at).await?;
    let line = (
        turn.at,
        actor.to_owned(),
        action.to_owned(),
        detail.to_string(),
    );
    turn.model.audit.push(line);
    Ok(())
}
