/* unit/vault/masking.c: walking round the mask, by every step that could unmask. */
#include "fixture.h"

struct world {
    struct fixture *f;
    int64_t owner, admin, locker, credential;
};

static void make_world(struct world *w, struct fixture *f)
{
    *w = (struct world){.f = f};
    w->owner = user_with(f, "owner", RIGHTS(CREATE_STANDARD, LOCKER_CREATE));
    w->admin = user_with(f, "admin", RIGHTS(CREATE_STANDARD, LOCKER_ADMINISTER));
    w->locker = locker_new(f, w->owner, "Finance");
    w->credential = credential_new(f, w->owner, "SAP", WISHES(f, wish("password", false, true)));
    value_new(f, w->owner, w->credential, "password", "hunter2");
    must(f, locker_assign(f->db, f->a, as(f, w->owner), w->locker, w->credential, tick(f), &f->e));
}

static result transfer(struct world *w, int64_t by, int64_t to)
{
    return credential_transfer(w->f->db, w->f->a, as(w->f, by), w->credential, to, tick(w->f), &w->f->e);
}

static result unmask(struct world *w, int64_t by, const char *name)
{
    struct credential_change with = {.name = S("SAP"), .attributes = WISHES(w->f, wish(name, false, false))};
    return update(w->f, by, w->credential, &with);
}

static void the_locker_admin_walks_round(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    assert_code(f, transfer(&w, w.admin, w.admin), INVALID); /* the member rule binds him too */
    member_set(f, w.admin, w.locker, w.admin, "own");
    must(f, transfer(&w, w.admin, w.admin));
    assert_string_equal(seen(f, w.admin, w.credential, MASKED_SETTER), "password=*");
    assert_code(f, unmask(&w, w.admin, "password"), CONFLICT);
    must(f, locker_take_out(f->db, f->a, as(f, w.admin), w.locker, w.credential, tick(f), &f->e));
    assert_string_equal(seen(f, w.admin, w.credential, MASKED_SETTER), "password=*");
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "NOT_FOUND");
    must(f, unmask(&w, w.admin, "password"));
    assert_string_equal(seen(f, w.admin, w.credential, MASKED_SETTER), "-");
    must(f, transfer(&w, w.admin, w.owner));
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "-");
}

static void unmasking_by_a_rename_erases_too(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    must(f, locker_take_out(f->db, f->a, as(f, w.owner), w.locker, w.credential, tick(f), &f->e));
    must(f, transfer(&w, w.owner, w.admin));
    must(f, unmask(&w, w.admin, "secret"));
    assert_string_equal(seen(f, w.admin, w.credential, MASKED_SETTER), "-");
}

static void the_setter_unmasks_his_own(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "password=hunter2");
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_NEVER), "password=*");
    must(f, locker_take_out(f->db, f->a, as(f, w.owner), w.locker, w.credential, tick(f), &f->e));
    must(f, unmask(&w, w.owner, "password"));
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_NEVER), "password=hunter2");
}

static void who_changes_a_value_is_its_setter(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    int64_t updater = user_with(f, "updater", RIGHTS(UPDATE_ANY));
    int64_t id = number_of(f, SQL("SELECT id FROM attribute_values"));
    must(f, value_set(f, updater, w.credential, id, "new"));
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "password=*");
    must(f, value_set(f, w.owner, w.credential, id, "mine"));
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "password=mine");
}

static void a_mask_that_is_not_named_stays(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    must(f, locker_take_out(f->db, f->a, as(f, w.owner), w.locker, w.credential, tick(f), &f->e));
    must(f, transfer(&w, w.owner, w.admin));
    struct credential_change with = {.name = S("SAP"),
                                     .attributes = WISHES(f, {.name = S("password"), .user_provided = {true, false}})};
    must(f, update(f, w.admin, w.credential, &with));
    assert_string_equal(seen(f, w.admin, w.credential, MASKED_SETTER), "password=*");
}

static void taking_away_and_making_anew_shows_nothing(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    must(f, locker_take_out(f->db, f->a, as(f, w.owner), w.locker, w.credential, tick(f), &f->e));
    must(f, transfer(&w, w.owner, w.admin));
    struct credential_change two = {.name = S("SAP"),
                                    .attributes = WISHES(f, wish("a", false, false), wish("b", false, false))};
    assert_code(f, update(f, w.admin, w.credential, &two), CONFLICT); /* not a rename: `password` would go */
    struct credential_change retyped = {.name = S("SAP"), .attributes = WISHES(f, wish("password", true, true))};
    assert_code(f, update(f, w.admin, w.credential, &retyped), CONFLICT);
    assert_string_equal(seen(f, w.admin, w.credential, MASKED_SETTER), "password=*");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_locker_admin_walks_round, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(unmasking_by_a_rename_erases_too, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(the_setter_unmasks_his_own, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(who_changes_a_value_is_its_setter, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(a_mask_that_is_not_named_stays, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(taking_away_and_making_anew_shows_nothing, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
