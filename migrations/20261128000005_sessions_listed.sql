-- A person sees their own sessions and ends any one of them, and people are told when the app is installed again.

ALTER TABLE sessions
    -- Names a session in forms; nothing opens with it. The database gives it, to sessions that the version before opens too.
    ADD COLUMN session_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    -- In our words, such as "Firefox on Windows", so that people can tell their sessions apart. Nothing else is kept of
    -- where somebody sits, network addresses least of all: that is personal data which nothing here needs.
    ADD COLUMN browser text CHECK (char_length(browser) <= 60);

ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
ALTER TABLE notices ADD CONSTRAINT notices_kind_check
    CHECK (kind IN ('backfill_finished', 'sync_failing', 'authorization_lost', 'recovered', 'installed_again', 'test'));
