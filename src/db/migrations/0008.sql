-- Who has a registration as his access policy: asked before it is deleted.
CREATE INDEX users_access_policy ON users (access_policy_id) WHERE access_policy_id IS NOT NULL;
