-- Databases and directories under management (passwordsafe-api 6.4, 6.5, 6.9).
--
-- managed_systems.asset_id is NOT NULL, UNIQUE and a reference, and a database needs none of the three: its machine may be
-- managed too, and carry several. A store loosens a column only by making the table anew under all the references to it,
-- with what that may do to them on a store in use. So `assets` becomes the table of places instead: a database or a
-- directory has a row of its own there, of another entity type, whose name_key no asset can have. Only the asset's own
-- calls read `assets`, and they leave these rows out.
ALTER TABLE assets ADD COLUMN entity_type @int NOT NULL DEFAULT 1 CHECK (entity_type IN (1, 2, 3)); -- 2: database, 3: directory
CREATE TABLE databases (
    id            @id,
    place_id      @int  NOT NULL UNIQUE REFERENCES assets (id), -- its row among the places
    asset_id      @int  NOT NULL REFERENCES assets (id), -- the machine
    platform_id   @int  NOT NULL,
    instance_name @text NOT NULL DEFAULT '',
    is_default    @flag NOT NULL DEFAULT 0,
    port          @int  NOT NULL,
    version       @text NOT NULL DEFAULT '',
    template      @text NOT NULL DEFAULT ''
);
CREATE INDEX databases_asset ON databases (asset_id);
CREATE TABLE directories ( -- what stands here of terms is what a system made from it begins with
    id                    @id,
    place_id              @int  NOT NULL UNIQUE REFERENCES assets (id),
    platform_id           @int  NOT NULL,
    domain_name           @text NOT NULL,
    forest_name           @text NOT NULL DEFAULT '',
    net_bios_name         @text NOT NULL DEFAULT '',
    use_ssl               @flag NOT NULL DEFAULT 0,
    account_name_format   @int  NOT NULL DEFAULT 0,
    port                  @int,
    timeout_s             @int  NOT NULL,
    description           @text NOT NULL DEFAULT '',
    contact_email         @text NOT NULL DEFAULT '',
    password_rule_id      @int  NOT NULL REFERENCES password_rules (id),
    release_duration      @int  NOT NULL,
    max_release_duration  @int  NOT NULL,
    isa_release_duration  @int  NOT NULL,
    auto_management       @flag NOT NULL,
    functional_account_id @int REFERENCES functional_accounts (id),
    check_password        @flag NOT NULL DEFAULT 0,
    change_after_release  @flag NOT NULL DEFAULT 0,
    reset_on_mismatch     @flag NOT NULL DEFAULT 0,
    change_frequency_type @text NOT NULL CHECK (change_frequency_type IN ('first', 'last', 'xdays')),
    change_frequency_days @int  NOT NULL,
    change_time           @text NOT NULL
);
CREATE INDEX directories_rule ON directories (password_rule_id);
CREATE INDEX directories_functional ON directories (functional_account_id);

-- What a person has told the engine to do about a change, the canary of a whole system, break-glass (keyturn-api 4, 5).
ALTER TABLE jobs ADD COLUMN told @text NOT NULL DEFAULT ''; -- of a job in drift: 'again', 'adopt password', 'adopt key', 'adopt password key'
ALTER TABLE jobs ADD COLUMN told_version @int NOT NULL DEFAULT 0; -- that is to be adopted
ALTER TABLE jobs ADD COLUMN is_held @flag NOT NULL DEFAULT 0; -- waits until another account of its system was changed
ALTER TABLE managed_accounts ADD COLUMN glass_broken_at @time NOT NULL DEFAULT 0; -- a change is owed since; 0: none
CREATE INDEX managed_accounts_glass ON managed_accounts (glass_broken_at, id) WHERE glass_broken_at > 0;
CREATE INDEX managed_accounts_drift ON managed_accounts (state, id) WHERE state = 'drift';
CREATE INDEX jobs_leased ON jobs (leased_until) WHERE is_open = 1;
CREATE INDEX jobs_held ON jobs (parent_id, id) WHERE is_held = 1;

-- The daily test of what is stored, and synced accounts (passwordsafe-api 6.11, 8.2).
ALTER TABLE managed_accounts ADD COLUMN next_test_at @time NOT NULL DEFAULT 0; -- of CheckPasswordFlag; 0: not placed in the day yet
ALTER TABLE managed_accounts ADD COLUMN reset_version @int NOT NULL DEFAULT 0; -- the version whose mismatch has started a change
ALTER TABLE managed_accounts ADD COLUMN parent_account_id @int NOT NULL DEFAULT 0; -- 0, or the account whose password it takes
ALTER TABLE managed_accounts ADD COLUMN sync_wanted @int NOT NULL DEFAULT 0; -- the parent's version that it is to follow
ALTER TABLE managed_accounts ADD COLUMN sync_made @int NOT NULL DEFAULT 0; -- the one that its last job brings
ALTER TABLE managed_accounts ADD COLUMN sync_since @time NOT NULL DEFAULT 0; -- behind since then; 0: in step
ALTER TABLE jobs ADD COLUMN parent_version @int NOT NULL DEFAULT 0; -- of a subscriber's change: whose password it brings
CREATE INDEX managed_accounts_test ON managed_accounts (next_test_at, id) WHERE check_password = 1;
CREATE INDEX managed_accounts_parent ON managed_accounts (parent_account_id, id) WHERE parent_account_id > 0;
CREATE INDEX managed_accounts_behind ON managed_accounts (id) WHERE sync_made <> sync_wanted;
CREATE INDEX login_budgets_window ON login_budgets (window_at);

-- Followers: links whose end lies on another server (keyturn-api 3.1, rule 8), and the jobs that push to them.
--
-- Neither store takes a word into a CHECK, or drops a table's UNIQUE, without SQLite making the table anew; `jobs` is
-- referenced, and job_steps would be emptied with it. So the two columns of `jobs` are made anew beside the old ones, which
-- SQLite drops together with their CHECKs. And links.attribute_id names a row here as its negative: UNIQUE (attribute_id,
-- user_id) holds as it is, and no statement that looks for an attribute finds a follower.
CREATE TABLE followers (
    id              @id,
    system_id       @int  NOT NULL REFERENCES managed_systems (id), -- the other Control Room
    user_name       @text NOT NULL DEFAULT '', -- the end there: this user's auto-login, or
    credential_name @text NOT NULL DEFAULT '', -- the value of
    attribute_name  @text NOT NULL DEFAULT '', -- this attribute
    end_key         @text NOT NULL, -- the three, folded
    job_id          @int  NOT NULL DEFAULT 0, -- its unfinished push; 0: none
    behind_since    @time NOT NULL DEFAULT 0, -- the account has turned, and that is not known to stand there; 0: in step
    last_try_at     @time NOT NULL DEFAULT 0,
    last_text       @text NOT NULL DEFAULT '', -- why it did not work
    UNIQUE (system_id, end_key)
);
CREATE INDEX followers_job ON followers (job_id);
DROP INDEX jobs_one_change;
ALTER TABLE jobs ADD COLUMN kind_now @text NOT NULL DEFAULT 'change' CHECK (kind_now IN ('change', 'test', 'check', 'system', 'audit', 'push'));
UPDATE jobs SET kind_now = kind;
ALTER TABLE jobs DROP COLUMN kind;
ALTER TABLE jobs RENAME COLUMN kind_now TO kind;
ALTER TABLE jobs ADD COLUMN trigger_now @text NOT NULL DEFAULT 'caller' CHECK (trigger_now IN ('caller', 'schedule', 'release', 'mismatch', 'unlink', 'breakGlass', 'turn'));
UPDATE jobs SET trigger_now = trigger_kind;
ALTER TABLE jobs DROP COLUMN trigger_kind;
ALTER TABLE jobs RENAME COLUMN trigger_now TO trigger_kind;
CREATE UNIQUE INDEX jobs_one_change ON jobs (account_id) WHERE is_open = 1 AND kind = 'change';
