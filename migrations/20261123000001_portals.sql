-- Organizations, their setup links, and the portals that installed the app.
-- A portal's rows in every table carry `hub_id`; see 20261123000005_isolation.sql.

CREATE TABLE organizations (
    organization_id uuid PRIMARY KEY,
    name text NOT NULL,
    -- The Thnks API key, sealed.
    api_key bytea NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE setup_links (
    link_id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    -- When set, only this portal may use the link.
    bound_to bigint,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL
);

-- A started authorization: taken once, bound to the browser that started it.
CREATE TABLE install_states (
    state_hash bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('install', 'login')),
    setup_link_id uuid REFERENCES setup_links,
    -- The PKCE code verifier, sealed.
    code_verifier bytea NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE portals (
    hub_id bigint PRIMARY KEY,
    organization_id uuid REFERENCES organizations,
    hub_domain text,
    ui_domain text NOT NULL DEFAULT 'app.hubspot.com',
    time_zone text NOT NULL DEFAULT 'UTC',
    currency text,
    account_type text,
    -- The custom object in this portal and the association types that link it, once set-up has found or made them.
    object_type_id text,
    association_types jsonb,
    -- What a person must do before the work can go on.
    needs jsonb NOT NULL DEFAULT '[]',
    needs_checked_at timestamptz,
    -- Where the next sync begins: the latest `updated_at` whose page is stored.
    synced_through timestamptz,
    backfilled_at timestamptz,
    paused_at timestamptz,
    disconnected_at timestamptz,
    installed_at timestamptz NOT NULL
);

CREATE TABLE members (
    hub_id bigint NOT NULL REFERENCES portals,
    user_id bigint NOT NULL,
    email text,
    role text NOT NULL CHECK (role IN ('owner', 'member')),
    joined_at timestamptz NOT NULL,
    PRIMARY KEY (hub_id, user_id)
);

-- The HubSpot grant. Tokens are sealed; `generation` grows with each pair of them.
CREATE TABLE connections (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    access_token bytea NOT NULL,
    refresh_token bytea NOT NULL,
    refresh_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    scopes text[] NOT NULL,
    generation bigint NOT NULL DEFAULT 1,
    -- One refresh at a time, without holding a transaction over the call.
    refresh_lease uuid,
    refresh_lease_until timestamptz,
    -- Refusals of the refresh token in a row.
    refusals integer NOT NULL DEFAULT 0,
    refused_at timestamptz
);

-- The Thnks side of a portal.
CREATE TABLE thnks_connections (
    hub_id bigint PRIMARY KEY REFERENCES portals,
    -- The Thnks API key, sealed.
    api_key bytea NOT NULL,
    -- Thnks' own id of the organization, once Thnks has told it: another one's gifts must not mix in.
    thnks_organization_id text,
    organization_name text,
    connected_at timestamptz NOT NULL
);

CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    hub_id bigint NOT NULL REFERENCES portals,
    user_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
);
CREATE INDEX sessions_by_portal ON sessions (hub_id);

-- Who did what and when. The app's role may insert and read, nothing else.
CREATE TABLE audit (
    hub_id bigint NOT NULL REFERENCES portals,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (hub_id, seq)
);
