/* vault/value.c: reading values: who gets which, and who gets it in clear. */
#include "vault/value.h"

#include "vault/attributes.h"
#include "vault/keeper.h"
#include "vault/sealing.h"

struct reader {
    struct db *db;
    struct arena *arena;
    const struct keyring *keys;
    const struct caller *who;
    enum masking masking;
    bool can_wait;
    int64_t now;
    struct standing standing;
    struct value_reading *reading;
};

/* The worst first (keyturn-api 2.8). */
static const char *const states[] = {"drift", "unknown", "changing", "unverified"};

static size_t badness_rank(struct str state)
{
    size_t i = 0;
    while (i < sizeof(states) / sizeof(states[0]) && !str_equal(state, str_of(states[i])))
        i++;
    return i;
}

static bool may_read_masked(const struct reader *r, const struct stored_value *v)
{
    return v->value.user_id == 0 && r->standing.is_consumer && rights_have(&r->who->rights, READ_MASKED, LEVEL_WRITE);
}

static RESULT ask_keeper(const struct reader *r, const struct stored_value *v, bool *ret_may, struct err *e)
{
    struct str state = S("");
    int64_t job = 0;
    bool may = false;
    if (may_read_masked(r, v))
        TRY(vault_keeper()->may_read(r->db, r->arena, v->kept_by, r->can_wait, r->now, &may, &state, &job, e));
    if (may && badness_rank(state) < badness_rank(r->reading->state))
        r->reading->state = state;
    if (may && r->reading->wait_for == 0)
        r->reading->wait_for = job;
    *ret_may = may;
    return SUCCESS;
}

/* Owning the credential, its locker or all lockers shows nothing (controlroom-api 4.4). */
static RESULT may_see_clear(const struct reader *r, const struct stored_value *v, bool is_masked, bool *ret_may,
                            struct err *e)
{
    bool is_hidden = is_masked || v->kept_by != 0;
    if (is_hidden && r->masking == MASKED_NEVER) {
        *ret_may = false;
        return SUCCESS;
    }
    if (v->kept_by != 0)
        return ask_keeper(r, v, ret_may, e);
    bool is_setter = v->value.updated_by == r->who->user_id && r->standing.can_see;
    *ret_may =
        !is_masked || is_setter || rights_have(&r->who->rights, UPDATE_ANY, LEVEL_WRITE) || may_read_masked(r, v);
    return SUCCESS;
}

static void build_query(struct builder *b, struct arena *a, const struct caller *who, const struct value_query *q)
{
    bool sees_all = rights_have(&who->rights, UPDATE_ANY, LEVEL_WRITE);
    builder_init(b, a);
    builder_add(b, "SELECT " VALUE_COLUMNS ", t.masked FROM attributes t"
                   " JOIN attribute_values v ON v.attribute_id = t.id WHERE t.credential_id =");
    builder_param(b, P_INT(q->credential_id));
    if (q->attribute_id != 0) {
        builder_add(b, "AND t.id =");
        builder_param(b, P_INT(q->attribute_id));
    }
    if (!sees_all) {
        builder_add(b, "AND v.user_id IN (0,");
        builder_param(b, P_INT(who->user_id));
        builder_add(b, ")");
    }
    if (q->user_id != 0) {
        builder_add(b, "AND v.user_id IN (0,");
        builder_param(b, P_INT(q->user_id));
        builder_add(b, ")");
    }
    builder_add(b, "ORDER BY t.id, v.id");
}

RESULT value_read(struct db *db, struct arena *a, const struct keyring *keys, const struct caller *who,
                  const struct value_query *q, int64_t now, struct value_reading *ret, struct err *e)
{
    struct credential c;
    struct value_reading reading = {.state = S("")};
    struct reader r = {.db = db,
                       .arena = a,
                       .keys = keys,
                       .who = who,
                       .masking = q->masking,
                       .can_wait = q->can_wait,
                       .now = now,
                       .reading = &reading};
    struct builder b;
    struct rows rows;
    TRY(credential_reach_bare(db, a, who, q->credential_id, &c, &r.standing, e));
    reading.credential_name = c.name;
    build_query(&b, a, who, q);
    TRY(db_query(db, a, builder_sql(&b), &rows, e));
    reading.values = arena_array(a, struct value, rows.n);
    reading.n = rows.n;
    for (size_t i = 0; i < rows.n; i++) {
        struct stored_value v = stored_value_of_row(&rows, i);
        bool may;
        TRY(may_see_clear(&r, &v, row_flag(&rows, i, VALUE_COLUMN_COUNT), &may, e));
        reading.values[i] = v.value;
        if (may)
            TRY(value_unseal(a, keys, &v, &reading.values[i].clear, e));
        reading.revealed_any |= may;
    }
    *ret = reading;
    return SUCCESS;
}
