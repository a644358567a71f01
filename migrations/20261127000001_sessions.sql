-- A session knows its person's role: one statement opens it, outside of any portal. The database keeps both the same, and ends
-- the sessions of whoever is removed. Open sessions end here; people sign in again.

ALTER TABLE members ADD CONSTRAINT members_role_key UNIQUE (hub_id, user_id, role);

DELETE FROM sessions;
ALTER TABLE sessions
    ADD COLUMN role text NOT NULL,
    -- For display, as it was at sign-in.
    ADD COLUMN email text,
    ADD CONSTRAINT sessions_of_members FOREIGN KEY (hub_id, user_id, role) REFERENCES members (hub_id, user_id, role)
        ON UPDATE CASCADE ON DELETE CASCADE;

-- All sessions of a person, to end them; started authorizations by their end, to clear them away.
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX install_states_by_end ON install_states (expires_at);
