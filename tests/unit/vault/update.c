/* unit/vault/update.c: making and changing credentials: names, limits, the matching of attributes, versions. */
#include <inttypes.h>

#include "fixture.h"

static int64_t make_owner(struct fixture *f)
{
    return user_with(f, "owner", RIGHTS(CREATE_STANDARD, LOCKER_CREATE));
}

/* "1 user 0, 2 password 3": id, name and version of each. */
static const char *attributes_of(struct fixture *f, int64_t credential_id)
{
    struct credential c = credential_now(f, credential_id);
    const struct attribute *at = c.attributes.at;
    struct str text = S("");
    for (size_t i = 0; i < c.attributes.n; i++)
        text = arena_printf(f->a, "%.*s%s%" PRId64 " %.*s %" PRId64, STR_ARG(text), i ? ", " : "", at[i].id,
                            STR_ARG(at[i].name), at[i].version);
    return text.n ? text.p : "";
}

static result create(struct fixture *f, int64_t by, const char *name, struct list attributes)
{
    struct credential made;
    struct credential_change with = {.name = str_of(name), .attributes = attributes};
    return credential_create(f->db, f->a, as(f, by), &with, tick(f), &made, &f->e);
}

static result change(struct fixture *f, int64_t by, int64_t id, struct list attributes)
{
    struct credential_change with = {.name = S("SAP"), .attributes = attributes};
    return update(f, by, id, &with);
}

static void names_that_differ_in_case(void **state)
{
    struct fixture *f = *state;
    int64_t owner = make_owner(f);
    int64_t id = credential_new(f, owner, "Ä umlaut", WISHES(f, wish("Öl", false, false)));
    assert_code(f, create(f, owner, "ä UMLAUT", (struct list){0}), CONFLICT);
    assert_code(f, create(f, owner, "  a\xCC\x88 umlaut ", (struct list){0}), CONFLICT); /* decomposed */
    assert_code(f, create(f, owner, "other", WISHES(f, wish("Ö", true, true), wish("ö", true, true))), CONFLICT);
    int64_t other = credential_new(f, owner, "SAP", (struct list){0});
    struct credential_change taken = {.name = S("ä umlaut")};
    assert_code(f, update(f, owner, other, &taken), CONFLICT);
    struct credential_change own = {.name = S("ä Umlaut"), .attributes = WISHES(f, wish("ÖL", false, false))};
    must(f, update(f, owner, id, &own));
    struct credential now = credential_now(f, id);
    assert_true(str_equal(now.name, S("ä Umlaut")));
    attribute_named(&now, "ÖL");
}

static void what_is_never_stored(void **state)
{
    struct fixture *f = *state;
    int64_t owner = make_owner(f), plain = user_with(f, "plain", RIGHTS(RIGHT_NONE));
    struct attribute_change many[ATTRIBUTES_MAX + 1];
    for (int i = 0; i <= ATTRIBUTES_MAX; i++)
        many[i] = wish(arena_printf(f->a, "a%d", i).p, false, false);
    static const char fifty[] = "12345678901234567890123456789012345678901234567890";
    static const char *const bad[] = {"",     "   ",  "a/b",
                                      "a\nb", "\xFF", "123456789012345678901234567890123456789012345678901"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_code(f, create(f, owner, bad[i], (struct list){0}), INVALID);
        assert_code(f, create(f, owner, "x", WISHES(f, wish(bad[i], true, false))), INVALID);
    }
    assert_code(f, create(f, owner, NULL, (struct list){0}), INVALID);
    assert_code(f, create(f, owner, "x", WISHES(f, {.name = S("no type")})), INVALID);
    assert_code(f, create(f, owner, "51", wishes(f, many, ATTRIBUTES_MAX + 1)), INVALID);
    assert_code(f, create(f, plain, "x", WISHES(f, wish("a", false, false))), DENIED);
    assert_int_equal(number_of(f, SQL("SELECT count(*) FROM credentials")), 0);
    must(f, create(f, plain, "of his own", WISHES(f, wish("a", true, false))));
    must(f, create(f, owner, fifty, (struct list){0}));

    int64_t full = credential_new(f, owner, "SAP", wishes(f, many, ATTRIBUTES_MAX));
    assert_code(f, change(f, owner, full, wishes(f, many, ATTRIBUTES_MAX + 1)), INVALID);
    assert_int_equal(credential_now(f, full).attributes.n, ATTRIBUTES_MAX);
}

static void matching(void **state)
{
    struct fixture *f = *state;
    int64_t owner = make_owner(f);
    int64_t id =
        credential_new(f, owner, "SAP",
                       WISHES(f, wish("user", false, false), wish("password", false, true), wish("pin", false, true)));
    value_new(f, owner, id, "user", "fin01");
    value_new(f, owner, id, "password", "hunter2");
    assert_string_equal(attributes_of(f, id), "1 user 0, 2 password 0, 3 pin 0");

    /* by name, whatever the order: nothing changes, nothing counts */
    must(f, change(f, owner, id,
                   WISHES(f, wish("pin", false, true), wish("PASSWORD", false, true), wish("user", false, false))));
    assert_string_equal(attributes_of(f, id), "1 user 0, 2 PASSWORD 1, 3 pin 0");
    assert_int_equal(credential_now(f, id).version, 1);

    /* as many left on both sides: renames in order, values kept */
    must(f, change(f, owner, id,
                   WISHES(f, wish("login", false, false), wish("pin", false, true), wish("secret", false, true))));
    assert_string_equal(attributes_of(f, id), "1 login 1, 2 secret 2, 3 pin 0");
    assert_string_equal(seen(f, owner, id, MASKED_SETTER), "login=fin01 secret=hunter2");

    /* by id, two swap names */
    struct attribute_change first = wish("secret", false, false), second = wish("login", false, true);
    first.id = 1;
    second.id = 2;
    must(f, change(f, owner, id, WISHES(f, first, second, wish("pin", false, true))));
    assert_string_equal(attributes_of(f, id), "1 secret 2, 2 login 3, 3 pin 0");
    assert_string_equal(seen(f, owner, id, MASKED_SETTER), "secret=fin01 login=hunter2");

    /* one without a value goes, a new one comes: more in the body than in the store */
    must(f, change(f, owner, id,
                   WISHES(f, wish("secret", false, false), wish("login", false, true), wish("pin 2", false, true),
                          wish("pin 3", true, true))));
    assert_string_equal(attributes_of(f, id), "1 secret 2, 2 login 3, 4 pin 2 0, 5 pin 3 0");

    /* no list at all: they stay */
    must(f, change(f, owner, id, (struct list){0}));
    assert_string_equal(attributes_of(f, id), "1 secret 2, 2 login 3, 4 pin 2 0, 5 pin 3 0");
}

static void matching_that_is_refused(void **state)
{
    struct fixture *f = *state;
    int64_t owner = make_owner(f);
    int64_t id = credential_new(f, owner, "SAP", WISHES(f, wish("user", false, false), wish("password", false, true)));
    int64_t value = value_new(f, owner, id, "password", "hunter2");

    assert_code(f, change(f, owner, id, WISHES(f, wish("user", false, false))), CONFLICT);
    const char *told =
        arena_printf(f->a, "Attribute 'password' still holds a value; delete the value first\n%" PRId64, value).p;
    assert_string_equal(f->e.text, told);
    assert_code(f, change(f, owner, id, WISHES(f, wish("user", true, false), wish("password", true, true))), CONFLICT);
    assert_string_equal(f->e.text, told);
    assert_code(f, change(f, owner, id, wishes(f, NULL, 0)), CONFLICT);

    struct attribute_change twice = wish("a", false, false);
    twice.id = attribute_id(f, id, "user");
    assert_code(f, change(f, owner, id, WISHES(f, twice, twice)), INVALID);
    assert_code(f, change(f, owner, id, WISHES(f, wish("a", false, true), wish("A", false, true))), CONFLICT);
    struct attribute_change stale = wish("password", false, true);
    stale.version = (struct opt_int){true, 1};
    assert_code(f, change(f, owner, id, WISHES(f, wish("user", false, false), stale)), CONFLICT);
    assert_string_equal(attributes_of(f, id), "1 user 0, 2 password 0");
    assert_int_equal(credential_now(f, id).version, 0);

    must(f, value_delete(f->db, f->a, as(f, owner), id, value, tick(f), &f->e));
    must(f, change(f, owner, id, WISHES(f, wish("user", false, false))));
    assert_string_equal(attributes_of(f, id), "1 user 0");
}

/* An id of another credential's attribute matches nothing there. */
static void a_foreign_id_reaches_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t owner = make_owner(f), other = user_with(f, "other", RIGHTS(CREATE_STANDARD));
    int64_t theirs = credential_new(f, other, "theirs", WISHES(f, wish("password", false, true)));
    int64_t id = credential_new(f, owner, "SAP", WISHES(f, wish("user", false, false)));
    struct attribute_change aimed = wish("stolen", false, false);
    aimed.id = attribute_id(f, theirs, "password");
    must(f, change(f, owner, id, WISHES(f, wish("user", false, false), aimed)));
    assert_string_equal(attributes_of(f, theirs), "1 password 0");
    assert_string_equal(attributes_of(f, id), "2 user 0, 3 stolen 0");
}

static void the_order_of_checks(void **state)
{
    struct fixture *f = *state;
    int64_t owner = make_owner(f);
    int64_t id = credential_new(f, owner, "SAP", WISHES(f, wish("user", false, false)));
    credential_new(f, owner, "taken", (struct list){0});
    struct opt_int stale = {true, 7};
    struct credential_change with = {.name = S("taken"), .version = stale, .attributes = wishes(f, NULL, 0)};
    value_new(f, owner, id, "user", "fin01");
    assert_code(f, update(f, owner, id, &with), CONFLICT);
    assert_non_null(strstr(f->e.text, "exists already"));
    with.name = S("free");
    assert_code(f, update(f, owner, id, &with), CONFLICT);
    assert_non_null(strstr(f->e.text, "its version is 0"));
    with.version.value = 0;
    assert_code(f, update(f, owner, id, &with), CONFLICT);
    assert_non_null(strstr(f->e.text, "still holds a value"));
    with.name = S("a/b");
    assert_code(f, update(f, owner, id, &with), INVALID);

    int64_t locker = locker_new(f, owner, "Finance");
    must(f, locker_assign(f->db, f->a, as(f, owner), locker, id, tick(f), &f->e));
    assert_code(f, update(f, owner, id, &with), CONFLICT);
    assert_string_equal(f->e.text, "Credential is assigned to a locker and cannot be updated");
}

/* Making an attribute standard needs the right, keeping it so does not. */
static void becoming_standard(void **state)
{
    struct fixture *f = *state;
    int64_t owner = make_owner(f), plain = user_with(f, "plain", RIGHTS(RIGHT_NONE));
    int64_t id = credential_new(f, owner, "SAP", WISHES(f, wish("user", false, false), wish("pin", true, false)));
    must(f, credential_transfer(f->db, f->a, as(f, owner), id, plain, tick(f), &f->e));
    must(f, change(f, plain, id, WISHES(f, wish("USER", false, false), wish("pin", true, false))));
    assert_code(f, change(f, plain, id, WISHES(f, wish("user", false, false), wish("pin", false, false))), DENIED);
    assert_code(
        f,
        change(f, plain, id, WISHES(f, wish("user", false, false), wish("pin", true, false), wish("x", false, false))),
        DENIED);
}

static void transferring(void **state)
{
    struct fixture *f = *state;
    int64_t owner = make_owner(f), other = user_new(f, "other"), disabled = user_new(f, "disabled");
    run_sql(f, SQL("UPDATE users SET is_disabled = 1 WHERE id = $1", P_INT(disabled)));
    int64_t id = credential_new(f, owner, "SAP", (struct list){0});
    assert_code(f, credential_transfer(f->db, f->a, as(f, owner), id, 999, tick(f), &f->e), NOT_FOUND);
    assert_code(f, credential_transfer(f->db, f->a, as(f, owner), id, disabled, tick(f), &f->e), INVALID);
    must(f, credential_transfer(f->db, f->a, as(f, owner), id, owner, tick(f), &f->e));
    assert_int_equal(credential_now(f, id).version, 0);
    must(f, credential_transfer(f->db, f->a, as(f, owner), id, other, tick(f), &f->e));
    assert_int_equal(credential_now(f, id).version, 1);
    assert_code(f, credential_transfer(f->db, f->a, as(f, owner), id, owner, tick(f), &f->e), NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_that_differ_in_case, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(what_is_never_stored, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(matching, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(matching_that_is_refused, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(a_foreign_id_reaches_nothing, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(the_order_of_checks, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(becoming_standard, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(transferring, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
