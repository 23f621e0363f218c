/* rotation/follower.c: the ends on other servers, as rows; and what is to be pushed to them. */
#include "rotation/follower.h"

#include "accounts/platform.h"
#include "base/text.h"
#include "rotation/job.h"

static struct str end_key(struct arena *a, struct str user, struct str credential, struct str attribute)
{
    struct str keys[] = {text_key(a, user), text_key(a, credential), text_key(a, attribute)};
    return arena_printf(a, "%zu:%.*s%zu:%.*s%.*s", keys[0].n, STR_ARG(keys[0]), keys[1].n, STR_ARG(keys[1]),
                        STR_ARG(keys[2]));
}

result follower_check(struct db *db, struct arena *a, const struct link *l, struct err *e)
{
    struct managed_system s;
    TRY(system_get(db, a, l->far.system_id, &s, e));
    if (s.platform_id != PLATFORM_CONTROL_ROOM)
        return FAIL(e, INVALID, "end: followerSystemId is not a managed system of the platform Control Room");
    if (!s.functional_account_id.is_set)
        return FAIL(e, CONFLICT, "The managed system has no functional account to sign in with");
    if (l->far.user.n && !str_equal(l->part, S("password")))
        return FAIL(e, INVALID, "part: an auto-login takes the password");
    if (!str_equal(l->release, S("consumers")))
        return FAIL(e, INVALID, "release: who may read there is the other server's to say; give consumers");
    return SUCCESS;
}

result follower_make(struct db *db, struct arena *a, const struct link_offer *o, int64_t *ret_id, struct err *e)
{
    const struct far_end *f = &o->far;
    struct managed_system s;
    TRY(system_get(db, a, f->system_id, &s, e));
    return db_insert(
        db,
        SQL("INSERT INTO followers (system_id, user_name, credential_name, attribute_name, end_key) VALUES "
            "($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id",
            P_INT(f->system_id), P_TEXT(f->user), P_TEXT(f->credential), P_TEXT(f->attribute),
            P_TEXT(end_key(a, f->user, f->credential, f->attribute))),
        ret_id, "This end has a link already", e);
}

result follower_find(struct db *db, struct arena *a, const struct link_offer *o, int64_t *ret_link_id, struct err *e)
{
    const struct far_end *f = &o->far;
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT l.id FROM followers f JOIN links l ON l.attribute_id = -f.id AND l.user_id = 0 WHERE "
                     "f.system_id = $1 AND f.end_key = $2",
                     P_INT(f->system_id), P_TEXT(end_key(a, f->user, f->credential, f->attribute))),
                 &r, e));
    *ret_link_id = r.n ? row_int(&r, 0, 0) : 0;
    return SUCCESS;
}

/* ---- jobs ---- */

/* What a job before it sent, and nobody answered, may still arrive: it goes on as if it had sent that itself. */
static result take_over_unsure(struct db *db, int64_t follower_id, int64_t job_id, int64_t now, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE jobs SET sent_at = (SELECT CASE WHEN f.unsure_since > $3 THEN $3 ELSE f.unsure_since END "
                      "FROM followers f WHERE f.id = $2) WHERE id = $1",
                      P_INT(job_id), P_INT(follower_id), P_INT(now)),
                  e);
}

static result queue(struct db *db, const struct link *l, int64_t now, struct err *e)
{
    int64_t hurried = 0, id;
    TRY(db_run_counting(db,
                        SQL("UPDATE jobs SET next_try_at = $2 WHERE is_open = 1 AND id = (SELECT job_id FROM followers "
                            "WHERE id = $1)",
                            P_INT(l->far.id), P_INT(now)),
                        &hurried, e));
    if (hurried)
        return SUCCESS;
    struct job j = {.kind = S("push"),
                    .state = S("queued"),
                    .trigger = S("turn"),
                    .is_queued = true,
                    .account_id = l->account_id,
                    .system_id = l->far.system_id,
                    .parts = l->part};
    TRY(job_insert(db, &j, now, &id, e));
    TRY(take_over_unsure(db, l->far.id, id, now, e));
    return db_run(
        db, SQL("UPDATE followers SET job_id = $2, unsure_since = 0 WHERE id = $1", P_INT(l->far.id), P_INT(id)), e);
}

result follower_turn(struct db *db, const struct link *l, int64_t now, struct err *e)
{
    TRY(db_run(db,
               SQL("UPDATE followers SET behind_since = CASE WHEN behind_since = 0 THEN $2 ELSE behind_since END "
                   "WHERE id = $1",
                   P_INT(l->far.id), P_INT(now)),
               e));
    return str_equal(l->state, S("active")) ? queue(db, l, now, e) : SUCCESS;
}

static result turn_each(struct db *db, struct arena *a, const struct rows *ids, int64_t now, struct err *e)
{
    for (size_t i = 0; i < ids->n; i++) {
        struct link_row row;
        TRY(link_load(db, a, row_int(ids, i, 0), &row, e));
        if (!str_equal(row.link.state, S("offered")))
            TRY(follower_turn(db, &row.link, now, e));
    }
    return SUCCESS;
}

result follower_turn_all(struct db *db, struct arena *a, int64_t now, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT l.id FROM followers f JOIN links l ON l.attribute_id = -f.id AND l.user_id = 0"),
                 &r, e));
    return turn_each(db, a, &r, now, e);
}

result link_push_anew(struct db *db, struct arena *a, int64_t system_id, int64_t now, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a,
                 SQL("SELECT l.id FROM followers f JOIN links l ON l.attribute_id = -f.id AND l.user_id = 0 WHERE "
                     "f.system_id = $1",
                     P_INT(system_id)),
                 &r, e));
    return turn_each(db, a, &r, now, e);
}

/* A push that may still arrive, or is to be sent once more because one may: whatever comes next has to know. Until
 * then nobody knows what stands there. */
static result keep_unsure(struct db *db, const struct link *l, int64_t now, struct err *e)
{
    return db_run(db,
                  SQL("UPDATE followers SET behind_since = CASE WHEN behind_since = 0 THEN $2 ELSE behind_since END, "
                      "unsure_since = (SELECT CASE WHEN j.sent_at > 0 THEN j.sent_at ELSE $2 END FROM jobs j WHERE "
                      "j.id = followers.job_id) WHERE id = $1 AND job_id IN (SELECT j.id FROM jobs j WHERE j.is_open "
                      "= 1 AND j.id = job_id AND (j.sent_at > 0 OR j.reason_code = 'confirm'))",
                      P_INT(l->far.id), P_INT(now)),
                  e);
}

/* Sent or not: its epoch moves, so that whoever holds it records nothing any more. */
result follower_stop(struct db *db, const struct link *l, const char *why, int64_t now, struct err *e)
{
    TRY(keep_unsure(db, l, now, e));
    TRY(db_run(db,
               SQL("UPDATE jobs SET state = 'dropped', is_open = 0, epoch = epoch + 1, leased_until = 0, settled_at = "
                   "$2, reason_code = 'dropped', reason = $3 WHERE is_open = 1 AND id = (SELECT job_id FROM followers "
                   "WHERE id = $1)",
                   P_INT(l->far.id), P_INT(now), P_TEXT(str_of(why))),
               e));
    return db_run(db, SQL("UPDATE followers SET job_id = 0 WHERE id = $1", P_INT(l->far.id)), e);
}

result follower_forget(struct db *db, const struct link *l, int64_t now, struct err *e)
{
    TRY(follower_stop(db, l, "the link has ended", now, e));
    return db_run(db, SQL("DELETE FROM followers WHERE id = $1", P_INT(l->far.id)), e);
}

result follower_of_job(struct db *db, struct arena *a, int64_t job_id, struct link_row *ret, struct err *e)
{
    struct rows r;
    *ret = (struct link_row){0};
    TRY(db_query(db, a,
                 SQL("SELECT l.id FROM followers f JOIN links l ON l.attribute_id = -f.id AND l.user_id = 0 WHERE "
                     "f.job_id = $1",
                     P_INT(job_id)),
                 &r, e));
    return r.n ? link_load(db, a, row_int(&r, 0, 0), ret, e) : SUCCESS;
}

result link_may_delete_system(struct db *db, struct arena *a, int64_t system_id, struct err *e)
{
    struct rows r;
    TRY(db_query(db, a, SQL("SELECT COUNT(*) FROM followers WHERE system_id = $1", P_INT(system_id)), &r, e));
    if (row_int(&r, 0, 0))
        return FAIL(e, CONFLICT, "%" PRId64 " links push to this system; unlink first", row_int(&r, 0, 0));
    return SUCCESS;
}
