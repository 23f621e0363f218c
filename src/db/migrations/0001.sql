-- Keyturn's tables. Types come from a closed set (@id @int @flag @time @text @blob), which db/ writes out for the store at hand.
-- A name that is compared without case has a second column …_key (base/text.h: text_key).

CREATE TABLE settings (
    name  @text NOT NULL PRIMARY KEY,
    value @text NOT NULL
);
CREATE TABLE secrets_of_store ( -- keys that are not sealed: keyed hashes
    name  @text NOT NULL PRIMARY KEY,
    value @blob NOT NULL
);
CREATE TABLE counters (
    name @text NOT NULL PRIMARY KEY,
    next @int  NOT NULL
);
CREATE TABLE data_keys (
    id            @int  NOT NULL PRIMARY KEY,
    root_wrap     @blob NOT NULL,
    recovery_wrap @blob NOT NULL,
    created_at    @time NOT NULL
);

-- identity ------------------------------------------------------------------------------------------------------------

CREATE TABLE users (
    id                 @id,
    name               @text NOT NULL,
    name_key           @text NOT NULL UNIQUE,
    user_type          @text NOT NULL DEFAULT 'BeyondInsight',
    domain             @text NOT NULL DEFAULT '',
    domain_key         @text NOT NULL DEFAULT '',
    first_name         @text NOT NULL DEFAULT '',
    first_name_key     @text NOT NULL DEFAULT '',
    last_name          @text NOT NULL DEFAULT '',
    last_name_key      @text NOT NULL DEFAULT '',
    email              @text NOT NULL DEFAULT '',
    email_key          @text NOT NULL DEFAULT '',
    description        @text NOT NULL DEFAULT '',
    description_key    @text NOT NULL DEFAULT '',
    license_features   @text NOT NULL DEFAULT '',
    password_hash      @text,
    enable_auto_login  @flag NOT NULL DEFAULT 1,
    is_disabled        @flag NOT NULL DEFAULT 0,
    is_quarantined     @flag NOT NULL DEFAULT 0,
    is_deleted         @flag NOT NULL DEFAULT 0,
    client_id          @text UNIQUE,
    client_secret_hash @blob,
    access_policy_id   @int,
    tokens_valid_after @time NOT NULL DEFAULT 0,
    last_login_at      @time NOT NULL DEFAULT 0,
    version            @int  NOT NULL DEFAULT 0,
    created_by         @int  NOT NULL,
    created_at         @time NOT NULL,
    updated_by         @int  NOT NULL,
    updated_at         @time NOT NULL
);
CREATE TABLE roles ( -- Control Room roles (face 1) and Password Safe user groups (face 2), numbered per face
    id              @id,
    face            @int  NOT NULL CHECK (face IN (1, 2)),
    number          @int  NOT NULL,
    name            @text NOT NULL,
    name_key        @text NOT NULL,
    description     @text NOT NULL DEFAULT '',
    description_key @text NOT NULL DEFAULT '',
    is_builtin      @flag NOT NULL DEFAULT 0,
    is_active       @flag NOT NULL DEFAULT 1,
    version         @int  NOT NULL DEFAULT 0,
    created_by      @int  NOT NULL,
    created_at      @time NOT NULL,
    updated_by      @int  NOT NULL,
    updated_at      @time NOT NULL,
    UNIQUE (face, number),
    UNIQUE (face, name_key)
);
CREATE TABLE role_members (
    role_id @int NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    user_id @int NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (role_id, user_id)
);
CREATE INDEX role_members_user ON role_members (user_id, role_id);
CREATE TABLE role_rights ( -- right_id: enum right of identity/rights.h; level: 1 read, 3 read and write
    role_id  @int NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    right_id @int NOT NULL,
    level    @int NOT NULL CHECK (level IN (1, 3)),
    PRIMARY KEY (role_id, right_id)
);
CREATE TABLE registrations (
    id                     @id,
    name                   @text NOT NULL,
    name_key               @text NOT NULL UNIQUE,
    type                   @text NOT NULL CHECK (type IN ('apikeypolicy', 'apiaccesspolicy')),
    is_active              @flag NOT NULL,
    is_visible             @flag NOT NULL DEFAULT 1,
    token_minutes          @int  NOT NULL DEFAULT 60,
    user_password_required @flag NOT NULL DEFAULT 0,
    key_hash               @blob UNIQUE,
    key_sealed             @blob,
    key_version            @int  NOT NULL DEFAULT 0,
    created_at             @time NOT NULL
);
CREATE TABLE registration_rules ( -- addresses it may be used from; none: loopback only
    id              @id,
    registration_id @int  NOT NULL REFERENCES registrations (id) ON DELETE CASCADE,
    type            @text NOT NULL CHECK (type IN ('SingleIP', 'IPRange', 'CIDR', 'IPList')),
    value           @text NOT NULL,
    description     @text NOT NULL DEFAULT '',
    created_at      @time NOT NULL
);
CREATE INDEX registration_rules_registration ON registration_rules (registration_id);
CREATE TABLE role_registrations (
    role_id         @int NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    registration_id @int NOT NULL REFERENCES registrations (id) ON DELETE CASCADE,
    PRIMARY KEY (role_id, registration_id)
);
CREATE TABLE sessions ( -- Password Safe sessions (kind 'session') and OAuth tokens (kind 'bearer'), found by keyed hash
    hash              @blob NOT NULL PRIMARY KEY,
    kind              @text NOT NULL CHECK (kind IN ('session', 'bearer')),
    user_id           @int  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    registration_id   @int  NOT NULL REFERENCES registrations (id) ON DELETE CASCADE,
    key_version       @int  NOT NULL,
    password_at       @time NOT NULL, -- when a password was checked; 0: none was
    created_at        @time NOT NULL,
    used_at           @time NOT NULL,
    ends_at           @time NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_end ON sessions (ends_at);
CREATE TABLE token_keys (
    id         @id,
    public_key @blob NOT NULL,
    created_at @time NOT NULL,
    ends_at    @time NOT NULL
);
CREATE TABLE ended_tokens (
    hash    @blob NOT NULL PRIMARY KEY,
    ends_at @time NOT NULL
);
CREATE INDEX ended_tokens_end ON ended_tokens (ends_at);
CREATE TABLE api_keys (
    id         @id,
    user_id    @int  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name       @text NOT NULL,
    name_key   @text NOT NULL,
    hash       @blob NOT NULL UNIQUE,
    created_at @time NOT NULL,
    used_at    @time NOT NULL DEFAULT 0,
    UNIQUE (user_id, name_key)
);
CREATE TABLE devices (
    id              @id,
    host_name       @text NOT NULL,
    host_name_key   @text NOT NULL UNIQUE,
    nickname        @text NOT NULL DEFAULT '',
    nickname_key    @text NOT NULL DEFAULT '',
    default_user_id @int REFERENCES users (id) ON DELETE SET NULL,
    key_hash        @blob NOT NULL UNIQUE,
    last_seen       @time NOT NULL DEFAULT 0,
    updated_by      @int  NOT NULL,
    updated_at      @time NOT NULL
);
CREATE INDEX devices_default_user ON devices (default_user_id);
CREATE TABLE guesses ( -- failed sign-ins (keyturn-api 2.4): kind 'pair' (user and address), 'user', 'address'
    kind       @text NOT NULL CHECK (kind IN ('pair', 'user', 'address')),
    who        @text NOT NULL,
    failures   @int  NOT NULL,
    first_at   @time NOT NULL,
    last_at    @time NOT NULL,
    wait_until @time NOT NULL,
    PRIMARY KEY (kind, who)
);
CREATE INDEX guesses_last ON guesses (last_at);
CREATE TABLE known_addresses ( -- from where a user has signed in
    user_id @int  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address @text NOT NULL,
    last_at @time NOT NULL,
    PRIMARY KEY (user_id, address)
);

-- vault ---------------------------------------------------------------------------------------------------------------

CREATE TABLE lockers (
    id              @id,
    name            @text NOT NULL,
    name_key        @text NOT NULL UNIQUE,
    description     @text NOT NULL,
    description_key @text NOT NULL,
    version         @int  NOT NULL DEFAULT 0,
    created_by      @int  NOT NULL,
    created_at      @time NOT NULL,
    updated_by      @int  NOT NULL,
    updated_at      @time NOT NULL
);
CREATE INDEX lockers_created ON lockers (created_at, id);
CREATE TABLE locker_members (
    locker_id  @int  NOT NULL REFERENCES lockers (id) ON DELETE CASCADE,
    user_id    @int  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    permission @text NOT NULL CHECK (permission IN ('own', 'manage', 'participate')),
    PRIMARY KEY (locker_id, user_id)
);
CREATE INDEX locker_members_user ON locker_members (user_id, locker_id);
CREATE TABLE locker_consumers (
    locker_id @int NOT NULL REFERENCES lockers (id) ON DELETE CASCADE,
    role_id   @int NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    PRIMARY KEY (locker_id, role_id)
);
CREATE INDEX locker_consumers_role ON locker_consumers (role_id, locker_id);
CREATE TABLE credentials (
    id              @id,
    name            @text NOT NULL,
    name_key        @text NOT NULL UNIQUE,
    description     @text NOT NULL,
    description_key @text NOT NULL,
    owner_id        @int  NOT NULL REFERENCES users (id),
    locker_id       @int REFERENCES lockers (id) ON DELETE SET NULL,
    version         @int  NOT NULL DEFAULT 0,
    created_by      @int  NOT NULL,
    created_at      @time NOT NULL,
    updated_by      @int  NOT NULL,
    updated_at      @time NOT NULL
);
CREATE INDEX credentials_owner ON credentials (owner_id, id);
CREATE INDEX credentials_locker ON credentials (locker_id, id);
CREATE INDEX credentials_created ON credentials (created_at, id);
CREATE INDEX credentials_updated ON credentials (updated_at, id);
CREATE TABLE attributes (
    id            @id,
    credential_id @int  NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    name          @text NOT NULL,
    name_key      @text NOT NULL,
    description   @text NOT NULL,
    user_provided @flag NOT NULL,
    masked        @flag NOT NULL,
    password_flag @flag NOT NULL,
    version       @int  NOT NULL DEFAULT 0,
    created_by    @int  NOT NULL,
    created_at    @time NOT NULL,
    updated_by    @int  NOT NULL,
    updated_at    @time NOT NULL,
    UNIQUE (credential_id, name_key)
);
CREATE TABLE attribute_values ( -- sealed at (attribute_values, "value/<user_id>", attribute_id, seal_version)
    id           @id,
    attribute_id @int  NOT NULL REFERENCES attributes (id) ON DELETE CASCADE,
    user_id      @int  NOT NULL, -- 0: the standard value
    sealed       @blob NOT NULL,
    seal_version @int  NOT NULL,
    kept_by      @int  NOT NULL DEFAULT 0, -- whoever else keeps this value (a link); opaque here. Not 0: cannot be written by hand
    version      @int  NOT NULL DEFAULT 0,
    created_by   @int  NOT NULL,
    created_at   @time NOT NULL,
    updated_by   @int  NOT NULL,
    updated_at   @time NOT NULL,
    UNIQUE (attribute_id, user_id)
);
CREATE INDEX attribute_values_user ON attribute_values (user_id);
CREATE TABLE auto_logins ( -- sealed at (auto_logins, "password", user_id, version)
    user_id    @int  NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    login_name @text NOT NULL,
    sealed     @blob NOT NULL,
    kept_by    @int  NOT NULL DEFAULT 0,
    version    @int  NOT NULL DEFAULT 0,
    created_by @int  NOT NULL,
    created_at @time NOT NULL,
    updated_by @int  NOT NULL,
    updated_at @time NOT NULL
);

-- accounts ------------------------------------------------------------------------------------------------------------

CREATE TABLE workgroups (
    id       @id,
    name     @text NOT NULL,
    name_key @text NOT NULL UNIQUE
);
CREATE TABLE assets (
    id               @id,
    workgroup_id     @int  NOT NULL REFERENCES workgroups (id),
    name             @text NOT NULL,
    name_key         @text NOT NULL,
    ip_address       @text NOT NULL,
    dns_name         @text NOT NULL DEFAULT '',
    domain_name      @text NOT NULL DEFAULT '',
    mac_address      @text NOT NULL DEFAULT '',
    asset_type       @text NOT NULL DEFAULT '',
    description      @text NOT NULL DEFAULT '',
    operating_system @text NOT NULL DEFAULT '',
    dns_name_key     @text NOT NULL DEFAULT '', -- what a search compares
    domain_name_key  @text NOT NULL DEFAULT '',
    mac_address_key  @text NOT NULL DEFAULT '',
    asset_type_key   @text NOT NULL DEFAULT '',
    created_at       @time NOT NULL,
    updated_at       @time NOT NULL,
    UNIQUE (workgroup_id, name_key)
);
CREATE TABLE password_rules (
    id               @int  NOT NULL PRIMARY KEY,
    name             @text NOT NULL,
    name_key         @text NOT NULL UNIQUE,
    description      @text NOT NULL DEFAULT '',
    min_length       @int  NOT NULL,
    max_length       @int  NOT NULL,
    first            @text NOT NULL,
    lowercase        @text NOT NULL,
    uppercase        @text NOT NULL,
    numeric          @text NOT NULL,
    symbol           @text NOT NULL,
    lowercase_set    @text,
    uppercase_set    @text,
    symbol_set       @text,
    enabled_products @int  NOT NULL
);
CREATE TABLE functional_accounts ( -- sealed at (functional_accounts, "password"…, id, secret_version)
    id                @id,
    platform_id       @int  NOT NULL,
    domain_name       @text NOT NULL DEFAULT '',
    account_name      @text NOT NULL,
    display_name      @text NOT NULL,
    display_name_key  @text NOT NULL,
    description       @text NOT NULL DEFAULT '',
    elevation_command @text NOT NULL DEFAULT '',
    secret_version    @int  NOT NULL DEFAULT 1,
    password          @blob,
    private_key       @blob,
    passphrase        @blob,
    UNIQUE (platform_id, display_name_key)
);
CREATE TABLE managed_systems (
    id                          @id,
    workgroup_id                @int  NOT NULL REFERENCES workgroups (id),
    asset_id                    @int  NOT NULL UNIQUE REFERENCES assets (id),
    name                        @text NOT NULL, -- SystemName
    name_key                    @text NOT NULL,
    host_name                   @text NOT NULL,
    ip_address                  @text NOT NULL DEFAULT '',
    dns_name                    @text NOT NULL DEFAULT '',
    platform_id                 @int  NOT NULL,
    contact_email               @text NOT NULL DEFAULT '',
    description                 @text NOT NULL DEFAULT '',
    port                        @int,
    timeout_s                   @int  NOT NULL DEFAULT 30,
    ssh_key_enforcement         @int  NOT NULL DEFAULT 0 CHECK (ssh_key_enforcement IN (0, 1, 2)),
    password_rule_id            @int  NOT NULL DEFAULT 0 REFERENCES password_rules (id),
    dss_key_rule_id             @int  NOT NULL DEFAULT 0,
    release_duration            @int  NOT NULL DEFAULT 120,
    max_release_duration        @int  NOT NULL DEFAULT 525600,
    isa_release_duration        @int  NOT NULL DEFAULT 120,
    auto_management             @flag NOT NULL DEFAULT 0,
    functional_account_id       @int REFERENCES functional_accounts (id),
    elevation_command           @text NOT NULL DEFAULT '',
    check_password              @flag NOT NULL DEFAULT 0,
    change_after_release        @flag NOT NULL DEFAULT 0,
    reset_on_mismatch           @flag NOT NULL DEFAULT 0,
    change_frequency_type       @text NOT NULL DEFAULT 'first' CHECK (change_frequency_type IN ('first', 'last', 'xdays')),
    change_frequency_days       @int  NOT NULL DEFAULT 30,
    change_time                 @text NOT NULL DEFAULT '23:30',
    UNIQUE (workgroup_id, name_key)
);
CREATE INDEX managed_systems_name ON managed_systems (name_key);
CREATE INDEX managed_systems_functional ON managed_systems (functional_account_id);
CREATE TABLE managed_accounts (
    id                          @id,
    system_id                   @int REFERENCES managed_systems (id) ON DELETE SET NULL, -- NULL: deleted together with its system
    domain_name                 @text NOT NULL DEFAULT '',
    name                        @text NOT NULL,
    name_key                    @text NOT NULL,
    distinguished_name          @text NOT NULL DEFAULT '',
    user_principal_name         @text NOT NULL DEFAULT '',
    sam_account_name            @text NOT NULL DEFAULT '',
    password_fallback           @flag NOT NULL DEFAULT 0,
    login_account               @flag NOT NULL DEFAULT 0,
    description                 @text NOT NULL DEFAULT '',
    password_rule_id            @int  NOT NULL DEFAULT 0 REFERENCES password_rules (id),
    api_enabled                 @flag NOT NULL DEFAULT 0,
    release_notification_email  @text NOT NULL DEFAULT '',
    release_duration            @int  NOT NULL DEFAULT 120,
    max_release_duration        @int  NOT NULL DEFAULT 525600,
    isa_release_duration        @int  NOT NULL DEFAULT 120,
    max_concurrent_requests     @int  NOT NULL DEFAULT 1,
    auto_management             @flag NOT NULL DEFAULT 0,
    dss_auto_management         @flag NOT NULL DEFAULT 0,
    check_password              @flag NOT NULL DEFAULT 0,
    change_after_release        @flag NOT NULL DEFAULT 0,
    reset_on_mismatch           @flag NOT NULL DEFAULT 0,
    change_frequency_type       @text NOT NULL DEFAULT 'first' CHECK (change_frequency_type IN ('first', 'last', 'xdays')),
    change_frequency_days       @int  NOT NULL DEFAULT 30,
    change_time                 @text NOT NULL DEFAULT '23:30',
    use_own_credentials         @flag NOT NULL DEFAULT 0,
    workgroup_id                @int,
    next_change_at              @time NOT NULL DEFAULT 0, -- 0: none
    last_change_at              @time NOT NULL DEFAULT 0,
    -- what is known about it (keyturn-api 5); written by rotation/ only
    state                       @text NOT NULL DEFAULT 'unverified' CHECK (state IN ('proved', 'unverified', 'mismatch', 'drift')),
    proof                       @text NOT NULL DEFAULT '' CHECK (proof IN ('', 'login', 'compare', 'none')),
    current_version             @int  NOT NULL DEFAULT 0, -- 0: no credential yet
    last_version                @int  NOT NULL DEFAULT 0,
    last_verified_at            @time NOT NULL DEFAULT 0,
    last_read_at                @time NOT NULL DEFAULT 0,
    deleted_at                  @time NOT NULL DEFAULT 0,
    UNIQUE (system_id, name_key, deleted_at)
);
CREATE INDEX managed_accounts_next_change ON managed_accounts (next_change_at, id);
CREATE INDEX managed_accounts_name ON managed_accounts (name_key);
CREATE TABLE smart_rules ( -- quick rules and the built-in ones
    id            @id,
    title         @text NOT NULL,
    title_key     @text NOT NULL UNIQUE,
    description   @text NOT NULL DEFAULT '',
    category      @text NOT NULL DEFAULT 'Quick Rules',
    rule_type     @text NOT NULL CHECK (rule_type IN ('ManagedAccount', 'ManagedSystem', 'Asset')),
    kind          @text NOT NULL CHECK (kind IN ('all', 'quick')),
    processed_at  @time NOT NULL
);
CREATE TABLE smart_rule_members ( -- of quick rules: a managed account's or a managed system's id
    rule_id   @int NOT NULL REFERENCES smart_rules (id) ON DELETE CASCADE,
    member_id @int NOT NULL,
    PRIMARY KEY (rule_id, member_id)
);
CREATE INDEX smart_rule_members_member ON smart_rule_members (member_id, rule_id);
CREATE TABLE rule_access ( -- a user group's access to a rule
    role_id          @int NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    rule_id          @int NOT NULL REFERENCES smart_rules (id) ON DELETE CASCADE,
    level            @int NOT NULL CHECK (level IN (0, 1, 3)),
    access_policy_id @int NOT NULL DEFAULT 0,
    PRIMARY KEY (role_id, rule_id)
);
CREATE TABLE rule_roles ( -- and the roles on it (passwordsafe-api 4.4)
    role_id   @int NOT NULL,
    rule_id   @int NOT NULL,
    rule_role @int NOT NULL CHECK (rule_role BETWEEN 1 AND 9),
    PRIMARY KEY (role_id, rule_id, rule_role),
    FOREIGN KEY (role_id, rule_id) REFERENCES rule_access (role_id, rule_id) ON DELETE CASCADE
);
CREATE TABLE access_policies (
    id             @id,
    name           @text NOT NULL,
    name_key       @text NOT NULL UNIQUE,
    description    @text NOT NULL DEFAULT '',
    require_reason @flag NOT NULL DEFAULT 0,
    min_approvers  @int  NOT NULL DEFAULT 0,
    max_concurrent @int  NOT NULL DEFAULT 1
);
CREATE TABLE requests (
    id                @id,
    user_id           @int  NOT NULL REFERENCES users (id),
    account_id        @int  NOT NULL REFERENCES managed_accounts (id),
    kind              @text NOT NULL CHECK (kind IN ('request', 'isa')),
    access_type       @text NOT NULL,
    reason            @text NOT NULL DEFAULT '',
    status            @text NOT NULL CHECK (status IN ('Pending', 'Active', 'Denied', 'Cancelled', 'Expired', 'CheckedIn')),
    min_approvers     @int  NOT NULL,
    duration_minutes  @int  NOT NULL,
    rotate_on_checkin @flag NOT NULL DEFAULT 1,
    was_released      @flag NOT NULL DEFAULT 0,
    created_at        @time NOT NULL,
    approved_at       @time NOT NULL DEFAULT 0,
    ends_at           @time NOT NULL,
    ended_at          @time NOT NULL DEFAULT 0,
    is_settled        @flag NOT NULL DEFAULT 0 -- what its end starts (change after release) has been started
);
CREATE INDEX requests_user ON requests (user_id, id);
CREATE INDEX requests_account ON requests (account_id, status);
CREATE INDEX requests_open ON requests (status, ends_at);
CREATE INDEX requests_unsettled ON requests (is_settled, ends_at);
CREATE TABLE request_approvals (
    request_id @int NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    user_id    @int NOT NULL,
    at         @time NOT NULL,
    PRIMARY KEY (request_id, user_id)
);

-- rotation ------------------------------------------------------------------------------------------------------------

CREATE TABLE versions ( -- sealed at (versions, part, account_id, number)
    account_id     @int  NOT NULL REFERENCES managed_accounts (id),
    number         @int  NOT NULL,
    standing       @text NOT NULL CHECK (standing IN ('pending', 'current', 'previous', 'retired')),
    password       @blob,
    private_key    @blob,
    passphrase     @blob,
    public_key     @text NOT NULL DEFAULT '',
    key_is_ours    @flag NOT NULL DEFAULT 0, -- we installed the public key, so we may remove it
    is_last_proved @flag NOT NULL DEFAULT 0,
    proved_by      @text NOT NULL DEFAULT '' CHECK (proved_by IN ('', 'login', 'compare')),
    proved_at      @time NOT NULL DEFAULT 0,
    made_by        @int  NOT NULL,
    made_at        @time NOT NULL,
    PRIMARY KEY (account_id, number)
);
CREATE TABLE jobs (
    id            @id,
    kind          @text NOT NULL CHECK (kind IN ('change', 'test', 'check', 'system', 'audit')),
    state         @text NOT NULL CHECK (state IN ('queued', 'prepared', 'applying', 'verifying', 'resolving',
                                                  'done', 'refused', 'drift', 'abandoned', 'dropped')),
    is_open       @flag NOT NULL, -- queued to resolving
    trigger_kind  @text NOT NULL CHECK (trigger_kind IN ('caller', 'schedule', 'release', 'mismatch', 'unlink', 'breakGlass')),
    is_queued     @flag NOT NULL, -- asked for in the background: retried when refused
    account_id    @int NOT NULL DEFAULT 0,
    system_id     @int NOT NULL DEFAULT 0,
    parent_id     @int NOT NULL DEFAULT 0, -- the 'system' job it belongs to
    made_by       @int  NOT NULL,
    created_at    @time NOT NULL,
    version       @int NOT NULL DEFAULT 0, -- the candidate
    parts         @text NOT NULL DEFAULT '', -- what changes on the target: "password", "key", "password key"
    sent_at       @time NOT NULL DEFAULT 0, -- APPLYING was entered: from here on a byte may be on the target
    fence         @text NOT NULL DEFAULT '', -- how long the attempt under way may still act: "timeout 6"
    attempt       @int  NOT NULL DEFAULT 0,
    refusals      @int  NOT NULL DEFAULT 0, -- counted retries (passwordsafe-api 8.4)
    epoch         @int  NOT NULL DEFAULT 0, -- of the lease; a result recorded under another epoch is refused
    leased_until  @time NOT NULL DEFAULT 0,
    next_try_at   @time NOT NULL,
    put_off_since @time NOT NULL DEFAULT 0,
    settled_at    @time NOT NULL DEFAULT 0,
    success       @flag NOT NULL DEFAULT 0,
    reason_code   @text NOT NULL DEFAULT '',
    reason        @text NOT NULL DEFAULT '',
    skipped       @text NOT NULL DEFAULT '' -- of a 'system' job, one "account: why" per line
);
CREATE INDEX jobs_due ON jobs (is_open, next_try_at, id);
CREATE INDEX jobs_account ON jobs (account_id, is_open, id);
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_parent ON jobs (parent_id, state);
CREATE UNIQUE INDEX jobs_one_change ON jobs (account_id) WHERE is_open = 1 AND kind = 'change';
CREATE TABLE job_steps (
    id     @id,
    job_id @int  NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    at     @time NOT NULL,
    step   @text NOT NULL,
    is_ok  @flag NOT NULL,
    text   @text NOT NULL DEFAULT ''
);
CREATE INDEX job_steps_job ON job_steps (job_id, id);
CREATE TABLE host_keys (
    id        @id,
    system_id @int  NOT NULL REFERENCES managed_systems (id) ON DELETE CASCADE,
    type      @text NOT NULL,
    sha256    @text NOT NULL,
    state     @text NOT NULL CHECK (state IN ('pinned', 'approved', 'seen')),
    seen_at   @time NOT NULL,
    made_by   @int  NOT NULL,
    UNIQUE (system_id, type, sha256)
);
CREATE TABLE login_budgets ( -- failed logins that we caused (design 1, I4)
    account_id @int  NOT NULL PRIMARY KEY,
    failures   @int  NOT NULL,
    window_at  @time NOT NULL
);
CREATE TABLE links (
    id           @id,
    account_id   @int  NOT NULL REFERENCES managed_accounts (id),
    part         @text NOT NULL CHECK (part IN ('password', 'username', 'privatekey', 'passphrase')),
    attribute_id @int  NOT NULL DEFAULT 0, -- the end: an attribute, or
    user_id      @int  NOT NULL DEFAULT 0, -- a user's auto-login
    release      @text NOT NULL CHECK (release IN ('consumers', 'none')),
    state        @text NOT NULL CHECK (state IN ('offered', 'active', 'suspended')),
    needs_approval @flag NOT NULL DEFAULT 0,
    may_replace  @flag NOT NULL DEFAULT 0,
    offered_by   @int  NOT NULL,
    offered_at   @time NOT NULL,
    accepted_by  @int  NOT NULL DEFAULT 0,
    accepted_at  @time NOT NULL DEFAULT 0,
    approved_by  @int  NOT NULL DEFAULT 0,
    version      @int  NOT NULL DEFAULT 0, -- of the account, that the end holds
    turned_at    @time NOT NULL DEFAULT 0,
    last_read_at @time NOT NULL DEFAULT 0,
    mac          @blob NOT NULL,
    UNIQUE (attribute_id, user_id)
);
CREATE INDEX links_account ON links (account_id, id);
CREATE INDEX links_user ON links (user_id);

-- audit ---------------------------------------------------------------------------------------------------------------

CREATE TABLE audit_rows (
    id              @id,
    server          @text NOT NULL,
    number          @int  NOT NULL,
    at              @time NOT NULL,
    what            @text NOT NULL,
    is_success      @flag NOT NULL,
    user_id         @int  NOT NULL,
    user_name       @text NOT NULL,
    user_name_key   @text NOT NULL,
    address         @text NOT NULL,
    source          @text NOT NULL,
    request_id      @text NOT NULL,
    object_kind     @text NOT NULL,
    object_id       @int  NOT NULL,
    object_name     @text NOT NULL,
    object_name_key @text NOT NULL,
    account_id      @int  NOT NULL,
    detail          @text NOT NULL,
    hash            @blob NOT NULL,
    UNIQUE (server, number)
);
CREATE INDEX audit_rows_at ON audit_rows (at, id);
CREATE INDEX audit_rows_account ON audit_rows (account_id, id);
CREATE INDEX audit_rows_user ON audit_rows (user_name_key, id);
CREATE TABLE audit_heads ( -- sealed at (audit_heads, "head", number, 0); NULL while the vault is sealed
    server     @text NOT NULL PRIMARY KEY,
    number     @int  NOT NULL,
    hash       @blob NOT NULL,
    sealed     @blob,
    sealed_number @int NOT NULL DEFAULT 0, -- the head at which `sealed` was made
    at         @time NOT NULL
);
CREATE TABLE audit_checkpoints (
    id         @id,
    at         @time NOT NULL,
    heads      @text NOT NULL,
    signature  @blob NOT NULL,
    public_key @blob NOT NULL
);
