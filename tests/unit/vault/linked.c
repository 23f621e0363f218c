/* unit/vault/linked.c: values that somebody else keeps (keyturn-api 3.1, rules 2 to 6), with a keeper of the test's
 * own. */
#include "base/secret_open.h"
#include "fixture.h"
#include "vault/keeper.h"

enum { KEPT = 5, OTHER_LINK = 6 };

/* What the keeper says, and what it was asked. */
static struct {
    bool may, is_suspended, may_move;
    const char *state;
    int64_t job;
    unsigned reads, moves, audiences, ends;
    char how[200];
} keeper;

static result why_kept(struct db *db, struct arena *a, int64_t kept_by, struct str *ret, struct err *e)
{
    (void)db, (void)e;
    *ret = arena_printf(a, "This value follows managed account web%02d/root", (int)kept_by);
    return SUCCESS;
}
static result may_read(struct db *db, struct arena *a, int64_t kept_by, bool can_wait, int64_t now, bool *ret_may,
                       struct str *ret_state, int64_t *ret_job, struct err *e)
{
    (void)db, (void)a, (void)kept_by, (void)can_wait, (void)now;
    keeper.reads++;
    if (keeper.is_suspended)
        return FAIL(e, DENIED, "The link is suspended");
    *ret_may = keeper.may;
    *ret_state = str_of(keeper.state);
    *ret_job = keeper.job;
    return SUCCESS;
}
static result may_move(struct db *db, struct arena *a, const struct caller *who, int64_t kept_by, struct err *e)
{
    (void)db, (void)a, (void)who, (void)kept_by;
    keeper.moves++;
    return keeper.may_move ? SUCCESS : FAIL(e, DENIED, "The account side's right is missing");
}
static result audience_grew(struct db *db, struct arena *a, int64_t kept_by, struct str how, struct err *e)
{
    (void)db, (void)a, (void)kept_by, (void)e;
    keeper.audiences++;
    snprintf(keeper.how, sizeof keeper.how, "%.*s", STR_ARG(how));
    return SUCCESS;
}
static result end_link(struct db *db, struct arena *a, int64_t kept_by, int64_t now, struct err *e)
{
    (void)db, (void)a, (void)kept_by, (void)now, (void)e;
    keeper.ends++;
    return SUCCESS;
}
static const struct keeper the_keeper = {why_kept, may_read, may_move, audience_grew, end_link};

struct world {
    struct fixture *f;
    int64_t owner, consumer, reader, updater, admin, locker, credential, attribute, value;
};

static void make_world(struct world *w, struct fixture *f)
{
    memset(&keeper, 0, sizeof keeper);
    keeper.may = keeper.may_move = true;
    keeper.state = "";
    vault_set_keeper(&the_keeper);
    *w = (struct world){.f = f};
    w->owner = user_with(f, "owner", RIGHTS(CREATE_STANDARD, LOCKER_CREATE, READ_MASKED));
    w->consumer = user_new(f, "consumer");
    w->reader = user_with(f, "reader", RIGHTS(READ_MASKED));
    w->updater = user_with(f, "updater", RIGHTS(UPDATE_ANY));
    w->admin = user_with(f, "admin", RIGHTS(LOCKER_ADMINISTER, READ_MASKED));
    w->locker = locker_new(f, w->owner, "Finance");
    int64_t robots = role_new(f, "robots", RIGHTS(LOCKER_CONSUME));
    join(f, robots, w->consumer);
    join(f, robots, w->reader);
    consumer_set(f, w->owner, w->locker, robots);
    w->credential =
        credential_new(f, w->owner, "SAP", WISHES(f, wish("user", false, false), wish("password", false, true)));
    value_new(f, w->owner, w->credential, "user", "root");
    w->attribute = attribute_id(f, w->credential, "password");
    must(f, value_keep(f->db, f->a, f->keys, w->attribute, KEPT, secret_of(f, "turned1"), tick(f), &f->e));
    w->value = number_of(f, SQL("SELECT id FROM attribute_values WHERE kept_by = 5"));
    must(f, locker_assign(f->db, f->a, as(f, w->owner), w->locker, w->credential, tick(f), &f->e));
}

static void who_reads_it(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    static const char hidden[] = "user=root password=*";
    const int64_t others[] = {w.owner, w.consumer, w.updater, w.admin};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(seen(f, others[i], w.credential, MASKED_SETTER), hidden);
    assert_int_equal(keeper.reads, 0); /* a release is noted for nobody who gets nothing */
    assert_string_equal(seen(f, w.reader, w.credential, MASKED_SETTER), "user=root password=turned1");
    assert_string_equal(seen(f, w.reader, w.credential, MASKED_NEVER), hidden);
    assert_int_equal(keeper.reads, 1);
    /* unmasked by the hand of somebody with the file */
    run_sql(f, SQL("UPDATE attributes SET masked = 0"));
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), hidden);
    assert_string_equal(seen(f, w.reader, w.credential, MASKED_NEVER), hidden);
    keeper.may = false;
    assert_string_equal(seen(f, w.reader, w.credential, MASKED_SETTER), hidden);
    keeper.is_suspended = true;
    assert_string_equal(seen(f, w.reader, w.credential, MASKED_SETTER), "DENIED");
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), hidden);
}

static void what_the_reader_is_told(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    struct value_reading r;
    struct value_query q = {.credential_id = w.credential};
    must(f, value_read(f->db, f->a, f->keys, as(f, w.reader), &q, tick(f), &r, &f->e));
    assert_int_equal(r.state.n, 0);
    assert_int_equal(r.wait_for, 0);
    keeper.state = "changing";
    keeper.job = 71;
    must(f, value_read(f->db, f->a, f->keys, as(f, w.reader), &q, tick(f), &r, &f->e));
    assert_true(str_equal(r.state, S("changing")));
    assert_int_equal(r.wait_for, 71);
    must(f, value_read(f->db, f->a, f->keys, as(f, w.owner), &q, tick(f), &r, &f->e));
    assert_int_equal(r.wait_for, 0);
    assert_int_equal(r.state.n, 0);
}

static void nobody_writes_it(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    static const char why[] = "This value follows managed account web05/root";
    const int64_t writers[] = {w.owner, w.updater};
    for (size_t i = 0; i < 2; i++) {
        struct value made;
        struct value_entry entry = {.attribute_id = w.attribute, .value = secret_of(f, "x")};
        assert_code(f, value_set(f, writers[i], w.credential, w.value, "x"), CONFLICT);
        assert_string_equal(f->e.text, why);
        assert_code(f, value_delete(f->db, f->a, as(f, writers[i]), w.credential, w.value, NOW, &f->e), CONFLICT);
        assert_string_equal(f->e.text, why);
        assert_code(f,
                    value_create(f->db, f->a, f->keys, as(f, writers[i]), w.credential, &entry, 1, NOW, &made, &f->e),
                    CONFLICT);
        assert_string_equal(f->e.text, why);
    }
    assert_code(f, value_set(f, w.reader, w.credential, w.value, "x"), DENIED); /* and is not told whom it follows */
    assert_null(strstr(f->e.text, "web05"));

    must(f, locker_take_out(f->db, f->a, as(f, w.owner), w.locker, w.credential, tick(f), &f->e));
    const struct list bodies[] = {
        WISHES(f, wish("user", false, false)),
        WISHES(f, wish("user", false, false), wish("password", true, true)),
        WISHES(f, wish("user", false, false), wish("password", false, false)),
        WISHES(f, wish("user", false, false), wish("renamed", false, false)),
    };
    for (size_t i = 0; i < 4; i++) {
        struct credential_change with = {.name = S("SAP"), .attributes = bodies[i]};
        assert_code(f, update(f, w.owner, w.credential, &with), CONFLICT);
        assert_string_equal(f->e.text, why);
    }
    struct credential_change rename = {
        .name = S("SAP"), .attributes = WISHES(f, wish("user", false, false), wish("renamed", false, true))};
    must(f, update(f, w.owner, w.credential, &rename));
}

static void moving_it(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    const struct caller *owner = as(f, w.owner);
    assert_int_equal(keeper.audiences, 1); /* it was put into a locker */
    int64_t next = role_new(f, "next", RIGHTS(LOCKER_CONSUME)), builtin = role_new(f, "AAE_X", RIGHTS(LOCKER_CONSUME));
    run_sql(f, SQL("UPDATE roles SET is_builtin = 1 WHERE id = $1", P_INT(builtin)));
    consumer_set(f, w.owner, w.locker, next);
    assert_int_equal(keeper.audiences, 2);
    assert_string_equal(keeper.how, "role next consumes locker Finance");
    consumer_set(f, w.owner, w.locker, next);
    member_set(f, w.owner, w.locker, w.consumer, "manage");
    assert_int_equal(keeper.audiences, 3);
    member_set(f, w.owner, w.locker, w.consumer, "participate");
    assert_int_equal(keeper.audiences, 3); /* he was one before */

    struct locker_consumer c;
    must(f, db_savepoint(f->db, &f->e));
    assert_code(f, locker_add_consumer(f->db, f->a, owner, w.locker, role_number(builtin), NOW, &c, &f->e), CONFLICT);
    must(f, db_rollback_to(f->db, &f->e));

    keeper.may_move = false;
    assert_code(f, locker_take_out(f->db, f->a, owner, w.locker, w.credential, NOW, &f->e), DENIED);
    assert_code(f, locker_take_out(f->db, f->a, as(f, w.admin), w.locker, w.credential, NOW, &f->e), DENIED);
    assert_code(f, locker_delete(f->db, f->a, owner, w.locker, NOW, &f->e), DENIED);
    keeper.may_move = true;
    must(f, locker_take_out(f->db, f->a, owner, w.locker, w.credential, NOW, &f->e));
    keeper.may_move = false;
    assert_code(f, locker_assign(f->db, f->a, owner, w.locker, w.credential, NOW, &f->e), DENIED);
    keeper.may_move = true;
    int64_t open_to_all = locker_new(f, w.owner, "open to all");
    consumer_set(f, w.owner, open_to_all, builtin);
    assert_code(f, locker_assign(f->db, f->a, owner, open_to_all, w.credential, NOW, &f->e), CONFLICT);
    must(f, credential_transfer(f->db, f->a, owner, w.credential, w.reader, NOW, &f->e));
    assert_string_equal(seen(f, w.reader, w.credential, MASKED_SETTER), "user=root password=*");
}

static void deleting_the_credential_ends_it(void **state)
{
    struct fixture *f = *state;
    struct world w;
    struct str name;
    struct list numbers;
    make_world(&w, f);
    must(f, credential_keepers(f->db, f->a, w.credential, &numbers, &f->e));
    assert_int_equal(numbers.n, 1);
    assert_int_equal(*(int64_t *)numbers.at, KEPT);
    must(f, locker_keepers(f->db, f->a, w.locker, &numbers, &f->e));
    assert_int_equal(numbers.n, 1);
    assert_code(f, credential_delete(f->db, f->a, as(f, w.admin), w.credential, NOW, &name, &f->e), DENIED);
    assert_int_equal(keeper.ends, 0);
    must(f, credential_delete(f->db, f->a, as(f, w.owner), w.credential, NOW, &name, &f->e));
    assert_int_equal(keeper.ends, 1);
    assert_true(str_equal(name, S("SAP")));
    assert_int_equal(number_of(f, SQL("SELECT count(*) FROM attribute_values")), 0);
}

static result keep(struct world *w, int64_t attribute, int64_t kept_by, const char *text)
{
    return value_keep(w->f->db, w->f->a, w->f->keys, attribute, kept_by, secret_of(w->f, text), tick(w->f), &w->f->e);
}

static void what_the_keeper_does(void **state)
{
    struct fixture *f = *state;
    struct world w;
    struct link_end end;
    struct secret *kept;
    make_world(&w, f);
    must(f, keep(&w, w.attribute, KEPT, "turned2"));
    assert_int_equal(number_of(f, SQL("SELECT version FROM attribute_values WHERE id = $1", P_INT(w.value))), 1);
    assert_int_equal(number_of(f, SQL("SELECT updated_by FROM attribute_values WHERE id = $1", P_INT(w.value))), 0);
    assert_string_equal(seen(f, w.reader, w.credential, MASKED_SETTER), "user=root password=turned2");
    must(f, value_link_end(f->db, f->a, w.attribute, &end, &f->e));
    assert_int_equal(end.value_id, w.value);
    assert_int_equal(end.kept_by, KEPT);
    assert_int_equal(end.credential.id, w.credential);
    assert_true(str_equal(end.attribute.name, S("password")));
    assert_code(f, value_link_end(f->db, f->a, 999, &end, &f->e), NOT_FOUND);

    /* aimed elsewhere: another link's end, an attribute that is not masked, one of the users' own */
    assert_code(f, keep(&w, w.attribute, OTHER_LINK, "x"), CONFLICT);
    assert_code(f, keep(&w, attribute_id(f, w.credential, "user"), KEPT, "x"), CONFLICT);
    int64_t pins = credential_new(f, w.owner, "pins", WISHES(f, wish("pin", true, true)));
    assert_code(f, keep(&w, attribute_id(f, pins, "pin"), KEPT, "x"), CONFLICT);
    assert_code(f, value_kept(f->db, f->a, f->keys, w.attribute, OTHER_LINK, &kept, &f->e), NOT_FOUND);
    must(f, value_erase_kept(f->db, w.attribute, OTHER_LINK, &f->e));
    must(f, value_kept(f->db, f->a, f->keys, w.attribute, KEPT, &kept, &f->e));
    assert_true(str_equal(secret_open(kept), S("turned2")));
    must(f, value_erase_kept(f->db, w.attribute, KEPT, &f->e));
    assert_code(f, value_kept(f->db, f->a, f->keys, w.attribute, KEPT, &kept, &f->e), NOT_FOUND);

    /* a value that stood there is replaced, and is its setter's no longer */
    value_new(f, w.owner, w.credential, "password", "by hand");
    must(f, keep(&w, w.attribute, OTHER_LINK, "turned3"));
    assert_string_equal(seen(f, w.owner, w.credential, MASKED_SETTER), "user=root password=*");
}

static void a_linked_auto_login(void **state)
{
    struct fixture *f = *state;
    struct world w;
    struct auto_login login;
    struct secret *password;
    make_world(&w, f);
    const struct caller *who = as(f, w.admin);
    must(f,
         auto_login_keep(f->db, f->a, f->keys, w.reader, KEPT, S("CORP\\robot"), secret_of(f, "turned1"), NOW, &f->e));
    for (int way = AUTO_LOGIN_CREATE; way <= AUTO_LOGIN_STORE; way++) {
        assert_code(f,
                    auto_login_store(f->db, f->a, f->keys, who, (enum auto_login_way)way, w.reader, S("x"),
                                     secret_of(f, "y"), NOW, &f->e),
                    CONFLICT);
        assert_string_equal(f->e.text, "This value follows managed account web05/root");
    }
    assert_code(f, auto_login_delete(f->db, f->a, who, w.reader, NOW, &f->e), CONFLICT);
    assert_code(f, auto_login_keep(f->db, f->a, f->keys, w.reader, OTHER_LINK, S("x"), secret_of(f, "y"), NOW, &f->e),
                CONFLICT);
    must(f, auto_login_erase_kept(f->db, w.reader, OTHER_LINK, &f->e));
    must(f, auto_login_open(f->db, f->a, f->keys, w.reader, &login, &password, &f->e));
    assert_int_equal(login.kept_by, KEPT);
    assert_true(str_equal(secret_open(password), S("turned1")));
    must(f, auto_login_forget_user(f->db, f->a, w.reader, NOW, &f->e));
    assert_int_equal(keeper.ends, 1);
    assert_code(f, auto_login_get(f->db, f->a, w.reader, &login, &f->e), NOT_FOUND);
    must(f, auto_login_forget_user(f->db, f->a, w.reader, NOW, &f->e));
    assert_int_equal(keeper.ends, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_reads_it, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(what_the_reader_is_told, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(nobody_writes_it, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(moving_it, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(deleting_the_credential_ends_it, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(what_the_keeper_does, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(a_linked_auto_login, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
