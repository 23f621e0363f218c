/* accounts/database.c: databases, each with a place of its own. */
#include "accounts/database.h"

#include <inttypes.h>

#include "accounts/check.h"
#include "base/text.h"

enum { PORT_MAX = 65535 };

#define DATABASE_COLUMNS                                                                                               \
    "d.id, d.asset_id, p.workgroup_id, d.platform_id, d.port, d.place_id, d.instance_name, d.version, d.template, "    \
    "d.is_default"
#define DATABASE_FROM " FROM databases d JOIN assets p ON p.id = d.place_id"

static struct database database_of(const struct rows *r, size_t i)
{
    return (struct database){.id = row_int(r, i, 0),
                             .asset_id = row_int(r, i, 1),
                             .workgroup_id = row_int(r, i, 2),
                             .platform_id = row_int(r, i, 3),
                             .port = row_int(r, i, 4),
                             .place_id = row_int(r, i, 5),
                             .instance_name = row_text(r, i, 6),
                             .version = row_text(r, i, 7),
                             .template = row_text(r, i, 8),
                             .is_default_instance = row_flag(r, i, 9)};
}

result database_get(struct db *db, struct arena *a, int64_t id, struct database *ret, struct err *e)
{
    struct rows r;
    TRY(db_query_one(db, a, SQL("SELECT " DATABASE_COLUMNS DATABASE_FROM " WHERE d.id = $1", P_INT(id)), "Database", &r,
                     e));
    *ret = database_of(&r, 0);
    return SUCCESS;
}

result database_list(struct db *db, struct arena *a, int64_t asset_id, struct database **ret, size_t *ret_n,
                     struct err *e)
{
    struct builder b;
    struct rows r;
    builder_init(&b, a);
    builder_add(&b, "SELECT " DATABASE_COLUMNS DATABASE_FROM);
    if (asset_id) {
        builder_add(&b, " WHERE d.asset_id =");
        builder_param(&b, P_INT(asset_id));
    }
    builder_add(&b, " ORDER BY d.id");
    TRY(db_query(db, a, builder_sql(&b), &r, e));
    *ret = arena_array(a, struct database, r.n);
    for (size_t i = 0; i < r.n; i++)
        (*ret)[i] = database_of(&r, i);
    *ret_n = r.n;
    return SUCCESS;
}

struct str database_system_name(struct arena *a, const struct database *d, struct str host)
{
    const struct platform *p = platform_by_id(d->platform_id);
    if (!d->is_default_instance)
        return arena_printf(a, "%.*s\\%.*s", STR_ARG(host), STR_ARG(d->instance_name));
    if (d->port == p->default_port.value)
        return arena_printf(a, "%.*s\\%.*s", STR_ARG(host), STR_ARG(p->short_name));
    return arena_printf(a, "%.*s\\%.*s:%" PRId64, STR_ARG(host), STR_ARG(p->short_name), d->port);
}

static result complete(struct database *w, struct err *e)
{
    struct err found = {0};
    const struct platform *p = platform_by_id(w->platform_id);
    if (!p)
        return FAIL(e, INVALID, "PlatformID: unknown");
    if (p->entity_type != ENTITY_DATABASE)
        return FAIL(e, INVALID, "PlatformID: is not a platform of databases");
    w->instance_name = text_or_empty(w->instance_name);
    w->version = text_or_empty(w->version);
    w->template = text_or_empty(w->template);
    if (!w->is_default_instance && w->instance_name.n == 0)
        err_add_line(&found, "InstanceName: is required unless IsDefaultInstance is true");
    check_no_control("InstanceName", w->instance_name, &found);
    if (w->port == 0)
        w->port = p->default_port.value;
    if (w->port < 1 || w->port > PORT_MAX)
        err_add_line(&found, "Port: must be between 1 and %d", PORT_MAX);
    return check_end(&found, e);
}

/* Among the places of a workgroup: what two databases must not have in common. */
static struct str key_of(struct arena *a, const struct database *w)
{
    struct str instance = w->is_default_instance ? S("") : w->instance_name;
    return arena_printf(a, "%" PRId64 "/%" PRId64 "/%" PRId64 "/%.*s", w->asset_id, w->platform_id, w->port,
                        STR_ARG(instance));
}

static struct str shown_name(const struct database *w)
{
    return w->is_default_instance ? S("(default instance)") : w->instance_name;
}

result database_create(struct db *db, struct arena *a, const struct database *with, int64_t now, int64_t *ret_id,
                       struct err *e)
{
    struct database w = *with;
    struct asset machine;
    int64_t place;
    TRY(asset_get(db, a, w.asset_id, &machine, e));
    TRY(complete(&w, e));
    result made = place_create(db, a, machine.workgroup_id, ENTITY_DATABASE, key_of(a, &w), now, &place, e);
    if (made.code == CONFLICT)
        return name_taken("A Database", shown_name(&w), e);
    TRY(made);
    return db_insert(db,
                     SQL("INSERT INTO databases (place_id, asset_id, platform_id, instance_name, is_default, port, "
                         "version, template) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
                         P_INT(place), P_INT(w.asset_id), P_INT(w.platform_id), P_TEXT(w.instance_name),
                         P_INT(w.is_default_instance), P_INT(w.port), P_TEXT(w.version), P_TEXT(w.template)),
                     ret_id, "A Database like this exists already", e);
}

static result rename_system(struct db *db, struct arena *a, const struct database *d, struct err *e)
{
    struct rows r;
    bool is_taken;
    TRY(db_query(db, a,
                 SQL("SELECT id, host_name, workgroup_id FROM managed_systems WHERE asset_id = $1", P_INT(d->place_id)),
                 &r, e));
    if (r.n == 0)
        return SUCCESS;
    struct str name = database_system_name(a, d, row_text(&r, 0, 1));
    TRY(has_row(db, a,
                SQL("SELECT 1 FROM managed_systems WHERE workgroup_id = $1 AND name_key = $2 AND id <> $3",
                    P_INT(row_int(&r, 0, 2)), P_TEXT(text_key(a, name)), P_INT(row_int(&r, 0, 0))),
                &is_taken, e));
    if (is_taken)
        return name_taken("A Managed System", name, e);
    return db_run(db,
                  SQL("UPDATE managed_systems SET name = $2, name_key = $3, port = $4 WHERE id = $1",
                      P_INT(row_int(&r, 0, 0)), P_TEXT(name), P_TEXT(text_key(a, name)), P_INT(d->port)),
                  e);
}

result database_update(struct db *db, struct arena *a, const struct database *with, int64_t now, struct err *e)
{
    struct database before, w = *with;
    bool is_managed;
    TRY(database_get(db, a, with->id, &before, e));
    w.asset_id = before.asset_id;
    w.place_id = before.place_id;
    TRY(complete(&w, e));
    TRY(has_row(db, a, SQL("SELECT 1 FROM managed_systems WHERE asset_id = $1", P_INT(w.place_id)), &is_managed, e));
    if (is_managed && w.platform_id != before.platform_id)
        return FAIL(e, INVALID, "PlatformID: the database is managed; delete its Managed System first");
    result moved = place_rename(db, a, w.place_id, key_of(a, &w), now, e);
    if (moved.code == CONFLICT)
        return name_taken("A Database", shown_name(&w), e);
    TRY(moved);
    TRY(db_run(db,
               SQL("UPDATE databases SET platform_id = $2, instance_name = $3, is_default = $4, port = $5, version = "
                   "$6, template = $7 WHERE id = $1",
                   P_INT(w.id), P_INT(w.platform_id), P_TEXT(w.instance_name), P_INT(w.is_default_instance),
                   P_INT(w.port), P_TEXT(w.version), P_TEXT(w.template)),
               e));
    return rename_system(db, a, &w, e);
}

result database_delete(struct db *db, struct arena *a, int64_t id, struct err *e)
{
    struct database d;
    bool is_managed;
    TRY(database_get(db, a, id, &d, e));
    TRY(has_row(db, a, SQL("SELECT 1 FROM managed_systems WHERE asset_id = $1", P_INT(d.place_id)), &is_managed, e));
    if (is_managed)
        return FAIL(e, CONFLICT, "The database has a Managed System; delete that first");
    TRY(db_run(db, SQL("DELETE FROM databases WHERE id = $1", P_INT(id)), e));
    return db_run(db, SQL("DELETE FROM assets WHERE id = $1", P_INT(d.place_id)), e);
}
