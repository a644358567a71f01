-- A key of each portal's own, wrapped by one of the operator's. Whoever destroys it makes the portal's secrets unreadable
-- wherever they have been copied to without it: this table is backed up apart from the others (docs/runbook.md).
CREATE TABLE portal_keys (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    -- Names the key in what it has sealed.
    key_id text NOT NULL,
    wrapped bytea NOT NULL,
    made_at timestamptz NOT NULL
);
ALTER TABLE portal_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE portal_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY one_portal ON portal_keys
    USING (hub_id = NULLIF(current_setting('app.hub_id', true), '')::bigint)
    WITH CHECK (hub_id = NULLIF(current_setting('app.hub_id', true), '')::bigint);

-- On which of the operator's keys portals hang: numbers and names of keys, nothing of a customer's, hence no row-level security.
CREATE TABLE key_uses (
    hub_id bigint NOT NULL REFERENCES portals,
    key_id text NOT NULL,
    PRIMARY KEY (hub_id, key_id)
);
CREATE INDEX key_uses_by_key ON key_uses (key_id, hub_id);

-- A known text, sealed with each key that was ever used: tells another key of the same name from the right one.
CREATE TABLE key_checks (
    key_id text PRIMARY KEY,
    sealed bytea NOT NULL,
    first_used_at timestamptz NOT NULL
);

-- Whose signature the link bears; links made before are not known.
ALTER TABLE setup_links ADD COLUMN signed_by text;

-- What was sealed before portals had keys hangs on the operator's key itself, whose name stands in it.
ALTER TABLE portals NO FORCE ROW LEVEL SECURITY;
ALTER TABLE connections NO FORCE ROW LEVEL SECURITY;
ALTER TABLE thnks_connections NO FORCE ROW LEVEL SECURITY;
ALTER TABLE notice_settings NO FORCE ROW LEVEL SECURITY;
INSERT INTO key_uses (hub_id, key_id)
SELECT DISTINCT hub_id, encode(substring(sealed FROM 3 FOR get_byte(sealed, 1)), 'escape')
FROM (
    SELECT hub_id, unnest(ARRAY[access_token, refresh_token]) AS sealed FROM connections
    UNION ALL SELECT hub_id, api_key FROM thnks_connections
    UNION ALL SELECT hub_id, erasure_key FROM portals
    UNION ALL SELECT hub_id, unnest(ARRAY[webhook_secret, former_secret]) FROM notice_settings
) AS secrets
WHERE octet_length(sealed) > 2;
ALTER TABLE portals FORCE ROW LEVEL SECURITY;
ALTER TABLE connections FORCE ROW LEVEL SECURITY;
ALTER TABLE thnks_connections FORCE ROW LEVEL SECURITY;
ALTER TABLE notice_settings FORCE ROW LEVEL SECURITY;
