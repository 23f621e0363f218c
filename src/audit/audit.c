/* audit/audit.c: collecting the records of the open group, and chaining them just before COMMIT. */
#include "audit/audit.h"

#include <string.h>

#include "audit/state.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { TEXT_BYTES_MAX = 1000, DETAIL_BYTES_MAX = 64 * 1024, RECORDS_AT_FIRST = 64 };

void audit_begin_group(struct audit *a)
{
    arena_reset(a->group);
    a->records = NULL;
    a->n = a->capacity = 0;
    a->actor = (struct audit_actor){.source = S("server")};
    a->next_end = a->end;
    a->next_sealed_number = a->sealed_number;
    a->next_last_at = a->last_at;
}

void audit_act(struct db *db, struct audit_actor actor)
{
    struct audit *a = db_attachment(db);
    if (a)
        a->actor = actor;
}

void audit_act_as_server(struct db *db)
{
    audit_act(db, (struct audit_actor){
                      .user_name = S("keyturn"), .address = S(""), .request_id = S(""), .source = S("server")});
}

/* A text that the store would refuse would keep the whole group from being recorded. */
static struct str kept(struct audit *a, struct str s, size_t max_bytes)
{
    if (!str_is_set(s))
        return S("");
    struct str start = text_start(s, max_bytes);
    return text_is_utf8(start) ? arena_str(a->group, start) : text_printable(a->group, start, start.n);
}

static struct record *next_record(struct audit *a)
{
    if (a->n == a->capacity) {
        size_t capacity = a->capacity > 0 ? 2 * a->capacity : RECORDS_AT_FIRST;
        struct record *larger = arena_array(a->group, struct record, capacity);
        if (a->n > 0)
            memcpy(larger, a->records, a->n * sizeof(*larger));
        a->records = larger;
        a->capacity = capacity;
    }
    return &a->records[a->n++];
}

void audit_note(struct db *db, const char *what, bool is_success, struct audit_object object, int64_t account_id,
                struct str detail)
{
    struct audit *a = db_attachment(db);
    if (!a)
        die("audit: \"%s\" was noted on a connection that cannot write it", what);
    struct record r = {
        .server = a->server,
        .at = clock_now(),
        .what = kept(a, str_of(what), TEXT_BYTES_MAX),
        .is_success = is_success,
        .user_id = a->actor.user_id,
        .user_name = kept(a, a->actor.user_name, TEXT_BYTES_MAX),
        .address = kept(a, a->actor.address, TEXT_BYTES_MAX),
        .source = kept(a, a->actor.source, TEXT_BYTES_MAX),
        .request_id = kept(a, a->actor.request_id, TEXT_BYTES_MAX),
        .object_kind = kept(a, str_of(object.kind), TEXT_BYTES_MAX),
        .object_id = object.id,
        .object_name = kept(a, object.name, TEXT_BYTES_MAX),
        .account_id = account_id,
        .detail = kept(a, detail, DETAIL_BYTES_MAX),
    };
    r.user_name_key = text_key(a->group, r.user_name);
    r.object_name_key = text_key(a->group, r.object_name);
    *next_record(a) = r;
}

size_t audit_noted(struct db *db)
{
    const struct audit *a = db_attachment(db);
    return a ? a->n : 0;
}

static void cut_to(struct audit *a, size_t to)
{
    if (to > a->n)
        die("audit: cut back to %zu records of %zu", to, a->n);
    a->n = to;
}

void audit_forget_since(struct db *db, size_t noted)
{
    struct audit *a = db_attachment(db);
    if (a)
        cut_to(a, noted);
}

/* ---- what the writer calls ---- */

static size_t mark(struct db *db, void *context)
{
    (void)db;
    struct audit *a = context;
    a->actor = (struct audit_actor){.source = S("server")};
    return a->n;
}

static void cut(struct db *db, size_t to, void *context)
{
    (void)db;
    cut_to(context, to);
}

result audit_before_commit(struct db *db, void *context, struct err *e)
{
    struct audit *a = context;
    TRY(audit_check_seal(a, db, e));
    struct chain_end end = a->end;
    int64_t last_at = a->last_at, sealed_number = a->sealed_number;
    for (size_t i = 0; i < a->n; i++) {
        TRY(chain_append(db, &end, &a->records[i], e));
        last_at = a->records[i].at;
    }
    bool lags_behind = a->was_checked && sealed_number < end.number;
    if (a->n > 0 || lags_behind)
        TRY(head_write(db, a->was_checked ? a->keys : NULL, a->server, &end, last_at, &sealed_number, e));
    a->next_end = end;
    a->next_last_at = last_at;
    a->next_sealed_number = sealed_number;
    return SUCCESS;
}

void audit_after_commit(struct db *db, void *context)
{
    (void)db;
    struct audit *a = context;
    a->end = a->next_end;
    a->last_at = a->next_last_at;
    a->sealed_number = a->next_sealed_number;
    audit_begin_group(a);
}

static void after_loss(struct db *db, void *context)
{
    (void)db;
    audit_begin_group(context);
}

struct writer_hooks audit_hooks(struct audit *a, void (*device_failed)(void *context))
{
    return (struct writer_hooks){
        .context = a,
        .mark = mark,
        .cut = cut,
        .before_commit = audit_before_commit,
        .after_commit = audit_after_commit,
        .after_loss = after_loss,
        .device_failed = device_failed,
        .contact = audit_contact,
    };
}
