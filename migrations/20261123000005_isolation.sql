-- Row-level security on every tenant table, forced, so that it holds for the owner as well and by itself when a query
-- forgets its predicate. Without the setting no row is visible; after a transaction the setting is '', hence NULLIF.

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'portals', 'members', 'connections', 'thnks_connections', 'audit', 'transactions', 'status_events',
        'rejected_rows', 'runs', 'portal_leases', 'daily_totals', 'portal_totals'
    ] LOOP
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

-- A person sees which portals they belong to, and nothing of them.
CREATE POLICY own_memberships ON members FOR SELECT
    USING (user_id = NULLIF(current_setting('app.user_id', true), '')::bigint);
