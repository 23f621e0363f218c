-- Several servers on one store.

CREATE TABLE nodes ( -- the servers that use this store, each under its own name
    name       @text NOT NULL PRIMARY KEY,
    version    @text NOT NULL,
    urls       @text NOT NULL, -- where it listens, one per line
    started_at @time NOT NULL,
    seen_at    @time NOT NULL
);
CREATE TABLE leases ( -- what only one of them does at a time
    name   @text NOT NULL PRIMARY KEY,
    holder @text NOT NULL,
    until  @time NOT NULL
);
ALTER TABLE jobs ADD COLUMN server @text NOT NULL DEFAULT ''; -- that made it, then that holds its lease
CREATE INDEX jobs_server ON jobs (server, is_open);

-- An index behind every reference.
CREATE INDEX role_registrations_registration ON role_registrations (registration_id);
CREATE INDEX sessions_registration ON sessions (registration_id);
CREATE INDEX managed_systems_rule ON managed_systems (password_rule_id);
CREATE INDEX managed_accounts_rule ON managed_accounts (password_rule_id);
CREATE INDEX rule_access_rule ON rule_access (rule_id);
CREATE INDEX attribute_values_kept_by ON attribute_values (kept_by) WHERE kept_by <> 0;

-- What the EXPLAIN test found missing (tests/db/test_plans.py).
CREATE INDEX rule_roles_rule ON rule_roles (rule_id);
CREATE INDEX known_addresses_last ON known_addresses (last_at);
CREATE INDEX jobs_system ON jobs (system_id, is_open);
CREATE INDEX links_offered ON links (offered_by, state);
CREATE INDEX assets_name ON assets (name_key);
CREATE INDEX assets_dns ON assets (dns_name_key);
CREATE INDEX assets_domain ON assets (domain_name_key);
CREATE INDEX assets_ip ON assets (ip_address);
CREATE INDEX assets_mac ON assets (mac_address_key);
CREATE INDEX assets_type ON assets (asset_type_key);
