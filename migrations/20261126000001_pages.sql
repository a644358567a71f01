-- What the admin's pages read: lists of a million gifts by any filter, words to search by, how far and how fast gifts get,
-- and each attempt to write.

ALTER TABLE transactions NO FORCE ROW LEVEL SECURITY;
ALTER TABLE daily_totals NO FORCE ROW LEVEL SECURITY;

ALTER TABLE transactions
    -- Whether it reached this step or a later one.
    ADD COLUMN delivered boolean NOT NULL DEFAULT false,
    ADD COLUMN opened boolean NOT NULL DEFAULT false,
    -- Whole seconds from sent to the step, where Thnks tells when it was taken.
    ADD COLUMN delivered_after integer,
    ADD COLUMN opened_after integer,
    ADD COLUMN redeemed_after integer,
    -- By what gifts of one sender are put together.
    ADD COLUMN sender_key text,
    -- Under which words it is found.
    ADD COLUMN words text[] NOT NULL DEFAULT '{}',
    -- Its type as lists compare it: a key's entries have a size.
    ADD COLUMN type_key text GENERATED ALWAYS AS (left(gift_type, 255)) STORED,
    -- Its amount in ten-thousandths, -1 without one. Row-level security lets an index be searched only by operators that
    -- cannot leak; those of numeric are not among them.
    ADD COLUMN value_key bigint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN amount IS NULL THEN -1 ELSE least(round(amount * 10000), 9000000000000000000)::bigint END) STORED;

UPDATE transactions AS t SET
    delivered = t.status IN ('delivered', 'opened', 'redeemed') OR story.reached && ARRAY['delivered', 'opened', 'redeemed'],
    opened = t.status IN ('opened', 'redeemed') OR story.reached && ARRAY['opened', 'redeemed'],
    delivered_after = CASE WHEN story.delivered IS NOT NULL
        THEN least(greatest(extract(epoch FROM story.delivered - story.sent), 0), 2147483647)::integer END,
    opened_after = CASE WHEN story.opened IS NOT NULL
        THEN least(greatest(extract(epoch FROM story.opened - story.sent), 0), 2147483647)::integer END,
    redeemed_after = CASE WHEN story.redeemed IS NOT NULL
        THEN least(greatest(extract(epoch FROM story.redeemed - story.sent), 0), 2147483647)::integer END,
    sender_key = left(coalesce(nullif(lower(trim(t.sender_email)), ''), t.sender_name), 255),
    -- The rules of `domain::search`: without case and accents, in parts, addresses and their domains whole as well.
    words = ARRAY(
        SELECT left(word, 64) FROM (
            SELECT word, 0 AS rank FROM unnest(ARRAY[lower(trim(t.recipient_email)), lower(trim(t.sender_email)),
                split_part(lower(trim(t.recipient_email)), '@', 2), split_part(lower(trim(t.sender_email)), '@', 2)]) AS word
            UNION
            SELECT word, 1 FROM regexp_split_to_table(
                regexp_replace(lower(normalize(concat_ws(' ', t.recipient_name, t.sender_name, t.recipient_email, t.sender_email), NFKD)),
                    '[\u0300-\u036f]', '', 'g'),
                '[\s!-/:-@\[-`{-~’]+') AS word
        ) AS every WHERE word <> '' GROUP BY word ORDER BY min(rank), word LIMIT 24)
FROM (
    SELECT own.hub_id, own.transaction_id,
        array_agg(entry.status) AS reached,
        coalesce(min(entry.at) FILTER (WHERE entry.status = 'sent'), own.created_at) AS sent,
        min(entry.at) FILTER (WHERE entry.status = 'delivered') AS delivered,
        min(entry.at) FILTER (WHERE entry.status = 'opened') AS opened,
        min(entry.at) FILTER (WHERE entry.status = 'redeemed') AS redeemed
    FROM transactions AS own
    LEFT JOIN LATERAL (
        SELECT lower(trim(entry ->> 'status')) AS status, CASE WHEN entry ->> 'at' ~ '^\d{4}-' AND entry ->> 'at' !~ '^0000' THEN (entry ->> 'at')::timestamptz END AS at
        FROM jsonb_array_elements(own.history) AS entry) AS entry ON true
    GROUP BY own.hub_id, own.transaction_id
) AS story
WHERE t.hub_id = story.hub_id AND t.transaction_id = story.transaction_id;

-- The list in its orders, and for each filter that may leave few of many. All end in the time and the id, by which pages
-- follow each other.
DROP INDEX transactions_by_time;
CREATE INDEX transactions_by_time ON transactions (hub_id, counted_at, transaction_id);
CREATE INDEX transactions_by_value ON transactions (hub_id, value_key, transaction_id);
CREATE INDEX transactions_by_status ON transactions (hub_id, status, counted_at, transaction_id);
CREATE INDEX transactions_by_type ON transactions (hub_id, type_key, counted_at, transaction_id);
CREATE INDEX transactions_by_sender ON transactions (hub_id, sender_key, counted_at, transaction_id);
CREATE INDEX transactions_linked_by_time ON transactions (hub_id, counted_at, transaction_id) WHERE contact_id IS NOT NULL;
CREATE INDEX transactions_failed_by_time ON transactions (hub_id, counted_at, transaction_id) WHERE failure_reason IS NOT NULL;

-- One row for each word of each gift, written by triggers alone. A search is a range of words, which row-level security
-- lets an index answer; full-text and trigram indexes it does not.
CREATE TABLE gift_words (
    hub_id bigint NOT NULL REFERENCES portals,
    word text COLLATE "C" NOT NULL,
    counted_at timestamptz NOT NULL,
    transaction_id text NOT NULL,
    PRIMARY KEY (hub_id, word, counted_at, transaction_id)
);

CREATE FUNCTION insert_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gift_words (hub_id, word, counted_at, transaction_id)
    SELECT hub_id, word, counted_at, transaction_id FROM new_rows CROSS JOIN unnest(words) AS word
    ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE FUNCTION change_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM gift_words
    WHERE hub_id = OLD.hub_id AND word = ANY (OLD.words) AND counted_at = OLD.counted_at AND transaction_id = OLD.transaction_id;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO gift_words (hub_id, word, counted_at, transaction_id)
        SELECT NEW.hub_id, word, NEW.counted_at, NEW.transaction_id FROM unnest(NEW.words) AS word
        ORDER BY 2 ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

INSERT INTO gift_words (hub_id, word, counted_at, transaction_id)
SELECT hub_id, word, counted_at, transaction_id FROM transactions CROSS JOIN unnest(words) AS word ON CONFLICT DO NOTHING;

CREATE TRIGGER words_inserted AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION insert_words();
CREATE TRIGGER words_changed AFTER UPDATE ON transactions FOR EACH ROW
    WHEN (OLD.words IS DISTINCT FROM NEW.words OR OLD.counted_at IS DISTINCT FROM NEW.counted_at)
    EXECUTE FUNCTION change_words();
CREATE TRIGGER words_deleted AFTER DELETE ON transactions FOR EACH ROW EXECUTE FUNCTION change_words();

ALTER TABLE daily_totals
    -- Those of `transactions` that reached the step or a later one.
    ADD COLUMN delivered bigint NOT NULL DEFAULT 0,
    ADD COLUMN opened bigint NOT NULL DEFAULT 0;

-- How long gifts took to a step: how many of those sent on a day fall in each bucket of spans (`domain::pace`).
CREATE TABLE daily_paces (
    hub_id bigint NOT NULL REFERENCES portals,
    day date NOT NULL,
    step text NOT NULL,
    bucket smallint NOT NULL,
    transactions bigint NOT NULL,
    PRIMARY KEY (hub_id, day, step, bucket)
);

ALTER TABLE portal_totals
    -- Grows with every change of the ledger, so that what was read of it may be kept until then.
    ADD COLUMN version bigint NOT NULL DEFAULT 0;

CREATE FUNCTION pace_bucket(seconds integer) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN seconds < 1 THEN 0 ELSE floor(ln(seconds::float8) / ln(2::float8) * 8) END;

CREATE OR REPLACE FUNCTION count_transactions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed text := CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT 1 AS sign, * FROM new_rows'
        WHEN 'DELETE' THEN 'SELECT -1 AS sign, * FROM old_rows'
        ELSE 'SELECT 1 AS sign, * FROM new_rows UNION ALL SELECT -1 AS sign, * FROM old_rows'
    END;
BEGIN
    EXECUTE format($sql$
        INSERT INTO daily_totals AS totals
            (hub_id, day, status, gift_type, currency, transactions, delivered, opened, redeemed, priced, amount)
        SELECT hub_id, counted_on, status, type_key, currency,
            sum(sign),
            coalesce(sum(sign) FILTER (WHERE delivered), 0),
            coalesce(sum(sign) FILTER (WHERE opened), 0),
            coalesce(sum(sign) FILTER (WHERE redeemed), 0),
            coalesce(sum(sign) FILTER (WHERE amount IS NOT NULL), 0),
            coalesce(sum(sign * amount), 0)
        FROM (%s) AS changed
        GROUP BY 1, 2, 3, 4, 5
        HAVING sum(sign) <> 0
            OR coalesce(sum(sign) FILTER (WHERE delivered), 0) <> 0
            OR coalesce(sum(sign) FILTER (WHERE opened), 0) <> 0
            OR coalesce(sum(sign) FILTER (WHERE redeemed), 0) <> 0
            OR coalesce(sum(sign) FILTER (WHERE amount IS NOT NULL), 0) <> 0
            OR coalesce(sum(sign * amount), 0) <> 0
        ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (hub_id, day, status, gift_type, currency) DO UPDATE SET
            transactions = totals.transactions + excluded.transactions,
            delivered = totals.delivered + excluded.delivered,
            opened = totals.opened + excluded.opened,
            redeemed = totals.redeemed + excluded.redeemed,
            priced = totals.priced + excluded.priced,
            amount = totals.amount + excluded.amount
    $sql$, changed);

    EXECUTE format($sql$
        INSERT INTO daily_paces AS paces (hub_id, day, step, bucket, transactions)
        SELECT hub_id, counted_on, step, pace_bucket(seconds), sum(sign)
        FROM (%s) AS changed CROSS JOIN LATERAL (VALUES
            ('delivered', delivered_after), ('opened', opened_after), ('redeemed', redeemed_after)) AS pace (step, seconds)
        WHERE seconds IS NOT NULL AND status <> 'scheduled'
        GROUP BY 1, 2, 3, 4
        HAVING sum(sign) <> 0
        ORDER BY 1, 2, 3, 4
        ON CONFLICT (hub_id, day, step, bucket) DO UPDATE SET transactions = paces.transactions + excluded.transactions
    $sql$, changed);

    EXECUTE format($sql$
        UPDATE portal_totals AS totals SET
            version = totals.version + 1,
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
    $sql$, changed);
    RETURN NULL;
END
$$;

-- What the roll-ups did not count before.
UPDATE daily_totals AS totals SET delivered = known.delivered, opened = known.opened
FROM (
    SELECT hub_id, counted_on, status, type_key, currency,
        count(*) FILTER (WHERE delivered) AS delivered, count(*) FILTER (WHERE opened) AS opened
    FROM transactions GROUP BY 1, 2, 3, 4, 5
) AS known
WHERE totals.hub_id = known.hub_id AND totals.day = known.counted_on AND totals.status = known.status
    AND totals.gift_type IS NOT DISTINCT FROM known.type_key AND totals.currency IS NOT DISTINCT FROM known.currency;

INSERT INTO daily_paces (hub_id, day, step, bucket, transactions)
SELECT hub_id, counted_on, step, pace_bucket(seconds), count(*)
FROM transactions CROSS JOIN LATERAL (VALUES
    ('delivered', delivered_after), ('opened', opened_after), ('redeemed', redeemed_after)) AS pace (step, seconds)
WHERE seconds IS NOT NULL AND status <> 'scheduled'
GROUP BY 1, 2, 3, 4;

ALTER TABLE transactions FORCE ROW LEVEL SECURITY;
ALTER TABLE daily_totals FORCE ROW LEVEL SECURITY;

-- Each attempt to bring a gift's record or its links to HubSpot. HubSpot's words are not kept here: they may name people,
-- and this table is only added to.
CREATE TABLE write_attempts (
    hub_id bigint NOT NULL,
    transaction_id text NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    run_id uuid NOT NULL,
    what text NOT NULL CHECK (what IN ('record', 'links')),
    outcome text NOT NULL CHECK (outcome IN ('written', 'refused', 'unanswered')),
    -- HubSpot's code for a refusal, or the kind of silence.
    code text,
    -- The property at fault, when HubSpot names it.
    field text,
    PRIMARY KEY (hub_id, transaction_id, seq),
    FOREIGN KEY (hub_id, transaction_id) REFERENCES transactions
);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['gift_words', 'daily_paces', 'write_attempts'] LOOP
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
