/* unit/audit/verify.c: is every edit, insertion, swap and cut found, and is nothing vouched for that nobody can know?
 */
#include "fixture.h"

#include <inttypes.h>

#include "base/text.h"

enum { ROWS = 500 };

static struct fixture *chain_of(void **state, int64_t n)
{
    struct fixture *f = *state;
    write_rows(f, n);
    return f;
}

/* What the intruder did is undone before the next try. */
#define TRY_OUT(f, head, report, ...)                                                                                  \
    do {                                                                                                               \
        must((f), db_begin((f)->db, &(f)->e));                                                                         \
        __VA_ARGS__;                                                                                                   \
        (report) = verify((f), (head));                                                                                \
        db_rollback((f)->db);                                                                                          \
    } while (0)

static void whole_chain(void **state)
{
    struct fixture *f = *state;
    struct audit_report r = verify(f, NULL);
    assert_true(r.is_ok);
    assert_int_equal(r.chain_count, 0);
    assert_false(r.head_was_checked);
    write_rows(f, ROWS);
    r = verify(f, NULL);
    assert_true(r.is_ok && r.head_was_checked);
    assert_true(str_equal(r.server, S("a")));
    assert_int_equal(r.from, 1);
    assert_int_equal(r.to, ROWS);
    assert_int_equal(r.first_bad, 0);
    assert_int_equal(r.vouched_to, ROWS);
    assert_int_equal(r.chain_count, 1);
}

static const char *changed(struct fixture *f, struct str column, struct str type)
{
    if (str_equal(column, S("is_success")))
        return "1 - is_success";
    if (str_equal(type, S("TEXT")))
        return arena_printf(f->a, "%.*s || 'x'", STR_ARG(column)).p;
    return str_equal(type, S("BLOB")) ? "zeroblob(32)" : arena_printf(f->a, "%.*s + 1000000", STR_ARG(column)).p;
}

static const char *columns_of_audit_rows(void)
{
    return on_store("SELECT name, type FROM pragma_table_info('audit_rows')",
                    "SELECT CAST(column_name AS text), CASE data_type WHEN 'text' THEN 'TEXT' WHEN 'bytea' THEN 'BLOB'"
                    " ELSE 'INTEGER' END FROM information_schema.columns"
                    " WHERE table_schema = current_schema() AND table_name = 'audit_rows'");
}

/* The columns come from the store: one that is added and not hashed fails here. */
static void every_column_of_a_row(void **state)
{
    struct fixture *f = chain_of(state, ROWS);
    const int64_t at[] = {1, 250, ROWS};
    struct rows columns;
    must(f, db_query(f->db, f->a, SQL(columns_of_audit_rows()), &columns, &f->e));
    assert_int_equal(columns.n, 19);
    for (size_t c = 0; c < columns.n; c++)
        for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
            struct str column = row_text(&columns, c, 0);
            bool is_id = str_equal(column, S("id"));
            if (is_id && at[i] == ROWS) /* the store's own number, of which only the order is known */
                continue;
            struct audit_report r;
            TRY_OUT(f, NULL, r,
                    run_sql(f, arena_printf(f->a, "UPDATE audit_rows SET %.*s = %s WHERE number = %" PRId64,
                                            STR_ARG(column), changed(f, column, row_text(&columns, c, 1)), at[i])
                                   .p));
            if (r.is_ok)
                fail_msg("a changed %.*s of row %" PRId64 " was not found", STR_ARG(column), at[i]);
            assert_int_equal(r.first_bad, at[i] + is_id);
            assert_true(r.vouched_to < r.first_bad);
        }
    assert_true(verify(f, NULL).is_ok);
}

static void deleted_rows(void **state)
{
    struct fixture *f = chain_of(state, ROWS);
    struct audit_report r;
    TRY_OUT(f, NULL, r, run_sql(f, "DELETE FROM audit_rows WHERE number = 250"));
    assert_int_equal(r.first_bad, 250);
    TRY_OUT(f, NULL, r, run_sql(f, "DELETE FROM audit_rows WHERE number = 1"));
    assert_int_equal(r.first_bad, 1);
    TRY_OUT(f, NULL, r, run_sql(f, "DELETE FROM audit_rows WHERE number > 450"));
    assert_int_equal(r.first_bad, 451);
    assert_int_equal(r.to, 450);
    TRY_OUT(f, NULL, r, run_sql(f, "DELETE FROM audit_rows"));
    assert_int_equal(r.first_bad, 1);
    TRY_OUT(f, NULL, r, run_sql(f, "DELETE FROM audit_heads"));
    assert_int_equal(r.first_bad, ROWS + 1);
    TRY_OUT(f, NULL, r, run_sql(f, "DELETE FROM audit_rows WHERE number = 250"); rechain(f, 250));
    assert_int_equal(r.first_bad, ROWS); /* hashes fit again, but the seal is over another end */
    assert_int_equal(r.vouched_to, 0);
    TRY_OUT(f, NULL, r, run_sql(f, "DELETE FROM audit_rows WHERE number <= 100"); rechain(f, 1));
    assert_int_equal(r.first_bad, ROWS - 100 + 1);
}

static void swapped_rows(void **state)
{
    struct fixture *f = chain_of(state, ROWS);
    struct audit_report r;
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_rows SET number = -1 WHERE number = 200");
            run_sql(f, "UPDATE audit_rows SET number = 200 WHERE number = 300");
            run_sql(f, "UPDATE audit_rows SET number = 300 WHERE number = -1"));
    assert_int_equal(r.first_bad, 200);
    /* The contents change places, number and hash stay. */
    TRY_OUT(
        f, NULL, r,
        run_sql(f, "UPDATE audit_rows SET (at, what, user_id, detail) = (SELECT o.at, o.what, o.user_id, o.detail FROM "
                   "audit_rows o WHERE o.number = 501 - audit_rows.number) WHERE number IN (200, 301)"));
    assert_int_equal(r.first_bad, 200);
}

/* Row 17 once more. */
static void copy_row(struct fixture *f, int64_t number)
{
    must(f,
         db_run(
             f->db,
             SQL("INSERT INTO audit_rows (server, number, at, what, is_success, user_id, user_name, user_name_key, "
                 "address, "
                 "source, request_id, object_kind, object_id, object_name, object_name_key, account_id, detail, hash) "
                 "SELECT "
                 "server, $1, at, what, is_success, user_id, user_name, user_name_key, address, source, request_id, "
                 "object_kind, object_id, object_name, object_name_key, account_id, detail, hash FROM audit_rows WHERE "
                 "number = 17",
                 P_INT(number)),
             &f->e));
}

static void inserted_rows(void **state)
{
    struct fixture *f = chain_of(state, ROWS);
    struct audit_report r;
    for (int number = -1; number <= 0; number++) {
        TRY_OUT(f, NULL, r, copy_row(f, number));
        assert_int_equal(r.first_bad, 1);
    }
    TRY_OUT(f, NULL, r, copy_row(f, ROWS + 1));
    assert_int_equal(r.first_bad, ROWS + 1);
    TRY_OUT(f, NULL, r, copy_row(f, ROWS + 2));
    assert_int_equal(r.first_bad, ROWS + 1);
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_rows SET number = -number - 1 WHERE number > 250");
            run_sql(f, "UPDATE audit_rows SET number = -number WHERE number < 0"); copy_row(f, 251));
    assert_int_equal(r.first_bad, 251);
    TRY_OUT(f, NULL, r, copy_row(f, ROWS + 1); rechain(f, ROWS + 1));
    assert_int_equal(r.to, ROWS + 1); /* rows are chained without a key while sealed: only the seal tells */
    assert_int_equal(r.vouched_to, ROWS);
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_rows SET server = 'b' WHERE number > 400"));
    assert_int_equal(r.chain_count, 2);
    assert_int_equal(r.chains[0].first_bad, 401);
    assert_int_equal(r.chains[1].first_bad, 1);
}

static void given_head(void **state)
{
    struct fixture *f = chain_of(state, ROWS);
    keyring_close(f->keys);
    struct audit_report r = verify(f, NULL);
    assert_true(r.is_ok);
    assert_false(r.head_was_checked);
    assert_int_equal(r.vouched_to, 0);
    r = verify(f, head_at(f, "a", 400));
    assert_true(r.is_ok && r.head_was_checked);
    assert_int_equal(r.vouched_to, 400);
    r = verify(f, head_at(f, "a", 400) + 2);
    assert_int_equal(r.vouched_to, 400);
    struct str hash = str_of(strrchr(head_at(f, "a", 400), ':'));
    r = verify(f, arena_printf(f->a, "399%.*s", STR_ARG(hash)).p);
    assert_int_equal(r.first_bad, 399);
    assert_int_equal(r.vouched_to, 0);
    r = verify(f, arena_printf(f->a, "501%.*s", STR_ARG(hash)).p);
    assert_int_equal(r.first_bad, 501);
    /* The seal vouches for the end, the operator contradicts it: the lower number counts. */
    open_keys(f);
    r = verify(f, arena_printf(f->a, "a:399%.*s", STR_ARG(hash)).p);
    assert_int_equal(r.first_bad, 399);
    assert_int_equal(r.vouched_to, 0);
    const char *wrong[] = {
        "",         "a",       "a:",        ":",        "400",        "a:400",      "a:400:12",
        "0%.*s",    "-1%.*s",  "b:400%.*s", ":400%.*s", "a:400%.*s0", "a:400x%.*s", "99999999999999999999%.*s",
        "a:400:zz", "400 %.*s"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct str form = str_of(wrong[i]);
        ptrdiff_t at = str_find(form, S("%.*s"));
        struct str head = form;
        if (at >= 0) {
            struct str before = str_sub(form, 0, (size_t)at), after = str_sub(form, (size_t)at + 4, form.n);
            head = arena_printf(f->a, "%.*s%.*s%.*s", STR_ARG(before), STR_ARG(hash), STR_ARG(after));
        }
        struct audit_report untouched = {.to = 77};
        result refused = audit_verify(f->db, f->keys, head, f->a, &untouched, &f->e);
        if (refused.code != INVALID)
            fail_msg("head \"%.*s\" was taken", STR_ARG(head));
        assert_int_equal(untouched.to, 77);
    }
}

static void store_checkpoint(struct fixture *f, const struct keyring *keys, const char *heads)
{
    struct str signature, public_key;
    must(f, keyring_sign(keys, str_of(heads), f->a, &signature, &public_key, &f->e));
    must(f, db_run(f->db,
                   SQL("INSERT INTO audit_checkpoints (at, heads, signature, public_key) VALUES (1, $1, $2, $3)",
                       P_TEXT(str_of(heads)), P_BLOB(signature), P_BLOB(public_key)),
                   &f->e));
}

static void checkpoints(void **state)
{
    struct fixture *f = chain_of(state, 300);
    store_checkpoint(f, f->keys, head_at(f, "a", 300));
    run_sql(f, "CREATE TEMP TABLE kept AS SELECT * FROM audit_heads");
    write_rows(f, 200);
    struct audit_report r = verify(f, NULL);
    assert_true(r.is_ok);
    /* An older head with its own seal fits a chain that is cut there; the checkpoint does not. */
    store_checkpoint(f, f->keys, head_at(f, "a", 400));
    const char *roll_back =
        "UPDATE audit_heads SET (number, hash, sealed, sealed_number, at) = (SELECT number, hash, sealed, "
        "sealed_number, at FROM kept)";
    TRY_OUT(f, NULL, r, run_sql(f, "DELETE FROM audit_rows WHERE number > 300"); run_sql(f, roll_back));
    assert_int_equal(r.first_bad, 301);
    assert_int_equal(r.vouched_to, 300);
    const char *end = head_at(f, "a", 500);
    TRY_OUT(f, end, r, run_sql(f, "DELETE FROM audit_rows WHERE number > 300"); run_sql(f, roll_back);
            run_sql(f, "DELETE FROM audit_checkpoints WHERE id > 1"));
    assert_int_equal(r.first_bad, 301); /* only what is kept elsewhere still knows */
    /* The whole chain made anew from row 200 on, by somebody without the keys. */
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_rows SET detail = 'nothing' WHERE number = 200"); rechain(f, 200));
    assert_int_equal(r.first_bad, 300);
    assert_int_equal(r.vouched_to, 0);
    keyring_close(f->keys);
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_rows SET detail = 'nothing' WHERE number = 200"); rechain(f, 200));
    assert_int_equal(r.first_bad, 300);
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_rows SET detail = 'nothing' WHERE number = 450"); rechain(f, 450));
    assert_true(r.is_ok); /* nobody can know without the keys, and the report does not claim it */
    assert_int_equal(r.vouched_to, 0);
    assert_false(r.head_was_checked);
    assert_non_null(strstr(r.text.p, "the keys are not open"));
    assert_non_null(strstr(r.text.p, "2 stored checkpoints fit the rows but vouch for none"));
}

static void forged_checkpoints(void **state)
{
    struct fixture *f = chain_of(state, 20);
    struct audit_report r;
    const char *good = head_at(f, "a", 10);
    TRY_OUT(f, NULL, r, store_checkpoint(f, f->keys, good);
            run_sql(f, "UPDATE audit_checkpoints SET heads = 'a:11' || substr(heads, 5)"));
    assert_false(r.is_ok);
    assert_int_equal(r.first_bad, 0);
    TRY_OUT(f, NULL, r, store_checkpoint(f, f->keys, good);
            run_sql(f, "UPDATE audit_checkpoints SET signature = zeroblob(64)"));
    assert_false(r.is_ok);
    TRY_OUT(f, NULL, r, store_checkpoint(f, f->keys, good);
            run_sql(f, "UPDATE audit_checkpoints SET public_key = zeroblob(1)"));
    assert_false(r.is_ok);
    TRY_OUT(f, NULL, r, store_checkpoint(f, f->keys, "gone:3:00"));
    assert_false(r.is_ok);
    TRY_OUT(f, NULL, r, store_checkpoint(f, f->keys, arena_printf(f->a, "gone%s", good + 1).p));
    assert_non_null(strstr(r.text.p, "names chain gone"));
    struct keyring *other = keyring_new();
    struct str wrap;
    struct data_key *key = data_key_new();
    must(f, data_key_wrap(key, 1, f->root, S("other"), f->a, &wrap, &f->e));
    must(f, keyring_add(other, 1, wrap, f->root, S("other"), &f->e));
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_heads SET sealed = NULL, sealed_number = 0");
            store_checkpoint(f, other, good));
    assert_true(r.is_ok); /* anybody can sign what is true: it vouches for nothing */
    assert_int_equal(r.vouched_to, 0);
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_heads SET sealed = NULL, sealed_number = 0");
            store_checkpoint(f, f->keys, good));
    assert_int_equal(r.vouched_to, 10);
    data_key_free(key);
    keyring_free(other);
}

static void slices(void **state)
{
    struct fixture *f = chain_of(state, 2 * WALK_SLICE_ROWS + 1);
    assert_int_equal(verify(f, NULL).vouched_to, 2 * WALK_SLICE_ROWS + 1);
    for (int64_t n = WALK_SLICE_ROWS; n <= 2 * WALK_SLICE_ROWS + 1;
         n += n % WALK_SLICE_ROWS ? WALK_SLICE_ROWS - 1 : 1) {
        struct audit_report r;
        TRY_OUT(f, NULL, r,
                run_sql(f, arena_printf(f->a, "UPDATE audit_rows SET account_id = 99 WHERE number = %" PRId64, n).p));
        assert_int_equal(r.first_bad, n);
        TRY_OUT(f, NULL, r, run_sql(f, arena_printf(f->a, "DELETE FROM audit_rows WHERE number = %" PRId64, n).p));
        assert_int_equal(r.first_bad, n);
    }
    run_sql(f, "DELETE FROM audit_rows WHERE number > 1000"); /* the cut is where a slice ends */
    assert_int_equal(verify(f, NULL).first_bad, 1001);
}

static void two_chains(void **state)
{
    struct fixture *f = chain_of(state, 30);
    reopen(f, "b");
    write_rows(f, 40);
    struct audit_report r = verify(f, head_at(f, "b", 40));
    assert_true(r.is_ok && r.head_was_checked);
    assert_int_equal(r.chain_count, 2);
    assert_int_equal(r.chains[0].vouched_to, 30);
    assert_int_equal(r.chains[1].vouched_to, 40);
    assert_int_equal(audit_verify(f->db, f->keys, str_of(head_at(f, "b", 40) + 2), f->a, &r, &f->e).code, INVALID);
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_rows SET detail = '' WHERE server = 'b' AND number = 7"));
    assert_true(str_equal(r.server, S("b")));
    assert_int_equal(r.first_bad, 7);
    assert_true(r.chains[0].is_ok);
    /* A row of one chain in the place of the other's. */
    TRY_OUT(f, NULL, r, run_sql(f, "UPDATE audit_rows SET server = 'c' WHERE server = 'b' AND number = 9");
            run_sql(f, "UPDATE audit_rows SET server = 'b' WHERE server = 'a' AND number = 9"));
    assert_int_equal(r.chains[0].first_bad, 9);
    assert_int_equal(r.chains[1].first_bad, 9);
}

int main(void)
{
    crypto_start();
#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        CASE(whole_chain),  CASE(every_column_of_a_row), CASE(deleted_rows),
        CASE(swapped_rows), CASE(inserted_rows),         CASE(given_head),
        CASE(checkpoints),  CASE(forged_checkpoints),    CASE(slices),
        CASE(two_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
