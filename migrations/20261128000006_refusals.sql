-- How the renewal of tokens goes, to be compared over all portals: when HubSpot refuses many of them at once, the reason is ours
-- and no connection may end over it. Times only.
ALTER TABLE sync_schedule
    -- When the tokens were last renewed.
    ADD COLUMN renewed_at timestamptz,
    -- Since when HubSpot has refused to renew them, and when it did so last.
    ADD COLUMN refused_since timestamptz,
    ADD COLUMN refused_at timestamptz;
