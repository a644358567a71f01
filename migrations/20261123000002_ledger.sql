-- The ledger: what Thnks reported, what HubSpot should show of it, and what HubSpot shows.

CREATE TABLE transactions (
    hub_id bigint NOT NULL REFERENCES portals,
    transaction_id text NOT NULL,

    -- As Thnks reported it.
    gift_name text,
    gift_type text,
    amount numeric,
    currency text,
    message text,
    tracking_url text,
    delivery_type text,
    sender_name text,
    sender_email text,
    recipient_name text,
    recipient_email text,
    recipient_phone text,
    reported_status text NOT NULL,
    history jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,

    -- Derived from the above by the rules in `domain`.
    status text NOT NULL,
    counted_at timestamptz NOT NULL,
    -- `counted_at` as a day in the portal's time zone.
    counted_on date NOT NULL,
    redeemed boolean NOT NULL,
    recipient_key text,

    -- The record in HubSpot. A row is dirty when the two hashes differ; nothing else decides what is written.
    desired_hash bytea NOT NULL,
    applied_hash bytea,
    record_id bigint,
    written_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    -- The run that tried last and was refused: it does not try again, the next one does.
    refused_by uuid,
    failure_field text,
    failure_reason text,
    failed_at timestamptz,

    -- Its links. `contact_id`, `company_id` and `deal_ids` are those this service made.
    association_due boolean NOT NULL DEFAULT true,
    -- The run whose links HubSpot refused in part: it does not try again, the next one does.
    link_refused_by uuid,
    association_outcome text,
    contact_id bigint,
    company_id bigint,
    deal_ids bigint[] NOT NULL DEFAULT '{}',
    decision jsonb,
    PRIMARY KEY (hub_id, transaction_id)
);

CREATE INDEX transactions_dirty ON transactions (hub_id, transaction_id)
    WHERE applied_hash IS DISTINCT FROM desired_hash;
CREATE INDEX transactions_association_due ON transactions (hub_id, recipient_key, transaction_id)
    WHERE association_due AND record_id IS NOT NULL;
CREATE INDEX transactions_orphans ON transactions (hub_id, recipient_key)
    WHERE contact_id IS NULL AND record_id IS NOT NULL;
CREATE INDEX transactions_by_time ON transactions (hub_id, counted_at);

-- Every status change that was seen. The app's role may insert and read, nothing else.
CREATE TABLE status_events (
    hub_id bigint NOT NULL,
    transaction_id text NOT NULL,
    -- One of ours, or an unknown one as Thnks spells it, in lower case.
    status text NOT NULL,
    happened_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (hub_id, transaction_id, status, happened_at),
    FOREIGN KEY (hub_id, transaction_id) REFERENCES transactions
);
CREATE INDEX status_events_activity ON status_events (hub_id, happened_at DESC)
    WHERE status IN ('sent', 'redeemed');

-- Rows of Thnks that cannot be a transaction: kept and shown.
CREATE TABLE rejected_rows (
    hub_id bigint NOT NULL REFERENCES portals,
    -- The row's id, or a fingerprint of it when it has none.
    row_key text NOT NULL,
    transaction_id text,
    field text NOT NULL,
    reason text NOT NULL,
    payload jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (hub_id, row_key)
);
