-- The operator's console: who is signed in to it, and boards of what it shows over all portals.

-- Boards hold numbers, times, codes and web domains, nothing of a person, hence no row-level security. The database keeps
-- them, whichever version writes. There is one for each table that is copied: a line is locked right after the row it
-- copies, so that no two transactions wait for each other in a ring that was not there before.
CREATE TABLE portal_board (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    hub_domain text,
    installed_at timestamptz NOT NULL,
    thnks_connected boolean NOT NULL DEFAULT false,
    -- Codes of what people must do.
    needs text[] NOT NULL,
    paused boolean NOT NULL,
    backfilled boolean NOT NULL,
    disconnected boolean NOT NULL,
    -- When what was known of it was erased.
    erased_at timestamptz,
    -- As `domain::portal::PortalState::of` has it; a test compares them.
    state text NOT NULL GENERATED ALWAYS AS (CASE
        WHEN disconnected THEN 'disconnected'
        WHEN NOT thnks_connected THEN 'connecting'
        WHEN needs <> '{}' THEN 'needs_setup'
        WHEN paused THEN 'paused'
        WHEN NOT backfilled THEN 'backfilling'
        ELSE 'active' END) STORED
);
CREATE INDEX portal_board_by_state ON portal_board (state, hub_id);

CREATE FUNCTION board_portal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO portal_board (hub_id, hub_domain, installed_at, needs, paused, backfilled, disconnected, erased_at)
    VALUES (NEW.hub_id, NEW.hub_domain, NEW.installed_at,
        ARRAY(SELECT need ->> 'code' FROM jsonb_array_elements(NEW.needs) AS need),
        NEW.paused_at IS NOT NULL, NEW.backfilled_at IS NOT NULL, NEW.disconnected_at IS NOT NULL, NEW.erased_at)
    ON CONFLICT (hub_id) DO UPDATE SET
        hub_domain = excluded.hub_domain, installed_at = excluded.installed_at, needs = excluded.needs,
        paused = excluded.paused, backfilled = excluded.backfilled, disconnected = excluded.disconnected,
        erased_at = excluded.erased_at;
    RETURN NULL;
END
$$;
CREATE TRIGGER boarded AFTER INSERT ON portals FOR EACH ROW EXECUTE FUNCTION board_portal();
CREATE TRIGGER boarded_again AFTER UPDATE ON portals FOR EACH ROW
    WHEN ((OLD.hub_domain, OLD.installed_at, OLD.needs, OLD.paused_at, OLD.backfilled_at, OLD.disconnected_at, OLD.erased_at)
        IS DISTINCT FROM
        (NEW.hub_domain, NEW.installed_at, NEW.needs, NEW.paused_at, NEW.backfilled_at, NEW.disconnected_at, NEW.erased_at))
    EXECUTE FUNCTION board_portal();

-- The first key and the last one of a portal: replacing a key changes nothing here.
CREATE FUNCTION board_thnks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    portal bigint := CASE TG_OP WHEN 'INSERT' THEN NEW.hub_id ELSE OLD.hub_id END;
BEGIN
    UPDATE portal_board SET thnks_connected = TG_OP = 'INSERT' WHERE hub_id = portal;
    RETURN NULL;
END
$$;
CREATE TRIGGER boarded AFTER INSERT OR DELETE ON thnks_connections FOR EACH ROW EXECUTE FUNCTION board_thnks();

CREATE TABLE ledger_board (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    -- Gifts whose record is not as it should be, refused ones included.
    dirty bigint NOT NULL,
    -- Refused rows, Thnks' own included.
    failed bigint NOT NULL,
    orphans bigint NOT NULL
);

CREATE FUNCTION board_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_board (hub_id, dirty, failed, orphans)
    VALUES (NEW.hub_id, NEW.transactions - NEW.synced, NEW.failed + NEW.rejected, NEW.orphans)
    ON CONFLICT (hub_id) DO UPDATE SET dirty = excluded.dirty, failed = excluded.failed, orphans = excluded.orphans;
    RETURN NULL;
END
$$;
CREATE TRIGGER boarded AFTER INSERT ON portal_totals FOR EACH ROW EXECUTE FUNCTION board_ledger();
-- A row that arrives dirty and leaves clean changes both counters: only what the board shows is compared.
CREATE TRIGGER boarded_again AFTER UPDATE ON portal_totals FOR EACH ROW
    WHEN ((OLD.transactions - OLD.synced, OLD.failed + OLD.rejected, OLD.orphans)
        IS DISTINCT FROM (NEW.transactions - NEW.synced, NEW.failed + NEW.rejected, NEW.orphans))
    EXECUTE FUNCTION board_ledger();

-- How the last run of each kind ended.
CREATE TABLE run_board (
    hub_id bigint NOT NULL REFERENCES portals,
    kind text NOT NULL,
    run_id uuid NOT NULL,
    state text NOT NULL,
    -- Why it ended badly, in words of ours.
    error text,
    finished_at timestamptz NOT NULL,
    -- When the last one ended well.
    succeeded_at timestamptz,
    PRIMARY KEY (hub_id, kind)
);
CREATE INDEX run_board_bad ON run_board (finished_at DESC) WHERE state IN ('failed', 'dead');

CREATE FUNCTION board_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO run_board AS known (hub_id, kind, run_id, state, error, finished_at, succeeded_at)
    VALUES (NEW.hub_id, NEW.kind, NEW.run_id, NEW.state, NEW.error, NEW.finished_at,
        CASE WHEN NEW.state = 'succeeded' THEN NEW.finished_at END)
    ON CONFLICT (hub_id, kind) DO UPDATE SET
        run_id = excluded.run_id, state = excluded.state, error = excluded.error, finished_at = excluded.finished_at,
        succeeded_at = coalesce(excluded.succeeded_at, known.succeeded_at);
    RETURN NULL;
END
$$;
CREATE TRIGGER boarded AFTER UPDATE ON runs FOR EACH ROW
    WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION board_run();

-- What is there already.
DO $$
DECLARE
    source text;
    sources text[] := ARRAY['portals', 'thnks_connections', 'portal_totals', 'runs'];
BEGIN
    FOREACH source IN ARRAY sources LOOP
        EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', source);
    END LOOP;
    INSERT INTO portal_board (hub_id, hub_domain, installed_at, thnks_connected, needs, paused, backfilled, disconnected, erased_at)
    SELECT hub_id, hub_domain, installed_at, EXISTS (SELECT FROM thnks_connections AS t WHERE t.hub_id = p.hub_id),
        ARRAY(SELECT need ->> 'code' FROM jsonb_array_elements(needs) AS need),
        paused_at IS NOT NULL, backfilled_at IS NOT NULL, disconnected_at IS NOT NULL, erased_at
    FROM portals AS p;
    INSERT INTO ledger_board (hub_id, dirty, failed, orphans)
    SELECT hub_id, transactions - synced, failed + rejected, orphans FROM portal_totals;
    INSERT INTO run_board (hub_id, kind, run_id, state, error, finished_at, succeeded_at)
    SELECT DISTINCT ON (hub_id, kind) hub_id, kind, run_id, state, error, finished_at,
        max(finished_at) FILTER (WHERE state = 'succeeded') OVER (PARTITION BY hub_id, kind)
    FROM runs WHERE finished_at IS NOT NULL ORDER BY hub_id, kind, finished_at DESC;
    FOREACH source IN ARRAY sources LOOP
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', source);
    END LOOP;
END
$$;

-- Who is signed in to the console. Only a hash of the token is stored.
CREATE TABLE operator_sessions (
    token_hash bytea PRIMARY KEY,
    -- The name in `OPERATORS`, and a fingerprint of what stood beside it: with another password, or without the name, the
    -- session is over.
    operator text NOT NULL,
    credential bytea NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
);

-- The portals of which a session may see people and gifts for a while. Why stands in the trails: `operator_acts` and `audit`.
CREATE TABLE operator_looks (
    token_hash bytea NOT NULL REFERENCES operator_sessions ON DELETE CASCADE,
    hub_id bigint NOT NULL REFERENCES portals,
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (token_hash, hub_id)
);
