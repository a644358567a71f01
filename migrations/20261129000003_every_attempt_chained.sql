-- Attempts from before there were batches join the chain, at its beginning and by 100, so that no attempt stands outside of
-- it: one that somebody puts in without a batch would pass for one of those.
--
-- The ends of the chains of writes of such portals, as the log has noted them so far, are not theirs any more.

DO $$
DECLARE
    portal bigint;
    early bigint;
    batch_number bigint;
    added bigint;
    lines text;
    last_hash bytea;
BEGIN
    ALTER TABLE write_attempts NO FORCE ROW LEVEL SECURITY;
    ALTER TABLE write_attempts DISABLE TRIGGER USER;
    ALTER TABLE write_batches NO FORCE ROW LEVEL SECURITY;
    ALTER TABLE write_batches DISABLE TRIGGER USER;
    ALTER TABLE chain_heads NO FORCE ROW LEVEL SECURITY;
    FOR portal, early IN
        SELECT hub_id, (count(*) + 99) / 100 FROM write_attempts WHERE batch IS NULL GROUP BY 1
    LOOP
        UPDATE write_attempts SET batch = batch + early WHERE hub_id = portal AND batch IS NOT NULL;
        UPDATE write_attempts AS a SET batch = 1 + (place.number - 1) / 100
        FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS number
              FROM write_attempts WHERE hub_id = portal AND batch IS NULL) AS place
        WHERE a.hub_id = portal AND a.seq = place.seq;

        DELETE FROM write_batches WHERE hub_id = portal;
        last_hash := '';
        FOR batch_number, added, lines IN
            SELECT batch, count(*), string_agg(
                netstring(seq::text) || netstring(transaction_id) || netstring(micros(at)) || netstring(run_id::text)
                || netstring(what) || netstring(outcome) || netstring(code) || netstring(field), '' ORDER BY seq)
            FROM write_attempts WHERE hub_id = portal GROUP BY batch ORDER BY batch
        LOOP
            last_hash := sha256(last_hash || convert_to(
                netstring(portal::text) || netstring(batch_number::text) || netstring(added::text) || lines, 'UTF8'));
            INSERT INTO write_batches (hub_id, number, attempts, hash) VALUES (portal, batch_number, added, last_hash);
        END LOOP;
        INSERT INTO chain_heads (hub_id, chain, number, hash) VALUES (portal, 'writes', batch_number, last_hash)
        ON CONFLICT (hub_id, chain) DO UPDATE SET number = excluded.number, hash = excluded.hash;
    END LOOP;
    ALTER TABLE write_attempts ENABLE TRIGGER USER;
    ALTER TABLE write_batches ENABLE TRIGGER USER;
    ALTER TABLE write_attempts FORCE ROW LEVEL SECURITY;
    ALTER TABLE write_batches FORCE ROW LEVEL SECURITY;
    ALTER TABLE chain_heads FORCE ROW LEVEL SECURITY;
END
$$;

ALTER TABLE write_attempts ALTER COLUMN batch SET NOT NULL;
