-- A chain over everything that was done: each line carries the hash of itself and of the line before, so that a line that
-- is changed, taken out or put in between shows (`thnks-hubspot audit verify`). The database makes the chain itself: no
-- version of the service can forget it.

CREATE FUNCTION netstring(part text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN part IS NULL THEN '-' ELSE octet_length(part) || ':' || part END || ',';

CREATE FUNCTION micros(at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (extract(epoch FROM at) * 1000000)::bigint::text;

-- The last line of each chain of a portal: whoever adds one takes its turn here.
CREATE TABLE chain_heads (
    hub_id bigint NOT NULL REFERENCES portals,
    chain text NOT NULL CHECK (chain IN ('acts', 'writes')),
    number bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (hub_id, chain)
);

CREATE FUNCTION take_head(portal bigint, of_chain text) RETURNS chain_heads LANGUAGE plpgsql AS $$
DECLARE
    head chain_heads;
BEGIN
    INSERT INTO chain_heads (hub_id, chain, number, hash) VALUES (portal, of_chain, 0, '') ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM chain_heads WHERE hub_id = portal AND chain = of_chain FOR UPDATE;
    RETURN head;
END
$$;

-- Acts: a chain of lines.
ALTER TABLE audit ADD COLUMN number bigint, ADD COLUMN hash bytea;

CREATE FUNCTION act_hash(previous bytea, act audit) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(previous || convert_to(
        netstring(act.hub_id::text) || netstring(act.number::text) || netstring(act.seq::text) || netstring(micros(act.at))
        || netstring(act.actor) || netstring(act.action) || netstring(act.detail::text), 'UTF8'));

CREATE FUNCTION chain_act() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head chain_heads := take_head(NEW.hub_id, 'acts');
BEGIN
    NEW.number := head.number + 1;
    NEW.hash := act_hash(head.hash, NEW);
    UPDATE chain_heads SET number = NEW.number, hash = NEW.hash WHERE hub_id = NEW.hub_id AND chain = 'acts';
    RETURN NEW;
END
$$;

DO $$
DECLARE
    act audit;
    previous audit;
BEGIN
    ALTER TABLE audit NO FORCE ROW LEVEL SECURITY;
    FOR act IN SELECT * FROM audit ORDER BY hub_id, seq LOOP
        IF previous.hub_id IS DISTINCT FROM act.hub_id THEN
            previous.number := 0;
            previous.hash := '';
        END IF;
        act.number := previous.number + 1;
        act.hash := act_hash(previous.hash, act);
        UPDATE audit SET number = act.number, hash = act.hash WHERE hub_id = act.hub_id AND seq = act.seq;
        previous := act;
    END LOOP;
    INSERT INTO chain_heads (hub_id, chain, number, hash)
    SELECT DISTINCT ON (hub_id) hub_id, 'acts', number, hash FROM audit ORDER BY hub_id, number DESC;
    ALTER TABLE audit FORCE ROW LEVEL SECURITY;
END
$$;

CREATE TRIGGER chained BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION chain_act();
ALTER TABLE audit
    ALTER COLUMN number SET NOT NULL,
    ALTER COLUMN hash SET NOT NULL,
    ADD CONSTRAINT audit_number_key UNIQUE (hub_id, number);

-- Writes to HubSpot: a chain of batches, one for each statement that notes attempts. Attempts from before have none.
CREATE TABLE write_batches (
    hub_id bigint NOT NULL REFERENCES portals,
    number bigint NOT NULL,
    attempts bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (hub_id, number)
);
ALTER TABLE write_attempts
    ADD COLUMN batch bigint DEFAULT NULLIF(current_setting('app.write_batch', true), '')::bigint;

CREATE FUNCTION begin_batch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head chain_heads := take_head(NULLIF(current_setting('app.hub_id', true), '')::bigint, 'writes');
BEGIN
    PERFORM set_config('app.write_batch', (head.number + 1)::text, true);
    RETURN NULL;
END
$$;

CREATE FUNCTION end_batch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head chain_heads := take_head(NULLIF(current_setting('app.hub_id', true), '')::bigint, 'writes');
    added bigint;
    lines text;
    next_hash bytea;
BEGIN
    SELECT count(*), string_agg(
        netstring(seq::text) || netstring(transaction_id) || netstring(micros(at)) || netstring(run_id::text)
        || netstring(what) || netstring(outcome) || netstring(code) || netstring(field), '' ORDER BY seq)
    INTO added, lines FROM new_rows;
    IF added > 0 THEN
        next_hash := sha256(head.hash || convert_to(
            netstring(head.hub_id::text) || netstring((head.number + 1)::text) || netstring(added::text) || lines, 'UTF8'));
        INSERT INTO write_batches (hub_id, number, attempts, hash) VALUES (head.hub_id, head.number + 1, added, next_hash);
        UPDATE chain_heads SET number = head.number + 1, hash = next_hash WHERE hub_id = head.hub_id AND chain = 'writes';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER batch_begins BEFORE INSERT ON write_attempts FOR EACH STATEMENT EXECUTE FUNCTION begin_batch();
CREATE TRIGGER batch_ends AFTER INSERT ON write_attempts
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION end_batch();

-- What the operator does that concerns no portal, or all: a chain of its own.
CREATE TABLE operator_acts (
    number bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL,
    hash bytea NOT NULL
);

CREATE FUNCTION chain_operator_act() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    previous bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('operator_acts'));
    SELECT number + 1, hash INTO NEW.number, previous FROM operator_acts ORDER BY number DESC LIMIT 1;
    NEW.number := coalesce(NEW.number, 1);
    NEW.hash := sha256(coalesce(previous, '') || convert_to(
        netstring(NEW.number::text) || netstring(micros(NEW.at)) || netstring(NEW.action) || netstring(NEW.detail::text), 'UTF8'));
    RETURN NEW;
END
$$;
CREATE TRIGGER chained BEFORE INSERT ON operator_acts FOR EACH ROW EXECUTE FUNCTION chain_operator_act();

-- Nobody changes what was done, whatever rights a role has.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = format('%I is only added to', TG_TABLE_NAME);
END
$$;
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_acts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added_to BEFORE UPDATE OR TRUNCATE ON write_attempts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added_to BEFORE UPDATE OR TRUNCATE ON write_batches FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['chain_heads', 'write_batches'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format($policy$
            CREATE POLICY one_portal ON %I
                USING (hub_id = NULLIF(current_setting('app.hub_id', true), '')::bigint)
                WITH CHECK (hub_id = NULLIF(current_setting('app.hub_id', true), '')::bigint)
        $policy$, tenant_table);
    END LOOP;
END
$$;
