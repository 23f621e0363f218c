-- The change of a functional account's own password (docs/decisions/0010).
ALTER TABLE jobs ADD COLUMN handed_at @time NOT NULL DEFAULT 0; -- of whoever has the lease: secrets have left to its connector; 0: not yet
ALTER TABLE jobs ADD COLUMN turns_functional @int NOT NULL DEFAULT 0; -- the functional account whose own password it changes; 0: none
ALTER TABLE jobs ADD COLUMN signs_in @text NOT NULL DEFAULT ''; -- of such a job: what its last sign-in was made with, 'new' or 'old', and ' denied'
CREATE INDEX jobs_functional ON jobs (turns_functional, id) WHERE is_open = 1 AND turns_functional > 0;
-- Propagation actions (passwordsafe-api 7.11): what is done on systems once an account's change was proved.
CREATE TABLE propagation_actions (
    id          @id,
    type_id     @int  NOT NULL, -- 1: Services
    name        @text NOT NULL,
    name_key    @text NOT NULL UNIQUE,
    description @text NOT NULL DEFAULT '',
    service     @text NOT NULL -- that is restarted
);
CREATE TABLE account_propagations (
    id            @id,
    account_id    @int  NOT NULL REFERENCES managed_accounts (id),
    action_id     @int  NOT NULL REFERENCES propagation_actions (id), -- refused while in use
    is_own_system @flag NOT NULL, -- on the account's own system; else on those of the rules, which may all have gone
    UNIQUE (account_id, action_id)
);
CREATE INDEX account_propagations_action ON account_propagations (action_id);
CREATE TABLE account_propagation_rules (
    propagation_id @int NOT NULL REFERENCES account_propagations (id) ON DELETE CASCADE,
    rule_id        @int NOT NULL REFERENCES smart_rules (id) ON DELETE CASCADE,
    PRIMARY KEY (propagation_id, rule_id)
);
CREATE INDEX account_propagation_rules_rule ON account_propagation_rules (rule_id);
-- A word more in a CHECK: a new column in the old one's place, as in 0003.sql.
DROP INDEX jobs_one_change;
ALTER TABLE jobs ADD COLUMN kind_now @text NOT NULL DEFAULT 'change' CHECK (kind_now IN ('change', 'test', 'check', 'system', 'audit', 'push', 'propagate'));
UPDATE jobs SET kind_now = kind;
ALTER TABLE jobs DROP COLUMN kind;
ALTER TABLE jobs RENAME COLUMN kind_now TO kind;
CREATE UNIQUE INDEX jobs_one_change ON jobs (account_id) WHERE is_open = 1 AND kind = 'change';
CREATE INDEX jobs_propagate ON jobs (account_id) WHERE is_open = 1 AND kind = 'propagate';
