/* vault/attributes.c: what a body wants of attributes: checks, and finding the stored one of each. */
#include "vault/attributes.h"

#include <inttypes.h>

#include "base/text.h"
#include "vault/naming.h"

static RESULT check_one(struct arena *a, size_t at, const struct attribute_change *change, struct wanted *ret,
                        struct err *e)
{
    struct str name = change->name;
    TRY(check_name(arena_printf(a, "attributes[%zu].name", at).p, &name, e));
    TRY(check_description(arena_printf(a, "attributes[%zu].description", at).p, change->description, e));
    *ret = (struct wanted){.change = change, .name = name, .key = text_key(a, name)};
    return SUCCESS;
}

RESULT attributes_check(struct arena *a, struct list changes, struct wanted_list *ret, struct err *e)
{
    const struct attribute_change *change = changes.at;
    if (changes.n > ATTRIBUTES_MAX)
        return FAIL(e, INVALID, "attributes: has more than %d elements", ATTRIBUTES_MAX);
    struct wanted_list list = {.at = arena_array(a, struct wanted, changes.n), .n = changes.n};
    for (size_t i = 0; i < changes.n; i++) {
        TRY(check_one(a, i, &change[i], &list.at[i], e));
        for (size_t j = 0; j < i; j++)
            if (change[i].id != 0 && change[i].id == change[j].id)
                return FAIL(e, INVALID, "attributes[%zu].id: stands at attributes[%zu] too", i, j);
    }
    *ret = list;
    return SUCCESS;
}

RESULT attributes_are_distinct(const struct wanted_list *wanted, struct err *e)
{
    for (size_t i = 0; i < wanted->n; i++)
        for (size_t j = 0; j < i; j++)
            if (str_equal(wanted->at[i].key, wanted->at[j].key))
                return FAIL(e, CONFLICT, "Two attributes are named '%.*s'", STR_ARG(wanted->at[i].name));
    return SUCCESS;
}

/* ---- matching ---- */

struct matching {
    struct wanted_list *wanted;
    const struct attribute *stored;
    const struct str *keys;
    bool is_taken[ATTRIBUTES_MAX];
    size_t n;
};

static void take(struct matching *m, struct wanted *w, size_t stored)
{
    w->present = &m->stored[stored];
    m->is_taken[stored] = true;
}

static void match_by_id(struct matching *m)
{
    for (size_t i = 0; i < m->wanted->n; i++)
        for (size_t j = 0; j < m->n; j++)
            if (m->stored[j].id == m->wanted->at[i].change->id)
                take(m, &m->wanted->at[i], j);
}

static void match_by_name(struct matching *m)
{
    for (size_t i = 0; i < m->wanted->n; i++)
        for (size_t j = 0; j < m->n && !m->wanted->at[i].present; j++)
            if (!m->is_taken[j] && str_equal(m->keys[j], m->wanted->at[i].key))
                take(m, &m->wanted->at[i], j);
}

static void match_in_order(struct matching *m)
{
    size_t wanted_left = 0, stored_left = 0;
    for (size_t i = 0; i < m->wanted->n; i++)
        wanted_left += !m->wanted->at[i].present;
    for (size_t j = 0; j < m->n; j++)
        stored_left += !m->is_taken[j];
    if (wanted_left != stored_left)
        return;
    size_t next = 0;
    for (size_t i = 0; i < m->wanted->n; i++) {
        if (m->wanted->at[i].present)
            continue;
        while (m->is_taken[next])
            next++;
        take(m, &m->wanted->at[i], next);
    }
}

void attributes_match(struct arena *a, struct wanted_list *wanted, const struct attribute *stored, size_t n)
{
    struct str keys[ATTRIBUTES_MAX];
    struct matching m = {.wanted = wanted, .stored = stored, .keys = keys, .n = n};
    for (size_t i = 0; i < n; i++)
        keys[i] = text_key(a, stored[i].name);
    match_by_id(&m);
    match_by_name(&m);
    match_in_order(&m);
}

/* ---- checks that need the match ---- */

RESULT attributes_are_current(const struct wanted_list *wanted, struct err *e)
{
    for (size_t i = 0; i < wanted->n; i++) {
        const struct wanted *w = &wanted->at[i];
        if (w->present && w->change->version.is_set && w->change->version.value != w->present->version)
            return FAIL(e, CONFLICT, "Attribute '%.*s' has been changed: its version is %" PRId64,
                        STR_ARG(w->present->name), w->present->version);
    }
    return SUCCESS;
}

RESULT attributes_are_permitted(const struct caller *who, const struct wanted_list *wanted, struct err *e)
{
    for (size_t i = 0; i < wanted->n; i++)
        if (!wanted->at[i].present && !wanted->at[i].change->user_provided.is_set)
            return FAIL(e, INVALID, "attributes[%zu].userProvided: is required", i);
    if (rights_have(&who->rights, CREATE_STANDARD, LEVEL_WRITE))
        return SUCCESS;
    for (size_t i = 0; i < wanted->n; i++) {
        const struct wanted *w = &wanted->at[i];
        bool was_standard = w->present && !w->present->user_provided;
        struct opt_bool user_provided = w->change->user_provided;
        if (!was_standard && user_provided.is_set && !user_provided.value)
            return FAIL(e, DENIED, NOT_PERMITTED);
    }
    return SUCCESS;
}
