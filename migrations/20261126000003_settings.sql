-- Settings: runs that people cancel, and the trail of acts by who and by what.

ALTER TABLE runs DROP CONSTRAINT runs_state_check;
ALTER TABLE runs ADD CONSTRAINT runs_state_check
    CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'dead', 'cancelled'));

-- All acts, those of one actor and those of one kind, the newest first.
CREATE INDEX audit_by_time ON audit (hub_id, at, seq);
CREATE INDEX audit_by_actor ON audit (hub_id, actor, at, seq);
CREATE INDEX audit_by_action ON audit (hub_id, action, at, seq);

-- The people of a portal and their open sessions.
CREATE INDEX sessions_by_person ON sessions (hub_id, user_id);
DROP INDEX sessions_by_portal;
