/* rotation/agent.h: the test agent: what is stored is tried once a day where CheckPasswordFlag says so
 * (passwordsafe-api 8.2), and what follows when it is not the live one. */
#pragma once

#include "rotation/attempt.h"

/* Jobs for the tests that are due now. On the clockwork. */
RESULT agent_tick(struct db *db, struct arena *a, int64_t now, bool *ret_made, struct err *e);
/* This job is such a test: it spends no login that is not needed. */
bool agent_is_asking(const struct job *j);
/* A test was settled, in this transaction. A mismatch starts a change where ResetPasswordOnMismatchFlag says so: once.
 */
RESULT agent_tested(struct db *db, struct attempt *t, bool is_live, int64_t now, struct err *e);
