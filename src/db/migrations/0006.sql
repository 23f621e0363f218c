-- A change that is owed to an account, whatever for: break-glass was the first reason there was (rotation/owed.h).
ALTER TABLE managed_accounts RENAME COLUMN glass_broken_at TO owed_at; -- since; 0: none
ALTER TABLE managed_accounts ADD COLUMN owed_for @text NOT NULL DEFAULT 'breakGlass'; -- the job's trigger
ALTER TABLE managed_accounts ADD COLUMN owed_after @int NOT NULL DEFAULT 0; -- a later version than this one pays it
-- The last push that may still arrive, although its job was dropped.
ALTER TABLE followers ADD COLUMN unsure_since @time NOT NULL DEFAULT 0;
