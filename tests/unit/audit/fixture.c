/* unit/audit/fixture.c: a store in a folder of its own, a keyring that opens and closes, and a chain written by hand.
 */
#include "fixture.h"

#include <dirent.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/text.h"

void must(struct fixture *f, result r)
{
    if (!is_ok(r))
        fail_msg("%s: %s", code_name(r.code), f->e.text);
}

void open_keys(struct fixture *f)
{
    must(f, keyring_add(f->keys, 1, f->wrap, f->root, S("installation-1"), &f->e));
}

int fixture_make(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->a = arena_new();
    memcpy(f->directory, "/tmp/keyturn-audit-XXXXXX", sizeof("/tmp/keyturn-audit-XXXXXX"));
    assert_non_null(mkdtemp(f->directory));
    f->keys = keyring_new();
    f->root = keyring_make_root(f->a, false);
    struct data_key *key = data_key_new();
    must(f, data_key_wrap(key, 1, f->root, S("installation-1"), f->a, &f->wrap, &f->e));
    data_key_free(key);
    open_keys(f);
    place_empty();
    must(f, store_open(AT(f->directory), true, &f->store, &f->e));
    must(f, db_open(f->store, DB_WRITER, &f->db, &f->e));
    must(f, audit_open(f->db, f->keys, S("a"), &f->audit, &f->e));
    f->hooks = audit_hooks(f->audit, NULL);
    *state = f;
    return 0;
}

int fixture_remove(void **state)
{
    struct fixture *f = *state;
    audit_free(f->audit);
    db_free(f->db);
    store_free(f->store);
    keyring_free(f->keys);
    DIR *d = opendir(f->directory);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    assert_int_equal(rmdir(f->directory), 0);
    arena_free(f->a);
    free(f);
    return 0;
}

void run_sql(struct fixture *f, const char *text)
{
    must(f, db_run(f->db, (struct sql){.text = text, .is_built = true}, &f->e));
}

int64_t number_of(struct fixture *f, const char *query)
{
    struct rows rows;
    must(f, db_query(f->db, f->a, (struct sql){.text = query, .is_built = true}, &rows, &f->e));
    assert_int_equal(rows.n, 1);
    return row_int(&rows, 0, 0);
}

struct str text_of(struct fixture *f, const char *query)
{
    struct rows rows;
    must(f, db_query(f->db, f->a, (struct sql){.text = query, .is_built = true}, &rows, &f->e));
    assert_int_equal(rows.n, 1);
    return row_text(&rows, 0, 0);
}

void note(struct fixture *f, int64_t i)
{
    audit_act(f->db, (struct audit_actor){.user_id = i,
                                          .user_name = arena_printf(f->a, "Übung %" PRId64, i),
                                          .address = arena_printf(f->a, "192.0.2.%" PRId64, i % 256),
                                          .request_id = arena_printf(f->a, "%08" PRIx64, (uint64_t)i),
                                          .source = S("controlroom")});
    struct audit_object object = {"locker", 1000 + i, arena_printf(f->a, "Locker %" PRId64, i)};
    audit_note(f->db, i % 2 ? "locker.create" : "locker.change", i % 3 != 0, object, i % 7,
               arena_printf(f->a, "row %" PRId64, i));
}

result commit(struct fixture *f)
{
    if (!db_is_in_transaction(f->db))
        must(f, db_begin(f->db, &f->e));
    result r = f->hooks.before_commit(f->db, f->hooks.context, &f->e);
    if (!is_ok(r)) {
        db_rollback(f->db);
        f->hooks.after_loss(f->db, f->hooks.context);
        return r;
    }
    must(f, db_commit(f->db, &f->e));
    f->hooks.after_commit(f->db, f->hooks.context);
    return r;
}

void write_rows(struct fixture *f, int64_t n)
{
    int64_t i = 0;
    for (int64_t group = 1; i < n; group = group % 17 + 1) {
        for (int64_t j = 0; j < group && i < n; j++)
            note(f, ++i);
        must(f, commit(f));
    }
}

void reopen(struct fixture *f, const char *server)
{
    audit_free(f->audit);
    f->audit = NULL;
    must(f, audit_open(f->db, f->keys, str_of(server), &f->audit, &f->e));
    f->hooks = audit_hooks(f->audit, NULL);
}

struct audit_report verify(struct fixture *f, const char *head)
{
    struct audit_report report;
    must(f, audit_verify(f->db, f->keys, str_of(head), f->a, &report, &f->e));
    assert_int_equal(report.is_ok, report.first_bad == 0 && !strstr(report.text.p, "not genuine"));
    return report;
}

const char *head_at(struct fixture *f, const char *server, int64_t number)
{
    struct str hash;
    must(f, chain_hash_at(f->db, f->a, str_of(server), number, &hash, &f->e));
    assert_int_equal(hash.n, HASH_BYTES);
    struct str hex = hex_encode(f->a, hash);
    return arena_printf(f->a, "%s:%" PRId64 ":%.*s", server, number, STR_ARG(hex)).p;
}

static struct record stored_record(const struct rows *r, size_t i)
{
    return (struct record){.server = S("a"),
                           .number = row_int(r, i, 1),
                           .at = row_int(r, i, 2),
                           .what = row_text(r, i, 3),
                           .is_success = row_flag(r, i, 4),
                           .user_id = row_int(r, i, 5),
                           .user_name = row_text(r, i, 6),
                           .user_name_key = row_text(r, i, 7),
                           .address = row_text(r, i, 8),
                           .source = row_text(r, i, 9),
                           .request_id = row_text(r, i, 10),
                           .object_kind = row_text(r, i, 11),
                           .object_id = row_int(r, i, 12),
                           .object_name = row_text(r, i, 13),
                           .object_name_key = row_text(r, i, 14),
                           .account_id = row_int(r, i, 15),
                           .detail = row_text(r, i, 16)};
}

void rechain(struct fixture *f, int64_t from)
{
    struct rows rows;
    must(f, db_query(f->db, f->a,
                     SQL("SELECT id, number, at, what, is_success, user_id, user_name, user_name_key, address, source, "
                         "request_id, "
                         "object_kind, object_id, object_name, object_name_key, account_id, detail FROM audit_rows "
                         "WHERE server = "
                         "'a' AND number >= $1 ORDER BY number",
                         P_INT(from)),
                     &rows, &f->e));
    unsigned char hash[HASH_BYTES] = {0};
    if (from > 1) {
        struct str before;
        must(f, chain_hash_at(f->db, f->a, S("a"), from - 1, &before, &f->e));
        memcpy(hash, before.p, HASH_BYTES);
    }
    for (size_t i = 0; i < rows.n; i++) {
        struct record r = stored_record(&rows, i);
        r.number = from + (int64_t)i;
        unsigned char next[HASH_BYTES];
        record_hash(hash, &r, next);
        memcpy(hash, next, HASH_BYTES);
        must(f, db_run(f->db,
                       SQL("UPDATE audit_rows SET number = $1, hash = $2 WHERE id = $3", P_INT(r.number),
                           P_BLOB(hash_str(hash)), P_INT(row_int(&rows, i, 0))),
                       &f->e));
    }
    must(f, db_run(f->db,
                   SQL("UPDATE audit_heads SET number = $1, hash = $2 WHERE server = 'a'",
                       P_INT(from + (int64_t)rows.n - 1), P_BLOB(hash_str(hash))),
                   &f->e));
}
