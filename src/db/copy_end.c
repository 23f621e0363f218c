/* db/copy_end.c: the ends of a move: their marks, who uses them, opening them, and taking the marks off again. */
#include "db/copy_end.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/migration.h"

#define SERVER_GONE_AFTER (30 * SECONDS)
enum { LEAVE_WAIT_MS = 3000, LEAVE_LOOK_MS = 100, EPOCHS_APART = 2 };

/* No server can have it: theirs have no blanks. */
static const char copy_name[] = "store copy";

/* ---- marks ---- */

result end_read(struct db *db, struct arena *a, struct end_state *ret, struct err *e)
{
    struct rows r;
    *ret = (struct end_state){0};
    TRY(db_query(db, a,
                 SQL("SELECT name, value FROM settings WHERE name IN"
                     " ('installation', 'epoch', 'copy.id', 'copy.from', 'copy.to', 'copy.moved_to')"),
                 &r, e));
    const struct {
        struct str name;
        struct str *at;
    } texts[] = {{S("installation"), &ret->installation},
                 {S("copy.id"), &ret->id},
                 {S("copy.from"), &ret->from},
                 {S("copy.to"), &ret->to},
                 {S("copy.moved_to"), &ret->moved_to}};
    for (size_t row = 0; row < r.n; row++) {
        struct str name = row_text(&r, row, 0), value = row_text(&r, row, 1);
        if (str_equal(name, S("epoch")) && !str_to_int(value, 1, INT64_MAX - EPOCHS_APART, &ret->epoch))
            return FAIL(e, INTERNAL, "the store's epoch is not a number");
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            if (str_equal(name, texts[i].name))
                *texts[i].at = value;
    }
    return SUCCESS;
}

result mark_set(struct db *db, const char *name, struct str value, struct err *e)
{
    return db_run(db,
                  SQL("INSERT INTO settings (name, value) VALUES ($1, $2)"
                      " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                      P_TEXT(str_of(name)), P_TEXT(value)),
                  e);
}

result mark_unset(struct db *db, const char *name, struct err *e)
{
    return db_run(db, SQL("DELETE FROM settings WHERE name = $1", P_TEXT(str_of(name))), e);
}

result epoch_set(struct db *db, int64_t epoch, struct err *e)
{
    char room[INT_TEXT_BYTES];
    return mark_set(db, "epoch", str_from_int(epoch, room), e);
}

result end_write(struct db *db, result (*run)(struct db *db, void *argument, struct err *e), void *argument,
                 struct err *e)
{
    TRY(db_begin(db, e));
    result r = run(db, argument, e);
    if (is_ok(r))
        r = db_commit(db, e);
    if (!is_ok(r))
        db_rollback(db);
    return r;
}

result end_unmark(struct db *db, void *argument, struct err *e)
{
    (void)argument;
    TRY(mark_unset(db, "copy.to", e));
    TRY(mark_unset(db, "copy.moved_to", e));
    return mark_unset(db, "copy.id", e);
}

result copy_check_served(struct db *db, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    struct end_state s;
    TRY(end_read(db, a, &s, e));
    if (str_is_set(s.from))
        return FAIL(
            e, CONFLICT,
            "%s is an unfinished copy of %.*s: run the same `keyturn store copy` again, it goes on where it was",
            db->store->place, STR_ARG(s.from));
    if (str_is_set(s.moved_to))
        return FAIL(e, CONFLICT,
                    "%s was moved to %.*s: serve that one. To go on with this one instead, and never again with that "
                    "one: keyturn store reopen",
                    db->store->place, STR_ARG(s.moved_to));
    if (str_is_set(s.to))
        return FAIL(e, CONFLICT,
                    "%s is being moved to %.*s: run the same `keyturn store copy` again, or give it up with "
                    "`keyturn store reopen`",
                    db->store->place, STR_ARG(s.to));
    return SUCCESS;
}

/* ---- who uses it ---- */

static result find_names(struct db *db, struct arena *a, struct str *ret, struct err *e)
{
    struct rows r;
    int64_t now;
    TRY(db_clock(db, &now, e));
    TRY(db_query(db, a, SQL("SELECT name FROM nodes WHERE seen_at > $1 ORDER BY name", P_INT(now - SERVER_GONE_AFTER)),
                 &r, e));
    *ret = S("");
    for (size_t i = 0; i < r.n; i++)
        *ret = arena_printf(a, "%.*s%s%.*s", STR_ARG(*ret), i ? ", " : "", STR_ARG(row_text(&r, i, 0)));
    return SUCCESS;
}

/* A server that has stopped in order leaves its row at once, and its connections some moments later. */
result end_check_unused(struct db *db, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    struct str names;
    int64_t held = 0;
    if (!db->driver->dialect.count_servers)
        return SUCCESS;
    TRY(find_names(db, a, &names, e));
    for (int waited = 0; names.n == 0 && waited <= LEAVE_WAIT_MS; waited += LEAVE_LOOK_MS) {
        TRY(db_insert(db, SQL(db->driver->dialect.count_servers), &held, "no count", e));
        if (held == 0)
            return SUCCESS;
        usleep(LEAVE_LOOK_MS * 1000);
    }
    return FAIL(e, CONFLICT,
                "%s is in use by %.*s: stop the servers first; one that was killed counts as gone after %d seconds",
                db->store->place, STR_ARG(names.n ? names : S("another server")), (int)(SERVER_GONE_AFTER / SECONDS));
}

/* Its writer holds our name in the store for as long as it lives. */
result end_open(struct store *s, struct db **ret, struct err *e)
{
    if (!s->server && !(s->server = strdup(copy_name)))
        die("out of memory: a name");
    result r = db_open(s, DB_WRITER, ret, e);
    if (r.code == CONFLICT)
        return FAIL(e, CONFLICT, "another `keyturn store` command works on %s", s->place);
    return r;
}

result copy_open_source(const struct store_place *at, struct store **ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    AUTOFREE(store) s = NULL;
    AUTOFREE(db) db = NULL;
    struct end_state state;
    if (!at->url || strcmp(at->url, "sqlite") == 0) {
        TRY(store_open(at, false, &s, e));
        TRY(db_open(s, DB_READER, &db, e));
    } else {
        TRY(store_open_bare(at, &s, e));
        TRY(db_open(s, DB_READER, &db, e));
        TRY(migrations_check(db, e));
        TRY(store_bring_up(s, e));
    }
    TRY(end_check_unused(db, e));
    TRY(end_read(db, a, &state, e));
    if (str_is_set(state.from))
        return copy_check_served(db, e);
    if (!str_is_set(state.installation) || state.epoch == 0)
        return FAIL(e, CONFLICT, "%s holds no installation", s->place);
    *ret = TAKE(s);
    return SUCCESS;
}

result copy_open_target(const struct store_place *at, struct store **ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    AUTOFREE(store) s = NULL;
    AUTOFREE(db) db = NULL;
    struct end_state state = {0};
    int64_t tables;
    TRY(store_open_bare(at, &s, e));
    TRY(db_open(s, DB_READER, &db, e));
    TRY(db_insert(db, SQL(db->driver->dialect.count_settings), &tables, "no count", e));
    if (tables > 0)
        TRY(end_read(db, a, &state, e));
    if (str_is_set(state.installation) && !str_is_set(state.id))
        return FAIL(e, CONFLICT, "%s holds installation %.*s already; nothing was changed", s->place,
                    STR_ARG(state.installation));
    TRY(store_bring_up(s, e));
    *ret = TAKE(s);
    return SUCCESS;
}

/* ---- undo ---- */

struct reopening {
    struct arena *a;
    struct str to;
    int64_t epoch;
};

static result reopen(struct db *db, void *argument, struct err *e)
{
    struct reopening *ret = argument;
    struct end_state s;
    TRY(end_read(db, ret->a, &s, e));
    if (str_is_set(s.from))
        return copy_check_served(db, e);
    if (!str_is_set(s.to) && !str_is_set(s.moved_to))
        return FAIL(e, CONFLICT, "%s was not moved: it can be served as it is", db->store->place);
    ret->to = str_is_set(s.moved_to) ? s.moved_to : s.to;
    ret->epoch = s.epoch + EPOCHS_APART;
    TRY(end_unmark(db, NULL, e));
    return epoch_set(db, ret->epoch, e);
}

result copy_reopen(struct store *s, struct arena *a, struct str *ret_to, int64_t *ret_epoch, struct err *e)
{
    AUTOFREE(db) db = NULL;
    struct reopening r = {.a = a};
    TRY(end_open(s, &db, e));
    TRY(end_write(db, reopen, &r, e));
    *ret_to = r.to;
    *ret_epoch = r.epoch;
    return SUCCESS;
}
