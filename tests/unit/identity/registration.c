/* identity/registration.c: address rules, keys, and who may use a registration. */
#include "fixture.h"

static const struct {
    const char *type, *value, *address;
    bool allowed;
} matches[] = {
    {"SingleIP", "10.1.2.3", "10.1.2.3", true},
    {"SingleIP", " 10.1.2.3 ", "10.1.2.3", true},
    {"SingleIP", "10.1.2.3", "10.1.2.4", false},
    {"SingleIP", "10.1.2.3", "::ffff:10.1.2.3", true},
    {"SingleIP", "::ffff:10.1.2.3", "10.1.2.3", true},
    {"SingleIP", "2001:db8::1", "2001:DB8:0:0:0::1", true},
    {"SingleIP", "2001:db8::1", "2001:db8::2", false},
    {"SingleIP", "::10.1.2.3", "10.1.2.3", false},
    {"SingleIP", "10.1.2.3", "", false},
    {"SingleIP", "10.1.2.3", "10.1.2.3x", false},
    {"SingleIP", "10.1.2.3", "10.1.2.3%eth0", false},
    {"SingleIP", "10.1.2.3", "010.1.2.3", false},
    {"IPRange", "10.0.0.5-10.0.1.5", "10.0.0.5", true},
    {"IPRange", "10.0.0.5 - 10.0.1.5", "10.0.1.5", true},
    {"IPRange", "10.0.0.5-10.0.1.5", "10.0.0.255", true},
    {"IPRange", "10.0.0.5-10.0.1.5", "10.0.0.4", false},
    {"IPRange", "10.0.0.5-10.0.1.5", "10.0.1.6", false},
    {"IPRange", "10.0.0.5-10.0.1.5", "::a00:6", false},
    {"IPRange", "2001:db8::-2001:db8::ff", "2001:db8::80", true},
    {"IPRange", "2001:db8::-2001:db8::ff", "2001:db8::100", false},
    {"IPRange", "::-ffff::", "10.0.0.1", false},
    {"CIDR", "10.0.0.0/8", "10.255.255.255", true},
    {"CIDR", "10.0.0.0/8", "11.0.0.0", false},
    {"CIDR", "10.0.0.9/8", "10.1.1.1", true},
    {"CIDR", "10.1.2.128/25", "10.1.2.127", false},
    {"CIDR", "10.1.2.128/25", "10.1.2.129", true},
    {"CIDR", "10.1.2.3/32", "10.1.2.3", true},
    {"CIDR", "10.1.2.3/32", "10.1.2.2", false},
    {"CIDR", "0.0.0.0/0", "192.0.2.1", true},
    {"CIDR", "0.0.0.0/0", "2001:db8::1", false},
    {"CIDR", "::/0", "2001:db8::1", true},
    {"CIDR", "::/0", "192.0.2.1", false},
    {"CIDR", "::/0", "::ffff:192.0.2.1", false},
    {"CIDR", "2001:db8::/33", "2001:db8:7fff::1", true},
    {"CIDR", "2001:db8::/33", "2001:db8:8000::1", false},
    {"CIDR", "::ffff:10.0.0.0/104", "10.9.9.9", true},
    {"CIDR", "::ffff:10.0.0.0/104", "11.9.9.9", false},
    {"IPList", "10.0.0.1,10.0.0.2", "10.0.0.2", true},
    {"IPList", "10.0.0.1 , 2001:db8::1", "2001:db8::1", true},
    {"IPList", "10.0.0.1,10.0.0.2", "10.0.0.3", false},
    {"IPList", "10.0.0.1", "10.0.0.1", true},
};

static void rules_match_what_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof matches / sizeof matches[0]; i++) {
        struct registration_rule rule = {.type = str_of(matches[i].type), .value = str_of(matches[i].value)};
        struct registration r = {.rules = {.at = &rule, .n = 1}};
        struct err e;
        assert_true(is_ok(registration_rule_check(rule.type, rule.value, &e)));
        if (registration_allows(&r, str_of(matches[i].address), false) != matches[i].allowed)
            fail_msg("%s %s: %s", matches[i].type, matches[i].value, matches[i].address);
    }
}

static void broken_rules_are_refused_and_match_nothing(void **state)
{
    (void)state;
    static const char *const broken[][2] = {
        {"SingleIP", ""},
        {"SingleIP", "10.0.0"},
        {"SingleIP", "10.0.0.256"},
        {"SingleIP", "10.0.0.0/8"},
        {"SingleIP", "10.0.0.1,10.0.0.2"},
        {"SingleIP", "host.example"},
        {"SingleIP", "fe80::1%eth0"},
        {"SingleIP", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001"},
        {"IPRange", "10.0.0.1"},
        {"IPRange", "10.0.0.1-"},
        {"IPRange", "-10.0.0.1"},
        {"IPRange", "10.0.0.2-10.0.0.1"},
        {"IPRange", "10.0.0.1-2001:db8::1"},
        {"IPRange", "10.0.0.1-10.0.0.2-10.0.0.3"},
        {"CIDR", "10.0.0.0"},
        {"CIDR", "10.0.0.0/"},
        {"CIDR", "10.0.0.0/33"},
        {"CIDR", "10.0.0.0/-1"},
        {"CIDR", "10.0.0.0/8/8"},
        {"CIDR", "10.0.0.0/255.0.0.0"},
        {"CIDR", "/8"},
        {"CIDR", "::/129"},
        {"CIDR", "::ffff:10.0.0.0/95"},
        {"IPList", ""},
        {"IPList", "10.0.0.1,"},
        {"IPList", ",10.0.0.1"},
        {"IPList", "10.0.0.1;10.0.0.2"},
        {"IPList", "10.0.0.0/8,10.0.0.1"},
        {"singleip", "10.0.0.1"},
        {"", "10.0.0.1"},
        {"Any", "0.0.0.0/0"},
    };
    struct err e;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        if (registration_rule_check(str_of(broken[i][0]), str_of(broken[i][1]), &e).code != INVALID)
            fail_msg("%s %s", broken[i][0], broken[i][1]);
        struct registration_rule rule = {.type = str_of(broken[i][0]), .value = str_of(broken[i][1])};
        struct registration r = {.rules = {.at = &rule, .n = 1}};
        assert_false(registration_allows(&r, S("10.0.0.9"), false));
    }
    assert_int_equal(registration_rule_check(STR_ABSENT, STR_ABSENT, &e).code, INVALID);
    assert_int_equal(registration_rule_check(S("SingleIP"), (struct str){"10.0.0.1\0x", 10}, &e).code, INVALID);
}

/* What the server did not find to be loopback is not, whatever its address says. */
static void loopback_is_the_servers_finding(void **state)
{
    (void)state;
    struct registration none = {0};
    assert_true(registration_allows(&none, S("127.0.0.1"), true));
    assert_false(registration_allows(&none, S("127.0.0.1"), false));
    assert_false(registration_allows(&none, S("192.0.2.1"), false));
    struct registration_rule rules[] = {{.type = S("CIDR"), .value = S("127.0.0.0/8")},
                                        {.type = S("SingleIP"), .value = S("::1")},
                                        {.type = S("CIDR"), .value = S("0.0.0.0/0")}};
    struct registration r = {.rules = {.at = rules, .n = 3}};
    static const char *const loopback[] = {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(registration_allows(&r, str_of(loopback[i]), true));
        assert_false(registration_allows(&r, str_of(loopback[i]), false));
    }
    assert_true(registration_allows(&r, S("192.0.2.1"), false));
    r.rules.n = 2;
    assert_false(registration_allows(&r, S("192.0.2.1"), true));
}

static int64_t make(struct fixture *f, const char *name, const char *type, struct secret **ret_key)
{
    int64_t id = 0;
    struct registration_change with = {.name = str_of(name), .type = str_of(type), .is_active = {true, true}};
    MUST(registration_create(f->db, f->a, f->keys, &with, NULL, NOW, &id, ret_key, &f->e));
    return id;
}

static void a_key_is_found_until_it_is_rotated(void **state)
{
    struct fixture *f = *state;
    struct secret *key, *again, *rotated;
    struct registration r;
    int64_t id = make(f, "ci", "apikeypolicy", &key);
    assert_int_equal(secret_length(key), 128);
    MUST(registration_by_key(f->db, f->a, opened(key), &r, &f->e));
    assert_int_equal(r.id, id);
    MUST(registration_key(f->db, f->a, f->keys, id, &again, &f->e));
    assert_true(secret_equal(key, again));
    MUST(registration_rotate(f->db, f->a, f->keys, id, &rotated, &f->e));
    EXPECT(UNAUTHENTICATED, registration_by_key(f->db, f->a, opened(key), &r, &f->e));
    MUST(registration_by_key(f->db, f->a, opened(rotated), &r, &f->e));
    assert_int_equal(r.key_version, 2);
    MUST(registration_key(f->db, f->a, f->keys, id, &again, &f->e));
    assert_true(secret_equal(rotated, again));
    struct registration_change off = {.is_active = {true, false}};
    MUST(registration_update(f->db, f->a, id, &off, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, registration_by_key(f->db, f->a, opened(rotated), &r, &f->e));
    EXPECT(UNAUTHENTICATED, registration_by_key(f->db, f->a, S(""), &r, &f->e));
    EXPECT(UNAUTHENTICATED, registration_by_key(f->db, f->a, STR_ABSENT, &r, &f->e));
    char longer[257] = {0};
    EXPECT(UNAUTHENTICATED, registration_by_key(f->db, f->a, (struct str){longer, 257}, &r, &f->e));
    keyring_close(f->keys);
    EXPECT(SEALED, registration_key(f->db, f->a, f->keys, id, &again, &f->e));
    EXPECT(SEALED, registration_rotate(f->db, f->a, f->keys, id, &rotated, &f->e));
    MUST(registration_delete(f->db, f->a, id, &f->e));
    EXPECT(NOT_FOUND, registration_delete(f->db, f->a, id, &f->e));
    EXPECT(NOT_FOUND, registration_get(f->db, f->a, id, &r, &f->e));
    EXPECT(NOT_FOUND, registration_key(f->db, f->a, f->keys, id, &again, &f->e));
}

static void bad_registrations_are_refused(void **state)
{
    struct fixture *f = *state;
    struct secret *key, *given = secret_of(f, "c479-from-the-command-line");
    int64_t id, policy = make(f, "policy", "apiaccesspolicy", &key);
    struct registration r;
    assert_null(key);
    EXPECT(NOT_FOUND, registration_key(f->db, f->a, f->keys, policy, &key, &f->e));
    EXPECT(CONFLICT, registration_rotate(f->db, f->a, f->keys, policy, &key, &f->e));
    struct registration_rule rule = {.type = S("CIDR"), .value = S("10.0.0.0/40")};
    const struct registration_change bad[] = {
        {0},
        {.name = S("  ")},
        {.name = S("a\nb")},
        {.name = S("x"), .type = S("other")},
        {.name = S("x"), .token_minutes = {true, 0}},
        {.name = S("x"), .token_minutes = {true, INT64_MAX}},
        {.name = S("x"), .rules = {.at = &rule, .n = 1, .is_set = true}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(INVALID, registration_create(f->db, f->a, f->keys, &bad[i], NULL, NOW, &id, &key, &f->e));
    struct registration_change with = {.name = S("POLICY")};
    EXPECT(CONFLICT, registration_create(f->db, f->a, f->keys, &with, NULL, NOW, &id, &key, &f->e));
    with.type = S("apikeypolicy");
    with.name = S("other");
    EXPECT(INVALID, registration_update(f->db, f->a, policy, &with, NOW, &f->e));
    MUST(registration_create(f->db, f->a, f->keys, &with, given, NOW, &id, &key, &f->e));
    assert_true(secret_equal(key, given));
    with.name = S("third");
    EXPECT(CONFLICT, registration_create(f->db, f->a, f->keys, &with, given, NOW, &id, &key, &f->e));
    with = (struct registration_change){.name = S("Policy")};
    EXPECT(CONFLICT, registration_update(f->db, f->a, id, &with, NOW, &f->e));
    MUST(registration_get(f->db, f->a, id, &r, &f->e));
    assert_false(r.is_active); /* unless it is said */
    struct registration_rule good[] = {{.type = S("SingleIP"), .value = S("10.0.0.1"), .description = S("d")}};
    with = (struct registration_change){.rules = {.at = good, .n = 1, .is_set = true}};
    MUST(registration_update(f->db, f->a, id, &with, NOW, &f->e));
    with = (struct registration_change){.is_active = {true, true}};
    MUST(registration_update(f->db, f->a, id, &with, NOW, &f->e));
    struct registration *all;
    size_t n;
    MUST(registration_list(f->db, f->a, &all, &n, &f->e));
    assert_int_equal(n, 2);
    assert_int_equal(all[0].rules.n, 0);
    assert_int_equal(all[1].rules.n, 1);
    assert_same(((struct registration_rule *)all[1].rules.at)[0].description, S("d"));
}

static bool has(struct fixture *f, int64_t registration, int64_t user)
{
    bool found = false;
    MUST(registration_has_user(f->db, f->a, registration, user, &found, &f->e));
    return found;
}

static void only_its_users_may_use_it(void **state)
{
    struct fixture *f = *state;
    struct secret *key;
    int64_t keyed = make(f, "keyed", "apikeypolicy", &key), policy = make(f, "policy", "apiaccesspolicy", &key);
    int64_t group = make_role(f, FACE_PASSWORDSAFE, "g", NULL, 0), app;
    int64_t user = make_user(f, "u", IDS(), IDS(group));
    assert_false(has(f, keyed, user));
    struct role_change enable = {.registrations = IDS(keyed, policy)};
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, group, &enable, NOW, &f->e));
    assert_true(has(f, keyed, user));
    assert_false(has(f, policy, user));
    assert_false(has(f, keyed, f->admin));
    struct user_change with = {.name = S("app"), .user_type = S("Application"), .access_policy_id = {true, policy}};
    MUST(user_create(f->db, f->a, NULL, &with, NOW, &app, &f->e));
    assert_false(has(f, policy, app));
    MUST(role_add_member(f->db, f->a, NULL, FACE_CONTROLROOM, 2, app, NOW, &f->e));
    assert_false(has(f, policy, app)); /* a role is no group */
    MUST(role_add_member(f->db, f->a, NULL, FACE_PASSWORDSAFE, 1, app, NOW, &f->e));
    assert_true(has(f, policy, app));
    with = (struct user_change){.access_policy_id = {true, policy}};
    MUST(user_update(f->db, f->a, NULL, user, &with, NOW, &f->e));
    assert_false(has(f, policy, user)); /* no application user */
    struct role_change off = {.is_active = {true, false}};
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, group, &off, NOW, &f->e));
    assert_false(has(f, keyed, user));
    assert_false(has(f, 4711, user));
}

static void address_keys_fold_spellings(void **state)
{
    struct fixture *f = *state;
    assert_same(signin_address_key(f->a, S("10.1.2.3")), S("10.1.2.3/32"));
    assert_same(signin_address_key(f->a, S("::ffff:10.1.2.3")), S("10.1.2.3/32"));
    assert_same(signin_address_key(f->a, S("2001:DB8:0:1:2:3:4:5")), S("2001:db8:0:1::/64"));
    assert_same(signin_address_key(f->a, S("::1")), S("::/64"));
    assert_same(signin_address_key(f->a, S("")), S("-"));
    assert_same(signin_address_key(f->a, STR_ABSENT), S("-"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_match_what_they_say),
        cmocka_unit_test(broken_rules_are_refused_and_match_nothing),
        cmocka_unit_test(loopback_is_the_servers_finding),
        TEST(a_key_is_found_until_it_is_rotated),
        TEST(bad_registrations_are_refused),
        TEST(only_its_users_may_use_it),
        TEST(address_keys_fold_spellings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
