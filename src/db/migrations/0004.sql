-- The change of a functional account's own password (docs/decisions/0010).
ALTER TABLE jobs ADD COLUMN handed_at @time NOT NULL DEFAULT 0; -- of whoever has the lease: secrets have left to its connector; 0: not yet
ALTER TABLE jobs ADD COLUMN turns_functional @int NOT NULL DEFAULT 0; -- the functional account whose own password it changes; 0: none
ALTER TABLE jobs ADD COLUMN signs_in @text NOT NULL DEFAULT ''; -- of such a job: what its last sign-in was made with, 'new' or 'old', and ' denied'
CREATE INDEX jobs_functional ON jobs (turns_functional, id) WHERE is_open = 1 AND turns_functional > 0;
