-- What the reports read: an index that answers what is counted per gift, and the labels of pipelines and stages.

-- The same index as before, which now carries what reports count of each gift, so that counting a million does not read
-- the gifts themselves.
DROP INDEX transactions_by_sender;
CREATE INDEX transactions_by_sender ON transactions (hub_id, sender_key, counted_at, transaction_id)
    INCLUDE (counted_on, status, redeemed, currency, amount, opened_after, redeemed_after);
-- Gifts whose refund may come: few of many.
CREATE INDEX transactions_unopened ON transactions (hub_id, counted_on) WHERE NOT is_final AND NOT opened;

-- Deal pipelines and their stages as HubSpot named them when the work last read them; never asked for by a page.
CREATE TABLE pipeline_stages (
    hub_id bigint NOT NULL REFERENCES portals,
    pipeline text NOT NULL,
    stage text NOT NULL,
    pipeline_label text NOT NULL,
    stage_label text NOT NULL,
    read_at timestamptz NOT NULL,
    PRIMARY KEY (hub_id, pipeline, stage)
);

ALTER TABLE pipeline_stages ENABLE ROW LEVEL SECURITY;
ALTER TABLE pipeline_stages FORCE ROW LEVEL SECURITY;
CREATE POLICY one_portal ON pipeline_stages
    USING (hub_id = NULLIF(current_setting('app.hub_id', true), '')::bigint)
    WITH CHECK (hub_id = NULLIF(current_setting('app.hub_id', true), '')::bigint);
