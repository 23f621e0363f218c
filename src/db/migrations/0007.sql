-- What a test has found not to be the live one: counted by the health check, as those in drift are.
CREATE INDEX managed_accounts_mismatch ON managed_accounts (state, id) WHERE state = 'mismatch';
