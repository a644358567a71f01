-- Roll-ups for the dashboard. Triggers keep them in the ledger's own transaction, whoever writes to the ledger;
-- a property test compares them with a full recount.

CREATE TABLE daily_totals (
    hub_id bigint NOT NULL REFERENCES portals,
    -- The day by which statistics place a transaction, in the portal's time zone.
    day date NOT NULL,
    status text NOT NULL,
    -- Its first 255 characters: a key's entries have a size.
    gift_type text,
    currency text,
    transactions bigint NOT NULL,
    redeemed bigint NOT NULL,
    -- Those of `transactions` that have an amount, and its sum.
    priced bigint NOT NULL,
    amount numeric NOT NULL
);
CREATE UNIQUE INDEX daily_totals_key ON daily_totals (hub_id, day, status, gift_type, currency) NULLS NOT DISTINCT;

CREATE TABLE portal_totals (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    transactions bigint NOT NULL DEFAULT 0,
    synced bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    orphans bigint NOT NULL DEFAULT 0
);

-- Adds rows as they are now and subtracts rows as they were; what did not change cancels out and is not written.
CREATE FUNCTION count_transactions() RETURNS trigger LANGUAGE plpgsql AS $$
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
                coalesce(sum(sign) FILTER (WHERE failure_reason IS NOT NULL), 0) AS failed,
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

CREATE TRIGGER count_inserted AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_transactions();
CREATE TRIGGER count_updated AFTER UPDATE ON transactions
    REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_transactions();
CREATE TRIGGER count_deleted AFTER DELETE ON transactions
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_transactions();

CREATE FUNCTION count_rejected() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($sql$
        UPDATE portal_totals AS totals SET rejected = totals.rejected %s delta.rows
        FROM (SELECT hub_id, count(*) AS rows FROM changed_rows GROUP BY hub_id) AS delta
        WHERE totals.hub_id = delta.hub_id
    $sql$, CASE TG_OP WHEN 'INSERT' THEN '+' ELSE '-' END);
    RETURN NULL;
END
$$;

CREATE TRIGGER count_inserted AFTER INSERT ON rejected_rows
    REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rejected();
CREATE TRIGGER count_deleted AFTER DELETE ON rejected_rows
    REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION count_rejected();
