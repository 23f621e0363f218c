/* api/keyturn/jobs.c: jobs, and trying one again now (keyturn-api 4). */
#include "accounts/account.h"
#include "api/keyturn/job_view.h"
#include "api/keyturn/list.h"
#include "rotation/job.h"
#include "rotation/rotation.h"

struct progress {
    int64_t done, total;
};
static const struct field progress_fields[] = {
    INT("done", struct progress, done),
    INT("total", struct progress, total),
    FIELD_END,
};
static const struct field step_fields[] = {
    TIME("at", struct job_step, at, .format = TIME_Z_MILLI),
    TEXT("step", struct job_step, step),
    FLAG("ok", struct job_step, is_ok),
    TEXT("text", struct job_step, text),
    FIELD_END,
};

struct job_view {
    struct job job; /* first: its id is what pages count by */
    struct progress *progress;
    struct list skipped, steps;
};
#define JOB_ROWS                                                                                                       \
    ID("id", struct job_view, job.id), TEXT("kind", struct job_view, job.kind),                                        \
        TEXT("state", struct job_view, job.state),                                                                     \
        ID("accountId", struct job_view, job.account_id, .null_when_empty = true),                                     \
        ID("systemId", struct job_view, job.system_id, .null_when_empty = true),                                       \
        TEXT("systemName", struct job_view, job.system_name, .null_when_empty = true),                                 \
        TEXT("accountName", struct job_view, job.account_name, .null_when_empty = true),                               \
        TEXT("trigger", struct job_view, job.trigger), ID("by", struct job_view, job.made_by),                         \
        TIME("createdAt", struct job_view, job.created_at, .format = TIME_Z_MILLI),                                    \
        INT("attempt", struct job_view, job.attempt),                                                                  \
        TIME("nextTryAt", struct job_view, job.next_try_at, .format = TIME_Z_MILLI),                                   \
        TEXT("reason", struct job_view, job.reason),                                                                   \
        OBJECT("progress", struct job_view, progress, struct progress, progress_fields),                               \
        TEXTS("skipped", struct job_view, skipped)

static const struct field listed_fields[] = {JOB_ROWS, FIELD_END};
const struct field job_fields[] = {
    JOB_ROWS,
    LIST("steps", struct job_view, steps, struct job_step, step_fields),
    FIELD_END,
};
static const struct field job_page_fields[] = {ITEM_PAGE(struct job_view, listed_fields)};

static bool sees_all(const struct caller *who)
{
    return rights_have(&who->rights, ACCOUNT_MANAGEMENT, LEVEL_READ);
}

static struct list lines_of(struct arena *a, struct str text)
{
    size_t most = 1;
    for (size_t i = 0; i < text.n; i++)
        most += text.p[i] == '\n';
    struct str *lines = arena_array(a, struct str, most);
    struct list found = {.at = lines};
    while (str_is_set(text)) {
        struct str line = str_cut(&text, '\n');
        if (line.n)
            lines[found.n++] = line;
    }
    return found;
}

/* Who has made a job may see how it goes; what the target said, and which accounts a system has, is for holders of
 * Account Management. */
static result view_of(struct call *c, const struct job *j, struct job_view *ret, struct err *e)
{
    struct progress *progress = arena_new_of(c->arena, struct progress);
    TRY(job_progress(c->db, c->arena, j, &progress->done, &progress->total, e));
    *ret = (struct job_view){.job = *j, .progress = progress};
    if (!j->is_open)
        ret->job.next_try_at = 0;
    if (sees_all(&c->who)) {
        ret->skipped = lines_of(c->arena, j->skipped);
        return SUCCESS;
    }
    ret->job.reason = S("");
    if (j->parent_id)
        ret->job.account_name = S("");
    return SUCCESS;
}

result job_reply(struct call *c, const struct job *j, struct err *e)
{
    struct job_view v;
    struct job_step *steps;
    size_t n;
    TRY(view_of(c, j, &v, e));
    TRY(job_steps(c->db, c->arena, j->id, &steps, &n, e));
    for (size_t i = 0; i < n && !sees_all(&c->who); i++)
        steps[i].text = S("");
    v.steps = (struct list){.at = steps, .n = n};
    reply_object(c, job_fields, &v);
    return SUCCESS;
}

result job_of_call(struct call *c, bool may_see_any, struct job *ret, struct err *e)
{
    int64_t id;
    TRY(call_id(c, 0, "Job", &id, e));
    TRY(job_get(c->db, c->arena, id, ret, e));
    if (!may_see_any && !sees_all(&c->who) && ret->made_by != c->who.user_id)
        return FAIL(e, NOT_FOUND, "Job not found");
    call_object(c, "job", id, STR_ABSENT);
    call_account(c, ret->account_id);
    return SUCCESS;
}

static result job_show(struct call *c, struct err *e)
{
    struct job j;
    TRY(job_of_call(c, false, &j, e));
    return job_reply(c, &j, e);
}

static const char *const states[] = {"open", "queued",  "prepared", "applying",  "verifying", "resolving",
                                     "done", "refused", "drift",    "abandoned", "dropped",   NULL};
static const char *const kinds[] = {"change", "test", "check", "system", "rule", "audit", "push", "propagate", NULL};
struct job_query {
    struct paging paging;
    struct str state, kind;
    int64_t account_id, system_id;
};
static const struct field job_query_fields[] = {
    PAGING_ROWS(struct job_query, paging),
    TEXT("state", struct job_query, state, .words = states, .doc = "One state, or open"),
    TEXT("kind", struct job_query, kind, .words = kinds),
    ID("accountId", struct job_query, account_id),
    ID("systemId", struct job_query, system_id),
    FIELD_END,
};

static result job_search(struct call *c, struct err *e)
{
    const void *query;
    struct job *found;
    size_t n;
    TRY(call_query(c, &query, e));
    const struct job_query *q = query;
    struct job_filter f = {.state = q->state,
                           .kind = q->kind,
                           .account_id = q->account_id,
                           .system_id = q->system_id,
                           .made_by = sees_all(&c->who) ? 0 : c->who.user_id,
                           .before_id = q->paging.after,
                           .limit = q->paging.limit + 1};
    TRY(job_list(c->db, c->arena, &f, &found, &n, e));
    struct job_view *views = arena_array(c->arena, struct job_view, n);
    for (size_t i = 0; i < n; i++)
        TRY(view_of(c, &found[i], &views[i], e));
    struct item_page page = item_page_of(c, &q->paging, true, views, sizeof *views, n);
    reply_object(c, job_page_fields, &page);
    return SUCCESS;
}

static result retry(struct call *c, struct err *e)
{
    struct job j;
    TRY(job_of_call(c, false, &j, e));
    TRY(job_retry(c->db, &j, c->now, e));
    TRY(job_get(c->db, c->arena, j.id, &j, e));
    call_after_commit(c, rotation_wake, c->service->rotation);
    return job_reply(c, &j, e);
}

const struct endpoint job_endpoints[] = {
    {HTTP_GET, "/jobs", SIGNED_IN, SEARCHES, UNRECORDED, "Jobs, newest first; without Account Management one's own",
     NO_BODY, job_search, .query = job_query_fields, .query_size = sizeof(struct job_query), .reply = job_page_fields},
    {HTTP_GET, "/jobs/{id}", SIGNED_IN, READS, UNRECORDED, "Show a job and its steps", NO_BODY, job_show,
     .reply = job_fields, .object = "job"},
    {HTTP_POST, "/jobs/{id}/retry", MAY(ACCOUNT_MANAGEMENT), WRITES, "job.retry", "The job's next try is now", NO_BODY,
     retry, .reply = job_fields, .object = "job"},
    {0},
};
