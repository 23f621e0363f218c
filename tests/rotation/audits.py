"""A comparison with its system, as each account gets one when the store has lost acknowledged commits (rotation/rewound.c)."""
import time

from store import Store


def audit_of(server, account):
    now = int(time.time() * 1e6)
    with Store(server) as db:
        db.execute("INSERT INTO jobs (kind, state, is_open, trigger_kind, is_queued, account_id, system_id, made_by, created_at, next_try_at, server) "
                   "SELECT 'audit', 'queued', 1, 'mismatch', 1, ?, ?, 0, ?, ?, COALESCE(MAX(server), '') FROM jobs", (account.id, account.system_id, now, now))
