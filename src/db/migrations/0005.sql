-- The queue in the order of its turns: a claim reads from the front, however many wait (rotation/job_lease.c, TURN_OF_J).
CREATE INDEX jobs_turn ON jobs ((CASE WHEN kind = 'audit' THEN 0 WHEN trigger_kind = 'caller' AND is_queued = 0 THEN 0 WHEN trigger_kind = 'caller' THEN 1 ELSE 2 END), id) WHERE is_open = 1;
-- Without is_open among the columns, which is the same in every row that is looked for.
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (next_try_at, id) WHERE is_open = 1;
