/* api/keyturn/job_view.h: the job that a path names, and a job as an answer. For this folder only. */
#pragma once

#include "api/keyturn/face.h"
#include "rotation/job.h"

/* NOT_FOUND for who may not see it: he has neither Account Management nor made it, and `may_see_any` is false. */
RESULT job_of_call(struct call *c, bool may_see_any, struct job *ret, struct err *e);
RESULT job_reply(struct call *c, const struct job *j, struct err *e);
extern const struct field job_fields[];
