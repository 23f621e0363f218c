/* rotation/run_job.c: which code runs which kind of job. */
#include "rotation/attempt.h"

static const struct {
    const char *kind;
    result (*run)(struct attempt *t, struct err *e);
} runs[] = {{"change", run_change}, {"test", run_test}, {"check", run_check},
            {"audit", run_audit},   {"push", run_push}, {"propagate", run_propagate}};

result attempt_run(struct attempt *t, struct err *e)
{
    TRY(attempt_load(t, e));
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        if (str_equal(t->job.kind, str_of(runs[i].kind)))
            return runs[i].run(t, e);
    return FAIL(e, INTERNAL, "job %" PRId64 " is of no kind that is run", t->job.id);
}
