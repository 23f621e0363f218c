/* unit/vault/access.c: everybody × every verb, what each reads in clear, and lists that agree with single reads. */
#include "fixture.h"

enum person {
    OWNER,    /* of the credential; participates in its locker */
    EX_OWNER, /* made it and stored its values, then gave it away */
    LOCKER_OWNER,
    MANAGER,
    PARTICIPANT,
    CONSUMER,
    READER, /* a consumer with readmasked */
    EX_CONSUMER,
    EX_MANAGER,
    LOCKER_ADMIN,
    ANY_UPDATER,
    LOOSE_READER, /* readmasked, but consumes nothing */
    STRANGER,
    PEOPLE
};

struct world {
    struct fixture *f;
    int64_t people[PEOPLE], locker, credential, user_value, consumer_pin;
};

static void make_people(struct world *w)
{
    struct fixture *f = w->f;
    static const char *const names[PEOPLE] = {
        "owner",       "ex-owner",   "locker owner", "manager",     "participant",  "consumer", "reader",
        "ex-consumer", "ex-manager", "locker admin", "any updater", "loose reader", "stranger"};
    for (int i = 0; i < PEOPLE; i++)
        w->people[i] = user_with(f, names[i], RIGHTS(CREATE_STANDARD, LOCKER_CREATE));
    join(f, role_new(f, "admins", RIGHTS(LOCKER_ADMINISTER)), w->people[LOCKER_ADMIN]);
    join(f, role_new(f, "updaters", RIGHTS(UPDATE_ANY)), w->people[ANY_UPDATER]);
    int64_t readers = role_new(f, "readers", RIGHTS(READ_MASKED));
    join(f, readers, w->people[READER]);
    join(f, readers, w->people[LOOSE_READER]);
}

static void make_world(struct world *w, struct fixture *f)
{
    *w = (struct world){.f = f};
    int64_t *people = w->people;
    make_people(w);
    w->locker = locker_new(f, people[LOCKER_OWNER], "Finance");
    member_set(f, people[LOCKER_OWNER], w->locker, people[EX_OWNER], "participate");
    member_set(f, people[LOCKER_OWNER], w->locker, people[OWNER], "participate");
    member_set(f, people[LOCKER_OWNER], w->locker, people[PARTICIPANT], "participate");
    member_set(f, people[LOCKER_OWNER], w->locker, people[MANAGER], "MANAGE");
    member_set(f, people[LOCKER_OWNER], w->locker, people[EX_MANAGER], "manage");
    int64_t robots = role_new(f, "robots", RIGHTS(LOCKER_CONSUME));
    consumer_set(f, people[LOCKER_OWNER], w->locker, robots);
    join(f, robots, people[CONSUMER]);
    join(f, robots, people[READER]);
    join(f, robots, people[EX_CONSUMER]);
    w->credential =
        credential_new(f, people[EX_OWNER], "SAP",
                       WISHES(f, wish("user", false, false), wish("password", false, true), wish("pin", true, true),
                              wish("spare", false, true), wish("spare pin", true, true)));
    w->user_value = value_new(f, people[EX_OWNER], w->credential, "user", "fin01");
    value_new(f, people[EX_OWNER], w->credential, "password", "hunter2");
    must(f, locker_assign(f->db, f->a, as(f, people[EX_OWNER]), w->locker, w->credential, tick(f), &f->e));
    w->consumer_pin = value_new(f, people[CONSUMER], w->credential, "pin", "1111");
    value_new(f, people[READER], w->credential, "pin", "2222");
    value_new(f, people[EX_CONSUMER], w->credential, "pin", "3333");
    must(f, credential_transfer(f->db, f->a, as(f, people[EX_OWNER]), w->credential, people[OWNER], tick(f), &f->e));
    must(f,
         locker_remove_member(f->db, f->a, as(f, people[LOCKER_OWNER]), w->locker, people[EX_OWNER], tick(f), &f->e));
    must(f,
         locker_remove_member(f->db, f->a, as(f, people[LOCKER_OWNER]), w->locker, people[EX_MANAGER], tick(f), &f->e));
    leave(f, robots, people[EX_CONSUMER]);
}

/* ---- the verbs ---- */

static result get(struct world *w, const struct caller *who)
{
    struct credential c;
    struct standing s;
    return credential_get(w->f->db, w->f->a, who, w->credential, &c, &s, &w->f->e);
}
static result change(struct world *w, const struct caller *who)
{
    struct credential c;
    return credential_may_update(w->f->db, w->f->a, who, w->credential, &c, &w->f->e);
}
static result delete (struct world *w, const struct caller *who)
{
    struct str name;
    return credential_delete(w->f->db, w->f->a, who, w->credential, NOW, &name, &w->f->e);
}
static result hand_over(struct world *w, const struct caller *who)
{
    return credential_transfer(w->f->db, w->f->a, who, w->credential, w->people[MANAGER], NOW, &w->f->e);
}
static result new_value(struct world *w, const struct caller *who, const char *attribute)
{
    struct value made;
    struct value_entry entry = {.attribute_id = attribute_id(w->f, w->credential, attribute),
                                .value = secret_of(w->f, "new")};
    return value_create(w->f->db, w->f->a, w->f->keys, who, w->credential, &entry, 1, NOW, &made, &w->f->e);
}
static result new_standard(struct world *w, const struct caller *who)
{
    return new_value(w, who, "spare");
}
static result new_pin(struct world *w, const struct caller *who)
{
    return new_value(w, who, "spare pin");
}
static result set_standard(struct world *w, const struct caller *who)
{
    return value_set(w->f, who->user_id, w->credential, w->user_value, "changed");
}
static result set_pin(struct world *w, const struct caller *who)
{
    return value_set(w->f, who->user_id, w->credential, w->consumer_pin, "9999");
}
static result delete_standard(struct world *w, const struct caller *who)
{
    return value_delete(w->f->db, w->f->a, who, w->credential, w->user_value, NOW, &w->f->e);
}
static result delete_pin(struct world *w, const struct caller *who)
{
    return value_delete(w->f->db, w->f->a, who, w->credential, w->consumer_pin, NOW, &w->f->e);
}
static result locker_show(struct world *w, const struct caller *who)
{
    struct locker l;
    return locker_get(w->f->db, w->f->a, who, w->locker, &l, &w->f->e);
}
static result locker_edit(struct world *w, const struct caller *who)
{
    return locker_update(w->f->db, w->f->a, who, w->locker, S("Renamed"), STR_ABSENT, (struct opt_int){0}, NOW,
                         &w->f->e);
}
static result locker_drop(struct world *w, const struct caller *who)
{
    return locker_delete(w->f->db, w->f->a, who, w->locker, NOW, &w->f->e);
}
static result locker_people(struct world *w, const struct caller *who)
{
    struct locker_member m;
    return locker_set_member(w->f->db, w->f->a, who, w->locker, w->people[STRANGER], S("participate"), NOW, &m,
                             &w->f->e);
}
static result locker_roles(struct world *w, const struct caller *who)
{
    struct locker_consumer *list;
    size_t n;
    return locker_consumers(w->f->db, w->f->a, who, w->locker, &list, &n, &w->f->e);
}
static result locker_contents(struct world *w, const struct caller *who)
{
    struct credential *list;
    size_t n;
    return locker_credentials(w->f->db, w->f->a, who, w->locker, &list, &n, &w->f->e);
}
static result take_out(struct world *w, const struct caller *who)
{
    return locker_take_out(w->f->db, w->f->a, who, w->locker, w->credential, NOW, &w->f->e);
}
static result put_in_own(struct world *w, const struct caller *who)
{
    int64_t own = credential_new(w->f, who->user_id, "own", (struct list){0});
    return locker_assign(w->f->db, w->f->a, who, w->locker, own, NOW, &w->f->e);
}
static result put_in_other(struct world *w, const struct caller *who)
{
    int64_t other = credential_new(w->f, user_with(w->f, "other", RIGHTS(CREATE_STANDARD)), "other", (struct list){0});
    return locker_assign(w->f->db, w->f->a, who, w->locker, other, NOW, &w->f->e);
}

struct verb {
    const char *name;
    result (*run)(struct world *w, const struct caller *who);
    /* In the order of enum person: + done, D denied, N not found, C conflict, I invalid. */
    const char *expected;
};

static const struct verb verbs[] = {
    /*                                    OXLMPCRcmAULS */
    {"get a credential", get, "+N++N++NN+NNN"},
    {"update it", change, "CNDDNDDNNDNNN"},
    {"delete it", delete, "+NDDNDDNNDNNN"},
    {"transfer it", hand_over, "+NDDNDDNN+NNN"},
    {"set a new standard value", new_standard, "+NDDNDDNND+NN"},
    {"change a standard value", set_standard, "+NDDNDDNND+NN"},
    {"delete a standard value", delete_standard, "+NDDNDDNND+NN"},
    {"set a value of his own", new_pin, "DNDDN++NNDINN"},
    {"change the consumer's value", set_pin, "DNNNN+NNNN+NN"},
    {"delete the consumer's value", delete_pin, "+NNNN+NNNN+NN"},
    {"show a locker", locker_show, "+N+++++NN+NNN"},
    {"edit it", locker_edit, "DN++DDDNNDNNN"},
    {"delete it", locker_drop, "DN++DDDNN+NNN"},
    {"add a member", locker_people, "DN+DDDDNN+NNN"},
    {"list its consumers", locker_roles, "DN+DDDDNN+NNN"},
    {"list its credentials", locker_contents, "+N+++++NN+NNN"},
    {"take the credential out", take_out, "+N++NDDNN+NNN"},
    {"put in one of his own", put_in_own, "+N+++DDNN+NNN"},
    {"put in somebody else's", put_in_other, "NNNNNDDNNDNNN"},
};

static enum code code_of(char expected)
{
    switch (expected) {
    case '+':
        return OK;
    case 'D':
        return DENIED;
    case 'N':
        return NOT_FOUND;
    case 'C':
        return CONFLICT;
    default:
        return INVALID;
    }
}

static void everybody_and_every_verb(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    for (size_t v = 0; v < sizeof(verbs) / sizeof(verbs[0]); v++) {
        assert_int_equal(strlen(verbs[v].expected), PEOPLE);
        for (int p = 0; p < PEOPLE; p++) {
            must(f, db_savepoint(f->db, &f->e));
            result r = verbs[v].run(&w, as(f, w.people[p]));
            if (r.code != code_of(verbs[v].expected[p]))
                fail_msg("person %d, %s: %s %s", p, verbs[v].name, code_name(r.code), is_ok(r) ? "" : f->e.text);
            must(f, db_rollback_to(f->db, &f->e));
        }
    }
}

static void what_each_reads(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    static const struct {
        enum person who;
        const char *setter, *never;
    } reads[] = {
        {OWNER, "user=fin01 password=*", "user=fin01 password=*"},
        {EX_OWNER, "NOT_FOUND", "NOT_FOUND"},
        {LOCKER_OWNER, "user=fin01 password=*", "user=fin01 password=*"},
        {MANAGER, "user=fin01 password=*", "user=fin01 password=*"},
        {PARTICIPANT, "NOT_FOUND", "NOT_FOUND"},
        {CONSUMER, "user=fin01 password=* pin=1111", "user=fin01 password=* pin=*"},
        {READER, "user=fin01 password=hunter2 pin=2222", "user=fin01 password=* pin=*"},
        {EX_CONSUMER, "NOT_FOUND", "NOT_FOUND"},
        {EX_MANAGER, "NOT_FOUND", "NOT_FOUND"},
        {LOCKER_ADMIN, "user=fin01 password=*", "user=fin01 password=*"},
        {ANY_UPDATER, "user=fin01 password=hunter2 pin=1111 pin=2222 pin=3333",
         "user=fin01 password=* pin=* pin=* pin=*"},
        {LOOSE_READER, "NOT_FOUND", "NOT_FOUND"},
        {STRANGER, "NOT_FOUND", "NOT_FOUND"},
    };
    assert_int_equal(sizeof(reads) / sizeof(reads[0]), PEOPLE);
    for (size_t i = 0; i < PEOPLE; i++) {
        assert_string_equal(seen(f, w.people[reads[i].who], w.credential, MASKED_SETTER), reads[i].setter);
        assert_string_equal(seen(f, w.people[reads[i].who], w.credential, MASKED_NEVER), reads[i].never);
    }
}

static void a_right_that_ends_ends_at_once(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    int64_t owner = w.people[LOCKER_OWNER];
    struct locker_consumer *consumers;
    size_t n;
    must(f, locker_consumers(f->db, f->a, as(f, owner), w.locker, &consumers, &n, &f->e));
    assert_int_equal(n, 1);
    must(f, locker_remove_consumer(f->db, f->a, as(f, owner), w.locker, consumers[0].role_number, tick(f), &f->e));
    assert_string_equal(seen(f, w.people[READER], w.credential, MASKED_SETTER), "NOT_FOUND");
    assert_code(f, set_pin(&w, as(f, w.people[CONSUMER])), NOT_FOUND);
    assert_code(f, locker_show(&w, as(f, w.people[CONSUMER])), NOT_FOUND);

    int64_t switched_off = role_new(f, "switched off", RIGHTS(LOCKER_CONSUME));
    join(f, switched_off, w.people[STRANGER]);
    consumer_set(f, owner, w.locker, switched_off);
    assert_code(f, get(&w, as(f, w.people[STRANGER])), OK);
    run_sql(f, SQL("UPDATE roles SET is_active = 0 WHERE id = $1", P_INT(switched_off)));
    assert_code(f, get(&w, as(f, w.people[STRANGER])), NOT_FOUND);
}

static struct listing listing_of(int64_t length)
{
    return (struct listing){.where = {.op = FILTER_ALL}, .length = length};
}

/* Each list holds exactly what a read of one answers. */
static void lists_agree_with_reads(void **state)
{
    struct fixture *f = *state;
    struct world w;
    make_world(&w, f);
    credential_new(f, w.people[STRANGER], "of the stranger", WISHES(f, wish("a", false, false)));
    int64_t inside = credential_new(f, w.people[PARTICIPANT], "of the participant", WISHES(f, wish("a", false, false)));
    must(f, locker_assign(f->db, f->a, as(f, w.people[PARTICIPANT]), w.locker, inside, tick(f), &f->e));
    int64_t last = number_of(f, SQL("SELECT max(id) FROM credentials"));
    struct listing l = listing_of(100);
    for (int p = 0; p < PEOPLE; p++) {
        const struct caller *who = as(f, w.people[p]);
        struct counts counts;
        struct credential *list, one;
        struct standing s;
        size_t n, visible = 0, consumed = 0;
        for (int64_t id = 1; id <= last; id++)
            if (is_ok(credential_get(f->db, f->a, who, id, &one, &s, &f->e))) {
                visible++;
                consumed += s.is_consumer;
            }
        must(f, credential_list(f->db, f->a, who, false, &l, &counts, &list, &n, &f->e));
        assert_int_equal(n, visible);
        assert_int_equal(counts.total, visible);
        for (size_t i = 0; i < n; i++) {
            must(f, credential_get(f->db, f->a, who, list[i].id, &one, &s, &f->e));
            assert_int_equal(one.attributes.n, list[i].attributes.n);
        }
        must(f, credential_list(f->db, f->a, who, true, &l, &counts, &list, &n, &f->e));
        assert_int_equal(n, consumed);
        struct locker *lockers, locker;
        bool sees = is_ok(locker_get(f->db, f->a, who, w.locker, &locker, &f->e));
        must(f, locker_list(f->db, f->a, who, &l, &counts, &lockers, &n, &f->e));
        assert_int_equal(n, sees);
    }
}

static void attributes_of_many_slices(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 1203 };
    int64_t owner = user_with(f, "owner", RIGHTS(CREATE_STANDARD));
    for (int i = 0; i < MANY; i++) {
        const char *name = arena_printf(f->a, "credential %d", i).p;
        struct list none = {0};
        credential_new(f, owner, name, i % 3 == 0 ? none : WISHES(f, wish(name, true, false), wish("b", true, false)));
    }
    struct column by_name = credential_columns[0];
    struct listing l = listing_of(PAGE_MAX);
    l.sorts[0].column = &by_name;
    l.sort_count = 1;
    struct counts counts;
    struct credential *list;
    size_t n;
    must(f, credential_list(f->db, f->a, as(f, owner), false, &l, &counts, &list, &n, &f->e));
    assert_int_equal(n, MANY);
    for (size_t i = 0; i < n; i++) {
        const struct attribute *at = list[i].attributes.at;
        int64_t number;
        assert_true(str_to_int(str_sub(list[i].name, 11, 10), 0, MANY, &number));
        assert_int_equal(list[i].attributes.n, number % 3 == 0 ? 0 : 2);
        if (number % 3) {
            assert_true(str_equal(at[0].name, list[i].name));
            assert_true(str_equal(at[1].name, S("b")));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everybody_and_every_verb, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(what_each_reads, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(a_right_that_ends_ends_at_once, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(lists_agree_with_reads, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(attributes_of_many_slices, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
