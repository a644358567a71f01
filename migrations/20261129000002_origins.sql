-- Which request a run came from, for log lines and traces.

ALTER TABLE runs
    -- The request that asked for it.
    ADD COLUMN request_id uuid,
    -- Its place in a trace, as W3C's `traceparent` has it.
    ADD COLUMN trace text CHECK (length(trace) <= 64);
