-- The engine of hour after hour: kinds of runs that read again, portals that rest, rows that people give up, and places in
-- the hour.

ALTER TABLE runs DROP CONSTRAINT runs_kind_check;
ALTER TABLE runs ADD CONSTRAINT runs_kind_check
    CHECK (kind IN ('backfill', 'sync', 'resync', 'sweep', 'reassociate', 'check'));
ALTER TABLE runs
    -- For a kind that reads from a date on: that date.
    ADD COLUMN since timestamptz,
    -- The earliest date for which it was asked for again while it was open.
    ADD COLUMN wanted_since timestamptz,
    -- When the schedule wanted it to begin; null when somebody asked for it.
    ADD COLUMN planned_for timestamptz;

-- The portal rests: its runs stay on the board and are not rung for.
ALTER TABLE run_queue ADD COLUMN held boolean NOT NULL DEFAULT false;

ALTER TABLE sync_schedule
    -- Where in the interval the portal's syncs lie: at least 0 and less than 1.
    ADD COLUMN place double precision NOT NULL DEFAULT random(),
    -- When it is swept: read again from the oldest gift on whose story is not over.
    ADD COLUMN next_sweep_at timestamptz;
CREATE INDEX sync_schedule_next_sweep ON sync_schedule (next_sweep_at) WHERE next_sweep_at IS NOT NULL;
CREATE INDEX sync_schedule_place ON sync_schedule (place);

ALTER TABLE transactions
    -- HubSpot's code for the refusal, by which failures are grouped.
    ADD COLUMN failure_code text,
    -- Somebody gave the row up as it was then; once it changes it is tried again.
    ADD COLUMN dismissed_hash bytea,
    -- Its story is over: redeemed, refunded, donated, or expired after it was opened.
    ADD COLUMN is_final boolean NOT NULL DEFAULT false;
UPDATE transactions SET is_final = status IN ('redeemed', 'refunded', 'donated')
    OR status = 'expired' AND EXISTS (
        SELECT FROM jsonb_array_elements(history) AS entry WHERE lower(trim(entry ->> 'status')) = 'opened');
CREATE INDEX transactions_open_stories ON transactions (hub_id, updated_at) WHERE NOT is_final;
CREATE INDEX transactions_failed ON transactions (hub_id, failure_code, failure_field, transaction_id)
    WHERE failure_reason IS NOT NULL;

ALTER TABLE rejected_rows
    ADD COLUMN dismissed_at timestamptz,
    -- Somebody wants it tried again: the next run that reads asks Thnks for it.
    ADD COLUMN reread boolean NOT NULL DEFAULT false;

-- What is given up no longer counts as failed.
CREATE OR REPLACE FUNCTION count_transactions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed text := CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT 1 AS sign, * FROM new_rows'
        WHEN 'DELETE' THEN 'SELECT -1 AS sign, * FROM old_rows'
        ELSE 'SELECT 1 AS sign, * FROM new_rows UNION ALL SELECT -1 AS sign, * FROM old_rows'
    END;
BEGIN
    EXECUTE format($sql$
        INSERT INTO daily_totals AS totals (hub_id, day, status, gift_type, currency, transactions, redeemed, priced, amount)
        SELECT hub_id, counted_on, status, left(gift_type, 255), currency,
            sum(sign),
            coalesce(sum(sign) FILTER (WHERE redeemed), 0),
            coalesce(sum(sign) FILTER (WHERE amount IS NOT NULL), 0),
            coalesce(sum(sign * amount), 0)
        FROM (%s) AS changed
        GROUP BY 1, 2, 3, 4, 5
        HAVING sum(sign) <> 0
            OR coalesce(sum(sign) FILTER (WHERE redeemed), 0) <> 0
            OR coalesce(sum(sign) FILTER (WHERE amount IS NOT NULL), 0) <> 0
            OR coalesce(sum(sign * amount), 0) <> 0
        ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (hub_id, day, status, gift_type, currency) DO UPDATE SET
            transactions = totals.transactions + excluded.transactions,
            redeemed = totals.redeemed + excluded.redeemed,
            priced = totals.priced + excluded.priced,
            amount = totals.amount + excluded.amount
    $sql$, changed);

    EXECUTE format($sql$
        UPDATE portal_totals AS totals SET
            transactions = totals.transactions + delta.transactions,
            synced = totals.synced + delta.synced,
            failed = totals.failed + delta.failed,
            orphans = totals.orphans + delta.orphans
        FROM (
            SELECT hub_id,
                sum(sign) AS transactions,
                coalesce(sum(sign) FILTER (WHERE applied_hash = desired_hash), 0) AS synced,
                coalesce(sum(sign) FILTER (
                    WHERE failure_reason IS NOT NULL AND dismissed_hash IS DISTINCT FROM desired_hash), 0) AS failed,
                coalesce(sum(sign) FILTER (
                    WHERE record_id IS NOT NULL AND contact_id IS NULL AND association_outcome IS NOT NULL), 0) AS orphans
            FROM (%s) AS changed
            GROUP BY hub_id
        ) AS delta
        WHERE totals.hub_id = delta.hub_id
            AND (delta.transactions, delta.synced, delta.failed, delta.orphans) <> (0, 0, 0, 0)
    $sql$, changed);
    RETURN NULL;
END
$$;

-- Refused rows of Thnks count while nobody has given them up.
CREATE OR REPLACE FUNCTION count_rejected() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed text := CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT 1 AS sign, hub_id, dismissed_at FROM changed_rows'
        WHEN 'DELETE' THEN 'SELECT -1 AS sign, hub_id, dismissed_at FROM changed_rows'
        ELSE 'SELECT 1 AS sign, hub_id, dismissed_at FROM changed_rows UNION ALL SELECT -1 AS sign, hub_id, dismissed_at FROM old_rows'
    END;
BEGIN
    EXECUTE format($sql$
        UPDATE portal_totals AS totals SET rejected = totals.rejected + delta.rows
        FROM (SELECT hub_id, coalesce(sum(sign) FILTER (WHERE dismissed_at IS NULL), 0) AS rows FROM (%s) AS changed GROUP BY hub_id) AS delta
        WHERE totals.hub_id = delta.hub_id AND delta.rows <> 0
    $sql$, changed);
    RETURN NULL;
END
$$;
CREATE TRIGGER count_updated AFTER UPDATE ON rejected_rows
    REFERENCING NEW TABLE AS changed_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rejected();
