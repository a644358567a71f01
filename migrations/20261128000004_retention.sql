-- What is known of a portal that was disconnected is erased after some time, its key first.

ALTER TABLE portals
    -- Since when it is being erased: nothing is added to it any more.
    ADD COLUMN erasing_at timestamptz,
    -- When it was erased last; a new install begins from nothing.
    ADD COLUMN erased_at timestamptz,
    ADD CONSTRAINT portals_erasing_is_disconnected CHECK (erasing_at IS NULL OR disconnected_at IS NOT NULL);

-- The dispatcher sees over all portals since when they are disconnected: the database tells it, whichever version writes.
ALTER TABLE sync_schedule ADD COLUMN disconnected_at timestamptz;
CREATE INDEX sync_schedule_disconnected ON sync_schedule (disconnected_at) WHERE disconnected_at IS NOT NULL;

CREATE FUNCTION copy_disconnected() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sync_schedule SET disconnected_at = NEW.disconnected_at WHERE hub_id = NEW.hub_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER disconnected_changed AFTER UPDATE ON portals FOR EACH ROW
    WHEN (OLD.disconnected_at IS DISTINCT FROM NEW.disconnected_at) EXECUTE FUNCTION copy_disconnected();

ALTER TABLE portals NO FORCE ROW LEVEL SECURITY;
-- For those that are disconnected already the time begins now.
UPDATE sync_schedule AS s SET disconnected_at = now()
FROM portals AS p WHERE p.hub_id = s.hub_id AND p.disconnected_at IS NOT NULL;
ALTER TABLE portals FORCE ROW LEVEL SECURITY;

-- The app's role may take rows out of these tables only while their portal is being erased: beside the right, a policy.
DO $$
DECLARE
    kept_table text;
BEGIN
    FOREACH kept_table IN ARRAY ARRAY[
        'transactions', 'status_events', 'write_attempts', 'write_batches', 'deal_facts', 'erased_recipients', 'daily_totals',
        'daily_paces', 'pipeline_stages', 'notice_settings'
    ] LOOP
        EXECUTE format($policy$
            CREATE POLICY only_while_erasing ON %I AS RESTRICTIVE FOR DELETE USING (
                (SELECT p.erasing_at IS NOT NULL FROM portals AS p
                 WHERE p.hub_id = NULLIF(current_setting('app.hub_id', true), '')::bigint))
        $policy$, kept_table);
    END LOOP;
END
$$;
