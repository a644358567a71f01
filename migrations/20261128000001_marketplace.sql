-- An install that begins in HubSpot's marketplace keeps a state as well. HubSpot asks for that consent, so there is no
-- challenge of ours and no verifier; every other state has one.

ALTER TABLE install_states
    ALTER COLUMN code_verifier DROP NOT NULL,
    DROP CONSTRAINT install_states_purpose_check,
    ADD CONSTRAINT install_states_purpose_check CHECK (purpose IN ('install', 'login', 'marketplace')),
    ADD CONSTRAINT install_states_verifier_check CHECK ((purpose = 'marketplace') = (code_verifier IS NULL));
