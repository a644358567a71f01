-- Work: one row a run, one lease a portal, and two boards that the dispatcher reads over all portals.

CREATE TABLE runs (
    hub_id bigint NOT NULL REFERENCES portals,
    run_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('backfill', 'sync', 'reassociate', 'check')),
    state text NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'dead')),
    requested_by text NOT NULL,
    -- Where the run is; shape and meaning belong to `app::engine`.
    progress jsonb NOT NULL DEFAULT '{}',
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    counts jsonb NOT NULL DEFAULT '{}',
    starts_without_progress integer NOT NULL DEFAULT 0,
    -- Asked for again while it was open: another one follows.
    wanted_again boolean NOT NULL DEFAULT false,
    error text,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (hub_id, run_id)
);
CREATE UNIQUE INDEX runs_one_open_of_a_kind ON runs (hub_id, kind) WHERE state IN ('queued', 'running');
CREATE INDEX runs_latest ON runs (hub_id, finished_at DESC) WHERE finished_at IS NOT NULL;

-- One page-writer per portal at a time. The fence grows with every claim; every commit of a run checks it.
CREATE TABLE portal_leases (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    fence bigint NOT NULL DEFAULT 0,
    run_id uuid,
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
);

-- Open runs of all portals: ids and times only, nothing of a customer's, hence no row-level security.
CREATE TABLE run_queue (
    run_id uuid PRIMARY KEY,
    hub_id bigint NOT NULL,
    priority smallint NOT NULL,
    due_at timestamptz NOT NULL,
    -- When the doorbell was last rung for it.
    rung_at timestamptz,
    -- Waits for another run of its portal: due as soon as that one lets go.
    busy boolean NOT NULL DEFAULT false,
    FOREIGN KEY (hub_id, run_id) REFERENCES runs
);
CREATE INDEX run_queue_due ON run_queue (priority, due_at);

-- When each portal is due for its next sync; null while nothing is planned. Ids and times only.
CREATE TABLE sync_schedule (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    next_sync_at timestamptz,
    -- When its needs are looked at again.
    next_check_at timestamptz
);
CREATE INDEX sync_schedule_next_sync ON sync_schedule (next_sync_at) WHERE next_sync_at IS NOT NULL;
CREATE INDEX sync_schedule_next_check ON sync_schedule (next_check_at) WHERE next_check_at IS NOT NULL;
