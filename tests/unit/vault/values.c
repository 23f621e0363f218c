/* unit/vault/values.c: limits, versions, all or nothing, and blobs that are moved about in the store. */
#include <inttypes.h>

#include "fixture.h"

struct world {
    struct fixture *f;
    int64_t owner, consumer, updater, locker, credential;
};

static void make_world(struct world *w, struct fixture *f)
{
    *w = (struct world){.f = f};
    w->owner = user_with(f, "owner", RIGHTS(CREATE_STANDARD, LOCKER_CREATE));
    w->consumer = user_new(f, "consumer");
    w->updater = user_with(f, "updater", RIGHTS(UPDATE_ANY));
    w->locker = locker_new(f, w->owner, "Finance");
    int64_t robots = role_new(f, "robots", RIGHTS(LOCKER_CONSUME));
    join(f, robots, w->consumer);
    consumer_set(f, w->owner, w->locker, robots);
    w->credential =
        credential_new(f, w->owner, "SAP",
                       WISHES(f, wish("user", false, false), wish("password", false, true), wish("pin", true, true)));
    must(f, locker_assign(f->db, f->a, as(f, w->owner), w->locker, w->credential, tick(f), &f->e));
}

static struct value_entry entry_of(struct world *w, const char *attribute, int64_t user_id, const char *text)
{
    return (struct value_entry){.attribute_id = attribute_id(w->f, w->credential, attribute),
                                .user_id = user_id,
                                .value = secret_of(w->f, text)};
}

static result create(struct world *w, int64_t by, const struct value_entry *entries, size_t n)
{
    struct value made[8];
    assert_true(n <= 8);
    return value_create(w->f->db, w->f->a, w->f->keys, as(w->f, by), w->credential, entries, n, tick(w->f), made,
                        &w->f->e);
}

static void limits(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    char *long_text = arena_alloc(f->a, 8194);
    memset(long_text, 'x', 8193);
    struct value_entry entry = entry_of(&w, "user", 0, long_text);
    assert_code(f, create(&w, w.owner, &entry, 1), INVALID);
    entry.value = secret_new(f->a, "a\0b", 3);
    assert_code(f, create(&w, w.owner, &entry, 1), INVALID);
    entry.value = secret_new(f->a, "\xED\xA0\x80", 3);
    assert_code(f, create(&w, w.owner, &entry, 1), INVALID);
    entry.value = NULL;
    assert_code(f, create(&w, w.owner, &entry, 1), INVALID);
    entry.value = secret_new(f->a, long_text, 8192);
    must(f, create(&w, w.owner, &entry, 1));
    int64_t id = number_of(f, SQL("SELECT id FROM attribute_values"));
    assert_code(f, value_set(f, w.owner, w.credential, id, long_text), INVALID);
    must(f, value_set(f, w.owner, w.credential, id, "a\"\\\n\t''%s"));
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_NEVER), "user=a\"\\\n\t''%s");
}

static void all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    struct value_entry entries[] = {entry_of(&w, "user", 0, "a"), entry_of(&w, "password", 0, "b")};
    entries[1].attribute_id = 999;
    assert_code(f, create(&w, w.owner, entries, 2), INVALID);
    entries[1] = entry_of(&w, "pin", 0, "b");
    assert_code(f, create(&w, w.owner, entries, 2), DENIED);
    assert_int_equal(number_of(f, SQL("SELECT count(*) FROM attribute_values")), 0);
    entries[1] = entry_of(&w, "user", 0, "b");
    must(f, db_savepoint(f->db, &f->e));
    assert_code(f, create(&w, w.owner, entries, 2), CONFLICT);
    must(f, db_rollback_to(f->db, &f->e));
    entries[1] = entry_of(&w, "password", 0, "b");
    must(f, create(&w, w.owner, entries, 2));
    must(f, create(&w, w.owner, entries, 0));
    assert_code(f, create(&w, w.owner, entries, 1), CONFLICT);
}

static void whose_value(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    struct value_entry pin = entry_of(&w, "pin", w.consumer, "1");
    assert_code(f, create(&w, w.owner, &pin, 1), DENIED);
    pin.user_id = w.owner;
    assert_code(f, create(&w, w.consumer, &pin, 1), INVALID);
    assert_code(f, create(&w, w.updater, &pin, 1), INVALID); /* the owner does not consume */
    pin.user_id = 0;
    assert_code(f, create(&w, w.updater, &pin, 1), INVALID);
    pin.user_id = w.consumer;
    must(f, create(&w, w.updater, &pin, 1));
    assert_string_equal(seen(f, w.consumer, w.credential, MASKED_SETTER), "pin=*");
    assert_string_equal(seen(f, w.updater, w.credential, MASKED_SETTER), "pin=1");
    int64_t readers = role_new(f, "readers", RIGHTS(READ_MASKED));
    join(f, readers, w.consumer);
    assert_string_equal(seen(f, w.consumer, w.credential, MASKED_SETTER),
                        "pin=*"); /* readmasked is for standard ones */
    leave(f, readers, w.consumer);
    struct value_entry standard = entry_of(&w, "user", w.owner, "x");
    assert_code(f, create(&w, w.owner, &standard, 1), INVALID);
    assert_code(f, create(&w, w.updater, &standard, 1), INVALID);

    must(f, locker_take_out(f->db, f->a, as(f, w.owner), w.locker, w.credential, tick(f), &f->e));
    struct value_entry again = entry_of(&w, "pin", 0, "2");
    assert_code(f, create(&w, w.owner, &again, 1), DENIED); /* not at all outside a locker */
    assert_code(f, create(&w, w.consumer, &again, 1), NOT_FOUND);
}

/* He still sees the credential, as a manager of its locker. */
static void who_stops_consuming_stops_setting(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    int64_t pin = value_new(f, w.consumer, w.credential, "pin", "1");
    member_set(f, w.owner, w.locker, w.consumer, "manage");
    must(f, value_set(f, w.consumer, w.credential, pin, "2"));
    run_sql(f, SQL("DELETE FROM role_members WHERE user_id = $1", P_INT(w.consumer)));
    assert_code(f, value_set(f, w.consumer, w.credential, pin, "3"), DENIED);
    assert_code(f, value_delete(f->db, f->a, as(f, w.consumer), w.credential, pin, tick(f), &f->e), DENIED);
    assert_string_equal(seen(f, w.consumer, w.credential, MASKED_SETTER), "pin=2");
}

static void read_narrowed(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    value_new(f, w.owner, w.credential, "password", "p");
    value_new(f, w.owner, w.credential, "user", "u");
    value_new(f, w.consumer, w.credential, "pin", "1");
    struct value_query q = {.credential_id = w.credential, .user_id = w.owner};
    struct value_reading r;
    must(f, value_read(f->db, f->a, f->keys, as(f, w.consumer), &q, tick(f), &r, &f->e));
    assert_int_equal(r.n, 2); /* standard ones, by attribute; of others' none */
    assert_int_equal(r.values[0].attribute_id, attribute_id(f, w.credential, "user"));
    q.user_id = w.consumer;
    must(f, value_read(f->db, f->a, f->keys, as(f, w.owner), &q, tick(f), &r, &f->e));
    assert_int_equal(r.n, 2);
    must(f, value_read(f->db, f->a, f->keys, as(f, w.updater), &q, tick(f), &r, &f->e));
    assert_int_equal(r.n, 3);
    q = (struct value_query){.credential_id = w.credential, .attribute_id = attribute_id(f, w.credential, "password")};
    must(f, value_read(f->db, f->a, f->keys, as(f, w.consumer), &q, tick(f), &r, &f->e));
    assert_int_equal(r.n, 1);
    assert_null(r.values[0].clear);
    assert_false(r.revealed_any);
}

static void stale_versions(void **state)
{
    struct fixture *f = *state;
    struct world w;
    struct value changed;
    make_world(&w, f);
    int64_t id = value_new(f, w.owner, w.credential, "user", "one");
    struct opt_int zero = {true, 0};
    must(f, value_update(f->db, f->a, f->keys, as(f, w.owner), w.credential, id, secret_of(f, "two"), zero, tick(f),
                         &changed, &f->e));
    assert_int_equal(changed.version, 1);
    assert_null(changed.clear);
    assert_code(f,
                value_update(f->db, f->a, f->keys, as(f, w.owner), w.credential, id, secret_of(f, "three"), zero,
                             tick(f), &changed, &f->e),
                CONFLICT);
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "user=two");
}

static void a_value_of_another_credential(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    int64_t other = credential_new(f, w.owner, "other", WISHES(f, wish("a", false, false)));
    int64_t id = value_new(f, w.owner, w.credential, "user", "one");
    assert_code(f, value_set(f, w.owner, other, id, "x"), NOT_FOUND);
    assert_code(f, value_delete(f->db, f->a, as(f, w.owner), other, id, tick(f), &f->e), NOT_FOUND);
    struct value_query q = {.credential_id = other, .attribute_id = attribute_id(f, w.credential, "user")};
    struct value_reading r;
    must(f, value_read(f->db, f->a, f->keys, as(f, w.owner), &q, tick(f), &r, &f->e));
    assert_int_equal(r.n, 0);
}

static void only_updateany_and_a_standard_maker_set(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    int64_t plain = user_with(f, "plain", RIGHTS(RIGHT_NONE));
    must(f, locker_take_out(f->db, f->a, as(f, w.owner), w.locker, w.credential, tick(f), &f->e));
    int64_t id = value_new(f, w.owner, w.credential, "user", "one");
    must(f, credential_transfer(f->db, f->a, as(f, w.owner), w.credential, plain, tick(f), &f->e));
    assert_code(f, value_set(f, plain, w.credential, id, "two"), DENIED);
    must(f, value_delete(f->db, f->a, as(f, plain), w.credential, id, tick(f), &f->e));
}

/* By the hand of somebody with the file: a blob opens where it was sealed and nowhere else, not even there again later.
 */
static void blobs_moved_about(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    int64_t user = value_new(f, w.owner, w.credential, "user", "fin01");
    int64_t password = value_new(f, w.owner, w.credential, "password", "hunter2");
    int64_t pin = value_new(f, w.consumer, w.credential, "pin", "1111");
    static const char move[] =
        "UPDATE attribute_values SET sealed = (SELECT sealed FROM attribute_values WHERE id = $2),"
        " seal_version = (SELECT seal_version FROM attribute_values WHERE id = $2)"
        " WHERE id = $1";
    const int64_t moves[][2] = {{user, password}, {user, pin}, {pin, password}};
    for (size_t i = 0; i < 3; i++) {
        must(f, db_savepoint(f->db, &f->e));
        run_sql(f, SQL(move, P_INT(moves[i][0]), P_INT(moves[i][1])));
        assert_string_equal(seen(f, w.consumer, w.credential, MASKED_SETTER), "INTERNAL");
        assert_null(strstr(f->e.text, "hunter2"));
        must(f, db_rollback_to(f->db, &f->e));
    }
    struct rows old;
    must(f, db_query(f->db, f->a, SQL("SELECT sealed FROM attribute_values WHERE id = $1", P_INT(user)), &old, &f->e));
    must(f, value_delete(f->db, f->a, as(f, w.owner), w.credential, user, tick(f), &f->e));
    int64_t again = value_new(f, w.owner, w.credential, "user", "fin02");
    run_sql(f,
            SQL("UPDATE attribute_values SET sealed = $2 WHERE id = $1", P_INT(again), P_BLOB(row_blob(&old, 0, 0))));
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "INTERNAL");
    /* one user's value given to another */
    run_sql(f, SQL("DELETE FROM attribute_values WHERE id = $1", P_INT(again)));
    run_sql(f,
            SQL("UPDATE attribute_values SET user_id = $2, updated_by = $2 WHERE id = $1", P_INT(pin), P_INT(w.owner)));
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "INTERNAL");
}

static void nothing_without_keys(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    value_new(f, w.owner, w.credential, "user", "fin01");
    keyring_close(f->keys);
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "SEALED");
    struct value_entry entry = entry_of(&w, "password", 0, "x");
    assert_code(f, create(&w, w.owner, &entry, 1), SEALED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(limits, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(all_or_nothing, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(whose_value, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(who_stops_consuming_stops_setting, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(read_narrowed, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(stale_versions, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(a_value_of_another_credential, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(only_updateany_and_a_standard_maker_set, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(blobs_moved_about, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(nothing_without_keys, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
