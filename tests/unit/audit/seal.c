/* unit/audit/seal.c: the sealed head over openings, closings and restarts; and the checkpoints that the server writes.
 */
#include "fixture.h"

#include <inttypes.h>

static const char *sealed_number = "SELECT sealed_number FROM audit_heads";

static void assert_refused(struct fixture *f, result r)
{
    assert_int_equal(r.code, INTERNAL);
    assert_non_null(strstr(f->e.text, "keyturn audit verify"));
}

static void moves_with_each_commit(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 3);
    assert_int_equal(number_of(f, sealed_number), 3);
    must(f, commit(f)); /* nothing noted: nothing moves */
    assert_int_equal(number_of(f, "SELECT number FROM audit_heads"), 3);
}

static void stands_still_while_sealed(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 20);
    keyring_close(f->keys);
    write_rows(f, 30);
    assert_int_equal(number_of(f, sealed_number), 20);
    assert_int_equal(verify(f, NULL).vouched_to, 0);
    open_keys(f);
    struct audit_report r = verify(f, NULL);
    assert_true(r.is_ok);
    assert_int_equal(r.vouched_to, 20);
    assert_int_equal(r.to, 50);
    must(f, commit(f)); /* the opening is met */
    assert_int_equal(number_of(f, sealed_number), 50);
    assert_int_equal(verify(f, NULL).vouched_to, 50);
}

static void first_rows_while_sealed(void **state)
{
    struct fixture *f = *state;
    keyring_close(f->keys);
    write_rows(f, 5);
    reopen(f, "a");
    write_rows(f, 5);
    assert_int_equal(number_of(f, "SELECT sealed IS NULL FROM audit_heads"), 1);
    open_keys(f);
    must(f, commit(f));
    assert_int_equal(verify(f, NULL).vouched_to, 10);
}

/* Rows of the sealed time are changed: the opening must not vouch for them. */
static void is_checked_at_opening(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 20);
    keyring_close(f->keys);
    write_rows(f, 30);
    run_sql(f, "UPDATE audit_rows SET detail = 'another' WHERE number = 35");
    note(f, 51);
    must(f, commit(f)); /* nobody can tell yet */
    open_keys(f);
    for (int i = 0; i < 2; i++) {
        note(f, 52);
        assert_refused(f, commit(f));
    }
    assert_int_equal(number_of(f, sealed_number), 20);
    assert_int_equal(number_of(f, "SELECT MAX(number) FROM audit_rows"), 51);
    assert_int_equal(verify(f, NULL).first_bad, 35);
}

static void rows_before_the_seal_count_too(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 20);
    keyring_close(f->keys);
    reopen(f, "a");
    write_rows(f, 5);
    run_sql(f, "UPDATE audit_rows SET hash = zeroblob(32) WHERE number = 20");
    open_keys(f);
    assert_refused(f, commit(f));
}

static result open_again(struct fixture *f)
{
    struct audit *a = NULL;
    result r = audit_open(f->db, f->keys, S("a"), &a, &f->e);
    audit_free(a);
    return r;
}

static void start_after_tampering(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 20);
    run_sql(f, "CREATE TEMP TABLE kept AS SELECT * FROM audit_heads");
    write_rows(f, 20);
    audit_free(f->audit);
    f->audit = NULL;
    must(f, open_again(f));
    const char *tries[] = {
        "DELETE FROM audit_rows WHERE number = 40",
        "DELETE FROM audit_heads",
        "DELETE FROM audit_rows",
        "UPDATE audit_rows SET hash = zeroblob(32) WHERE number = 40",
        "UPDATE audit_rows SET number = 41 WHERE number = 40",
        "UPDATE audit_heads SET hash = zeroblob(31)",
        "UPDATE audit_heads SET number = 39",
        "UPDATE audit_heads SET sealed_number = 39",
        "UPDATE audit_heads SET sealed_number = 41",
        "UPDATE audit_heads SET sealed = zeroblob(90)",
        "UPDATE audit_heads SET sealed = zeroblob(0)",
        "UPDATE audit_heads SET sealed = (SELECT sealed FROM kept)",
    };
    for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
        must(f, db_begin(f->db, &f->e));
        run_sql(f, tries[i]);
        result r = open_again(f);
        if (is_ok(r))
            fail_msg("opened after: %s", tries[i]);
        assert_refused(f, r);
        db_rollback(f->db);
    }
    /* Rolled back to an older seal while the rows stand: they follow from it, as rows of a sealed time do. */
    run_sql(f, "UPDATE audit_heads SET (sealed, sealed_number) = (SELECT sealed, sealed_number FROM kept)");
    must(f, open_again(f));
    run_sql(f, "UPDATE audit_rows SET what = 'x' WHERE number = 30");
    assert_refused(f, open_again(f));
}

static void server_names(void **state)
{
    struct fixture *f = *state;
    const char *names[] = {"",    "a b", "a:b",
                           "a\n", "ä",   "01234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct audit *a = NULL;
        assert_int_equal(audit_open(f->db, f->keys, str_of(names[i]), &a, &f->e).code, INVALID);
        assert_null(a);
    }
    assert_ptr_equal(db_attachment(f->db), f->audit);
}

static void checkpoints(void **state)
{
    struct fixture *f = *state;
    struct writer *w;
    must(f, writer_new(f->db, &f->hooks, &w, &f->e));
    must(f, audit_checkpoint(f->audit, w, &f->e)); /* nothing to name */
    writer_free(w);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM audit_checkpoints"), 0);
    write_rows(f, 12);
    must(f, writer_new(f->db, &f->hooks, &w, &f->e));
    for (int i = 0; i < 3; i++)
        must(f, audit_checkpoint(f->audit, w, &f->e));
    keyring_close(f->keys);
    assert_int_equal(audit_checkpoint(f->audit, w, &f->e).code, SEALED);
    open_keys(f);
    writer_free(w);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM audit_checkpoints"), 1); /* no head had moved */
    struct audit_signed_heads last;
    must(f, audit_last_checkpoint(f->db, f->a, &last, &f->e));
    assert_string_equal(last.heads.p, head_at(f, "a", 12));
    assert_int_equal(last.signature.n, 128);
    assert_true(last.at > 0);
    struct audit_head *heads;
    size_t n;
    must(f, audit_heads(f->db, f->a, &heads, &n, &f->e));
    assert_int_equal(n, 1);
    assert_int_equal(heads[0].number, 12);
    assert_int_equal(heads[0].hash.n, 64);
    run_sql(f, "UPDATE audit_heads SET hash = zeroblob(32)");
    must(f, writer_new(f->db, &f->hooks, &w, &f->e));
    assert_refused(f, audit_checkpoint(f->audit, w, &f->e)); /* never sign what somebody else put there */
    writer_free(w);
    run_sql(f, "UPDATE audit_heads SET hash = (SELECT hash FROM audit_rows WHERE number = 12)");
    assert_int_equal(verify(f, NULL).vouched_to, 12);
}

int main(void)
{
    crypto_start();
#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        CASE(moves_with_each_commit),
        CASE(stands_still_while_sealed),
        CASE(first_rows_while_sealed),
        CASE(is_checked_at_opening),
        CASE(rows_before_the_seal_count_too),
        CASE(start_after_tampering),
        CASE(server_names),
        CASE(checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
