-- From here on the version before goes on working beside a newer schema: migrations only add (docs/deployment.md, "Migrations").
-- One that takes something away says which version may still run on it, by replacing this function; versions before that one
-- refuse to start. A function, since the app's role cannot change it and a dump carries it.
--
-- The version of the last migration that a binary must know.
CREATE FUNCTION schema_floor() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 20261129000005;
