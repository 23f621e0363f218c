/* unit/vault/lockers.c: names, owners that must stay, consumers, and what assigning does. */
#include "fixture.h"

struct world {
    struct fixture *f;
    int64_t owner, other, locker;
};

static void make_world(struct world *w, struct fixture *f)
{
    *w = (struct world){.f = f};
    w->owner = user_with(f, "owner", RIGHTS(CREATE_STANDARD, LOCKER_CREATE));
    w->other = user_with(f, "other", RIGHTS(CREATE_STANDARD, LOCKER_CREATE));
    w->locker = locker_new(f, w->owner, "Finanz Ä");
}

static result set_member(struct world *w, int64_t user_id, struct str word)
{
    struct locker_member m;
    return locker_set_member(w->f->db, w->f->a, as(w->f, w->owner), w->locker, user_id, word, tick(w->f), &m, &w->f->e);
}

static result remove_member(struct world *w, int64_t user_id)
{
    return locker_remove_member(w->f->db, w->f->a, as(w->f, w->owner), w->locker, user_id, tick(w->f), &w->f->e);
}

static result assign(struct world *w, int64_t by, int64_t locker, int64_t credential)
{
    return locker_assign(w->f->db, w->f->a, as(w->f, by), locker, credential, tick(w->f), &w->f->e);
}

static result edit(struct world *w, const char *name, struct opt_int version)
{
    return locker_update(w->f->db, w->f->a, as(w->f, w->owner), w->locker, str_of(name), S("text"), version, tick(w->f),
                         &w->f->e);
}

static void names_and_versions(void **state)
{
    struct fixture *f = *state;
    struct world w;
    struct locker l;
    int64_t id;
    make_world(&w, f);
    assert_code(f, locker_create(f->db, f->a, as(f, w.other), S("FINANZ ä"), S(""), NOW, &id, &f->e), CONFLICT);
    assert_code(f, locker_create(f->db, f->a, as(f, w.other), S("a;b"), S(""), NOW, &id, &f->e), INVALID);
    assert_code(f, locker_create(f->db, f->a, as(f, user_new(f, "nobody")), S("mine"), S(""), NOW, &id, &f->e), DENIED);
    locker_new(f, w.other, "taken");
    assert_code(f, edit(&w, "TAKEN", (struct opt_int){0}), CONFLICT);
    must(f, edit(&w, "finanz ä", (struct opt_int){true, 0}));
    assert_code(f, edit(&w, "finanz", (struct opt_int){true, 0}), CONFLICT);
    must(f, locker_get(f->db, f->a, as(f, w.owner), w.locker, &l, &f->e));
    assert_int_equal(l.version, 1);
    assert_true(str_equal(l.name, S("finanz ä")));
    assert_true(str_equal(l.description, S("text")));
    must(f, set_member(&w, w.other, S("manage")));
    must(f, locker_get(f->db, f->a, as(f, w.owner), w.locker, &l, &f->e));
    assert_int_equal(l.version, 1); /* members do not touch it */
}

static void the_last_owner_stays(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    assert_code(f, set_member(&w, w.owner, S("manage")), CONFLICT);
    assert_code(f, remove_member(&w, w.owner), CONFLICT);
    assert_code(f, set_member(&w, w.other, S("consume")), INVALID);
    assert_code(f, set_member(&w, 999, S("own")), NOT_FOUND);
    assert_code(f, remove_member(&w, w.other), NOT_FOUND);
    must(f, set_member(&w, w.other, S("OWN")));
    run_sql(f, SQL("UPDATE users SET is_deleted = 1 WHERE id = $1", P_INT(w.other)));
    assert_code(f, remove_member(&w, w.owner), CONFLICT); /* a deleted owner is none */
    run_sql(f, SQL("UPDATE users SET is_deleted = 0 WHERE id = $1", P_INT(w.other)));
    must(f, set_member(&w, w.owner, S("own")));
    must(f, remove_member(&w, w.owner));
    struct locker l;
    assert_code(f, locker_get(f->db, f->a, as(f, w.owner), w.locker, &l, &f->e), NOT_FOUND);
    struct locker_member *list;
    size_t n;
    must(f, locker_members(f->db, f->a, as(f, w.other), w.locker, &list, &n, &f->e));
    assert_int_equal(n, 1);
    assert_true(str_equal(list[0].user_name, S("other")));
    assert_true(str_equal(list[0].permission, S("own")));
}

static size_t records(struct fixture *f, const char *what)
{
    must(f, f->hooks.before_commit(f->db, f->hooks.context, &f->e));
    must(f, db_commit(f->db, &f->e));
    f->hooks.after_commit(f->db, f->hooks.context);
    must(f, db_begin(f->db, &f->e));
    return (size_t)number_of(f, SQL("SELECT count(*) FROM audit_rows WHERE what = $1", P_TEXT(str_of(what))));
}

static void consumers(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    struct locker_consumer c, *list;
    size_t n;
    int64_t own_role = role_new(f, "robots", RIGHTS(LOCKER_CONSUME));
    int64_t builtin = role_new(f, "AAE_Basic", RIGHTS(CREATE_STANDARD)),
            group = role_new(f, "group", RIGHTS(RIGHT_NONE));
    run_sql(f, SQL("UPDATE roles SET is_builtin = 1 WHERE id = $1", P_INT(builtin)));
    run_sql(f, SQL("UPDATE roles SET face = 2 WHERE id = $1", P_INT(group)));
    const struct caller *owner = as(f, w.owner);
    assert_code(f, locker_add_consumer(f->db, f->a, owner, w.locker, role_number(group), NOW, &c, &f->e), NOT_FOUND);
    assert_string_equal(f->e.text, "Role not found");
    consumer_set(f, w.owner, w.locker, own_role);
    assert_int_equal(records(f, "locker.opened_to_builtin_role"), 0);
    consumer_set(f, w.owner, w.locker, builtin);
    consumer_set(f, w.owner, w.locker, builtin); /* twice is not an error, and not recorded twice */
    assert_int_equal(records(f, "locker.opened_to_builtin_role"), 1);
    must(f, locker_consumers(f->db, f->a, owner, w.locker, &list, &n, &f->e));
    assert_int_equal(n, 2);
    assert_true(str_equal(list[0].role_name, S("robots")));
    must(f, locker_remove_consumer(f->db, f->a, owner, w.locker, role_number(builtin), NOW, &f->e));
    assert_code(f, locker_remove_consumer(f->db, f->a, owner, w.locker, role_number(builtin), NOW, &f->e), NOT_FOUND);
}

static void assigning(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    int64_t second = locker_new(f, w.owner, "second");
    int64_t id = credential_new(f, w.owner, "SAP", WISHES(f, wish("a", false, false)));
    must(f, assign(&w, w.owner, w.locker, id));
    must(f, assign(&w, w.owner, w.locker, id)); /* again */
    assert_code(f, assign(&w, w.owner, second, id), CONFLICT);
    assert_code(f, assign(&w, w.owner, 999, id), NOT_FOUND);
    assert_int_equal(credential_now(f, id).locker_id, w.locker);
    assert_int_equal(credential_now(f, id).version, 0);
    assert_code(f, locker_take_out(f->db, f->a, as(f, w.owner), second, id, NOW, &f->e), NOT_FOUND);
    must(f, locker_delete(f->db, f->a, as(f, w.owner), w.locker, NOW, &f->e));
    assert_int_equal(credential_now(f, id).locker_id, 0);
    must(f, assign(&w, w.owner, second, id));

    /* a participant sees his own alone */
    struct credential *list;
    size_t n;
    member_set(f, w.owner, second, w.other, "participate");
    int64_t own = credential_new(f, w.other, "own", (struct list){0});
    must(f, assign(&w, w.other, second, own));
    must(f, locker_credentials(f->db, f->a, as(f, w.other), second, &list, &n, &f->e));
    assert_int_equal(n, 1);
    assert_int_equal(list[0].id, own);
    must(f, locker_credentials(f->db, f->a, as(f, w.owner), second, &list, &n, &f->e));
    assert_int_equal(n, 2);
    assert_int_equal(list[0].attributes.n, 1);
    assert_code(f, assign(&w, w.owner, second, own), DENIED); /* visible, not his */
}

static void searching(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    locker_new(f, w.other, "Zebra");
    int64_t shared = locker_new(f, w.other, "Apfel");
    member_set(f, w.other, shared, w.owner, "participate");
    struct listing l = {.where = {.op = FILTER_ALL}, .length = 10};
    l.sorts[0].column = &locker_columns[0];
    l.sort_count = 1;
    struct counts counts;
    struct locker *list;
    size_t n;
    must(f, locker_list(f->db, f->a, as(f, w.owner), &l, &counts, &list, &n, &f->e));
    assert_int_equal(n, 2);
    assert_true(str_equal(list[0].name, S("Apfel")));
    l.where =
        (struct filter){.op = FILTER_SUBSTRING, .column = &locker_columns[0], .has_value = true, .text = S("z ä")};
    must(f, locker_list(f->db, f->a, as(f, w.owner), &l, &counts, &list, &n, &f->e));
    assert_int_equal(n, 1);
    assert_int_equal(counts.total, 2);
    assert_int_equal(counts.filtered, 1);
    assert_int_equal(list[0].id, w.locker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_and_versions, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(the_last_owner_stays, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(consumers, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(assigning, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(searching, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
