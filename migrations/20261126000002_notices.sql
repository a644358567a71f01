-- Notices: what people are told of a portal when they do not look, by e-mail and by a signed call.

-- Whom to tell what.
CREATE TABLE notice_settings (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    emails text[] NOT NULL DEFAULT '{}' CHECK (cardinality(emails) <= 10),
    kinds text[] NOT NULL,
    webhook_url text,
    -- What calls are signed with, sealed; made with the first address, and kept when the address goes.
    webhook_secret bytea,
    -- The one before, sealed: calls are signed with both until then, so that a receiver can change over in peace.
    former_secret bytea,
    former_until timestamptz,
    changed_at timestamptz NOT NULL
);

-- The trouble a portal is in; shape and meaning belong to `domain::trouble`. No row, no trouble.
CREATE TABLE portal_troubles (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    since timestamptz,
    failures integer NOT NULL,
    said text CHECK (said IN ('sync_failing', 'authorization_lost'))
);

-- What there is to say: inserted with the fact that causes it. Counts, codes and times, nothing of a person.
CREATE TABLE notices (
    hub_id bigint NOT NULL REFERENCES portals,
    notice_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('backfill_finished', 'sync_failing', 'authorization_lost', 'recovered', 'test')),
    detail jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (hub_id, notice_id)
);
CREATE INDEX notices_by_time ON notices (hub_id, created_at);

-- One row for each receiver of a notice.
CREATE TABLE notice_deliveries (
    hub_id bigint NOT NULL,
    notice_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'webhook')),
    -- The address; of a webhook its host.
    target text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    -- While an attempt is made: when it counts as lost.
    due_at timestamptz NOT NULL,
    last_error text,
    ended_at timestamptz,
    PRIMARY KEY (hub_id, notice_id, channel, target),
    FOREIGN KEY (hub_id, notice_id) REFERENCES notices ON DELETE CASCADE
);
CREATE INDEX notice_deliveries_due ON notice_deliveries (hub_id, due_at) WHERE state = 'pending';

-- Portals with something to deliver, for the dispatcher: a number and a time, nothing of a customer's, hence no row-level security.
CREATE TABLE notice_board (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    due_at timestamptz NOT NULL
);
CREATE INDEX notice_board_due ON notice_board (due_at);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['notice_settings', 'portal_troubles', 'notices', 'notice_deliveries'] LOOP
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
