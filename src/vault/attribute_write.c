/* vault/attribute_write.c: changing attributes in the store: what their values forbid, and the rows. */
#include <inttypes.h>

#include "base/text.h"
#include "vault/attributes.h"
#include "vault/kept.h"

enum { NAMED_VALUES_MAX = 100 }; /* in the text of a refusal */

/* ---- what their values forbid ---- */

static RESULT refuse_holding(struct db *db, struct arena *a, const struct attribute *t, struct err *e)
{
    struct rows rows;
    struct str ids = S("");
    TRY(db_query(db, a,
                 SQL("SELECT id FROM attribute_values WHERE attribute_id = $1 ORDER BY id LIMIT $2", P_INT(t->id),
                     P_INT(NAMED_VALUES_MAX)),
                 &rows, e));
    for (size_t i = 0; i < rows.n; i++)
        ids = arena_printf(a, "%.*s%s%" PRId64, STR_ARG(ids), i ? ", " : "", row_int(&rows, i, 0));
    return FAIL(e, CONFLICT, "Attribute '%.*s' still holds a value; delete the value first\n%.*s", STR_ARG(t->name),
                STR_ARG(ids));
}

static const struct wanted *wanted_of(const struct wanted_list *wanted, const struct attribute *t)
{
    for (size_t i = 0; i < wanted->n; i++)
        if (wanted->at[i].present == t)
            return &wanted->at[i];
    return NULL;
}

static bool or_stored(struct opt_bool wanted, bool stored)
{
    return wanted.is_set ? wanted.value : stored;
}

static bool is_retyped(const struct wanted *w)
{
    return or_stored(w->change->user_provided, w->present->user_provided) != w->present->user_provided;
}

static bool is_unmasked(const struct wanted *w)
{
    return w->present->masked && !or_stored(w->change->masked, true);
}

RESULT attributes_may_change(struct db *db, struct arena *a, const struct credential *c,
                             const struct wanted_list *wanted, struct err *e)
{
    const struct attribute *stored = c->attributes.at;
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT t.id, max(v.kept_by) FROM attributes t JOIN attribute_values v ON v.attribute_id = t.id"
                     " WHERE t.credential_id = $1 GROUP BY t.id ORDER BY t.id",
                     P_INT(c->id)),
                 &rows, e));
    for (size_t i = 0, row = 0; i < c->attributes.n && row < rows.n; i++) {
        if (stored[i].id != row_int(&rows, row, 0))
            continue;
        int64_t kept_by = row_int(&rows, row++, 1);
        const struct wanted *w = wanted_of(wanted, &stored[i]);
        if (!w || is_retyped(w) || is_unmasked(w))
            TRY(refuse_kept(db, a, kept_by, e));
        if (!w || is_retyped(w))
            return refuse_holding(db, a, &stored[i], e);
    }
    return SUCCESS;
}

/* ---- the rows ---- */

static RESULT insert(struct db *db, struct arena *a, const struct caller *who, int64_t credential_id,
                     const struct wanted *w, int64_t now, struct attribute *ret, struct err *e)
{
    struct str description = str_is_set(w->change->description) ? w->change->description : S("");
    struct rows rows;
    TRY(db_query(
        db, a,
        SQL("INSERT INTO attributes (credential_id, name, name_key, description, user_provided, masked, password_flag,"
            " created_by, created_at, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $9)"
            " ON CONFLICT (credential_id, name_key) DO NOTHING RETURNING id, credential_id, name, description,"
            " user_provided, masked, password_flag, version, created_by, created_at, updated_by, updated_at",
            P_INT(credential_id), P_TEXT(w->name), P_TEXT(w->key), P_TEXT(description),
            P_INT(w->change->user_provided.value), P_INT(or_stored(w->change->masked, false)),
            P_INT(or_stored(w->change->password_flag, false)), P_INT(who->user_id), P_INT(now)),
        &rows, e));
    if (rows.n == 0)
        return FAIL(e, CONFLICT, "Two attributes have the same name");
    *ret = attribute_of_row(&rows, 0);
    return SUCCESS;
}

RESULT attributes_insert(struct db *db, struct arena *a, const struct caller *who, int64_t credential_id,
                         const struct wanted_list *wanted, int64_t now, struct list *ret, struct err *e)
{
    struct attribute *made = arena_array(a, struct attribute, wanted->n);
    for (size_t i = 0; i < wanted->n; i++)
        TRY(insert(db, a, who, credential_id, &wanted->at[i], now, &made[i], e));
    *ret = (struct list){.at = made, .n = wanted->n, .is_set = true};
    return SUCCESS;
}

static bool is_changed(const struct wanted *w, struct str description)
{
    const struct attribute *p = w->present;
    return !str_equal(w->name, p->name) || !str_equal(description, p->description) || is_retyped(w) ||
           or_stored(w->change->masked, p->masked) != p->masked ||
           or_stored(w->change->password_flag, p->password_flag) != p->password_flag;
}

static RESULT update(struct db *db, const struct caller *who, const struct wanted *w, int64_t now, struct err *e)
{
    const struct attribute *p = w->present;
    struct str description = str_is_set(w->change->description) ? w->change->description : p->description;
    if (!is_changed(w, description))
        return SUCCESS;
    if (is_unmasked(w))
        TRY(db_run(db,
                   SQL("DELETE FROM attribute_values WHERE attribute_id = $1 AND updated_by <> $2", P_INT(p->id),
                       P_INT(who->user_id)),
                   e));
    return db_run(db,
                  SQL("UPDATE attributes SET name = $2, name_key = $3, description = $4, user_provided = $5,"
                      " masked = $6, password_flag = $7, version = version + 1, updated_by = $8, updated_at = $9"
                      " WHERE id = $1",
                      P_INT(p->id), P_TEXT(w->name), P_TEXT(w->key), P_TEXT(description),
                      P_INT(or_stored(w->change->user_provided, p->user_provided)),
                      P_INT(or_stored(w->change->masked, p->masked)),
                      P_INT(or_stored(w->change->password_flag, p->password_flag)), P_INT(who->user_id), P_INT(now)),
                  e);
}

/* Two may swap their names: each that gets another one first takes a name that none can have. */
static RESULT free_name(struct db *db, struct arena *a, const struct wanted *w, struct err *e)
{
    if (str_equal(w->key, text_key(a, w->present->name)))
        return SUCCESS;
    return db_run(db,
                  SQL("UPDATE attributes SET name_key = $2 WHERE id = $1", P_INT(w->present->id),
                      P_TEXT(arena_printf(a, "/%" PRId64, w->present->id))),
                  e);
}

RESULT attributes_write(struct db *db, struct arena *a, const struct caller *who, const struct credential *c,
                        const struct wanted_list *wanted, int64_t now, struct err *e)
{
    const struct attribute *stored = c->attributes.at;
    for (size_t i = 0; i < c->attributes.n; i++)
        if (!wanted_of(wanted, &stored[i])) {
            TRY(attribute_gone(db, a, stored[i].id, now, e));
            TRY(db_run(db, SQL("DELETE FROM attributes WHERE id = $1", P_INT(stored[i].id)), e));
        }
    for (size_t i = 0; i < wanted->n; i++)
        if (wanted->at[i].present)
            TRY(free_name(db, a, &wanted->at[i], e));
    for (size_t i = 0; i < wanted->n; i++) {
        const struct wanted *w = &wanted->at[i];
        struct attribute made;
        TRY(w->present ? update(db, who, w, now, e) : insert(db, a, who, c->id, w, now, &made, e));
    }
    return SUCCESS;
}
