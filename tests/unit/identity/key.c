/* identity/key.c: API keys of people, and devices with theirs. */
#include "fixture.h"

static void an_api_key_is_its_owners(void **state)
{
    struct fixture *f = *state;
    int64_t sue = make_user(f, "sue", IDS(), IDS()), tom = make_user(f, "tom", IDS(), IDS()), user = 0, id = 0;
    struct api_key key, other, *keys;
    struct secret *secret, *more;
    size_t n;
    MUST(api_key_create(f->db, f->a, sue, S(" nightly "), NOW, &key, &secret, &f->e));
    assert_int_equal(secret_length(secret), 40);
    assert_same(key.name, S("nightly"));
    EXPECT(CONFLICT, api_key_create(f->db, f->a, sue, S("NIGHTLY"), NOW, &key, &more, &f->e));
    EXPECT(INVALID, api_key_create(f->db, f->a, sue, S(" "), NOW, &key, &more, &f->e));
    EXPECT(INVALID, api_key_create(f->db, f->a, sue, STR_ABSENT, NOW, &key, &more, &f->e));
    EXPECT(INVALID, api_key_create(f->db, f->a, sue, S("a\nb"), NOW, &key, &more, &f->e));
    EXPECT(NOT_FOUND, api_key_create(f->db, f->a, 4711, S("x"), NOW, &key, &more, &f->e));
    MUST(api_key_create(f->db, f->a, tom, S("nightly"), NOW, &other, &more, &f->e));
    MUST(api_key_find(f->db, f->a, S("SUE"), secret, NOW + 7, &user, &id, &f->e));
    assert_true(user == sue && id == key.id);
    EXPECT(UNAUTHENTICATED, api_key_find(f->db, f->a, S("tom"), secret, NOW, &user, &id, &f->e));
    EXPECT(UNAUTHENTICATED, api_key_find(f->db, f->a, S("nobody"), secret, NOW, &user, &id, &f->e));
    EXPECT(UNAUTHENTICATED, api_key_find(f->db, f->a, STR_ABSENT, secret, NOW, &user, &id, &f->e));
    EXPECT(UNAUTHENTICATED, api_key_find(f->db, f->a, S("sue"), NULL, NOW, &user, &id, &f->e));
    EXPECT(UNAUTHENTICATED, api_key_find(f->db, f->a, S("sue"), secret_of(f, "x"), NOW, &user, &id, &f->e));
    MUST(api_key_list(f->db, f->a, sue, &keys, &n, &f->e));
    assert_int_equal(n, 1);
    assert_true(keys[0].used_at == NOW + 7 && keys[0].created_at == NOW);
    struct user_change off = {.is_disabled = {true, true}}, on = {.is_disabled = {true, false}};
    MUST(user_update(f->db, f->a, NULL, sue, &off, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, api_key_find(f->db, f->a, S("sue"), secret, NOW, &user, &id, &f->e));
    MUST(user_update(f->db, f->a, NULL, sue, &on, NOW, &f->e));
    MUST(api_key_find(f->db, f->a, S("sue"), secret, NOW, &user, &id, &f->e));
    EXPECT(NOT_FOUND, api_key_delete(f->db, tom, key.id, &f->e));
    MUST(api_key_delete(f->db, sue, key.id, &f->e));
    EXPECT(NOT_FOUND, api_key_delete(f->db, sue, key.id, &f->e));
    EXPECT(UNAUTHENTICATED, api_key_find(f->db, f->a, S("sue"), secret, NOW, &user, &id, &f->e));
}

static void a_device_is_known_by_its_last_key(void **state)
{
    struct fixture *f = *state;
    int64_t omar = make_user(f, "omar", IDS(), IDS()), id, second;
    struct secret *key, *fresh;
    struct device d, with = {.host_name = S(" WIN-RPA-01 "), .default_user_id = omar};
    MUST(device_create(f->db, f->a, &with, f->admin, NOW, &id, &key, &f->e));
    MUST(device_by_key(f->db, f->a, opened(key), &d, &f->e));
    assert_true(d.id == id && d.default_user_id == omar && d.updated_by == f->admin && d.last_seen == 0);
    assert_same(d.host_name, S("WIN-RPA-01"));
    assert_same(d.default_user_name, S("omar"));
    MUST(device_new_key(f->db, f->a, id, &fresh, &f->e));
    EXPECT(UNAUTHENTICATED, device_by_key(f->db, f->a, opened(key), &d, &f->e));
    MUST(device_by_key(f->db, f->a, opened(fresh), &d, &f->e));
    EXPECT(UNAUTHENTICATED, device_by_key(f->db, f->a, S(""), &d, &f->e));
    EXPECT(UNAUTHENTICATED, device_by_key(f->db, f->a, STR_ABSENT, &d, &f->e));
    EXPECT(CONFLICT,
           device_create(f->db, f->a, &(struct device){.host_name = S("win-rpa-01")}, 1, NOW, &second, &key, &f->e));
    EXPECT(INVALID, device_create(f->db, f->a, &(struct device){.host_name = S(" ")}, 1, NOW, &second, &key, &f->e));
    EXPECT(INVALID,
           device_create(f->db, f->a, &(struct device){.host_name = S("a\x01")}, 1, NOW, &second, &key, &f->e));
    EXPECT(INVALID, device_create(f->db, f->a, &(struct device){.host_name = S("b"), .nickname = S("\xFF")}, 1, NOW,
                                  &second, &key, &f->e));
    EXPECT(NOT_FOUND, device_create(f->db, f->a, &(struct device){.host_name = S("b"), .default_user_id = 4711}, 1, NOW,
                                    &second, &key, &f->e));
    MUST(device_create(f->db, f->a, &(struct device){.host_name = S("b")}, 1, NOW, &second, &key, &f->e));
    with = (struct device){.id = second, .host_name = S("WIN-rpa-01")};
    EXPECT(CONFLICT, device_update(f->db, f->a, &with, 1, NOW, &f->e));
    with = (struct device){.id = second, .host_name = S("B"), .nickname = S("bee"), .default_user_id = omar};
    MUST(device_update(f->db, f->a, &with, 1, NOW, &f->e));
    with.id = 4711;
    EXPECT(NOT_FOUND, device_update(f->db, f->a, &with, 1, NOW, &f->e));
    EXPECT(NOT_FOUND, device_new_key(f->db, f->a, 4711, &key, &f->e));
    MUST(device_seen(f->db, second, NOW + 3, &f->e));
    MUST(user_delete(f->db, f->a, NULL, omar, NOW, &f->e));
    MUST(device_get(f->db, f->a, second, &d, &f->e));
    assert_true(d.default_user_id == 0 && d.last_seen == NOW + 3);
    assert_same(d.default_user_name, S(""));
    MUST(device_delete(f->db, id, &f->e));
    EXPECT(NOT_FOUND, device_delete(f->db, id, &f->e));
    EXPECT(NOT_FOUND, device_get(f->db, f->a, id, &d, &f->e));
    EXPECT(UNAUTHENTICATED, device_by_key(f->db, f->a, opened(fresh), &d, &f->e));
}

static void devices_are_listed_by_each_column(void **state)
{
    struct fixture *f = *state;
    struct counts counts;
    struct device *devices;
    struct secret *key;
    size_t n;
    int64_t omar = make_user(f, "Omar", IDS(), IDS()), id;
    MUST(device_create(f->db, f->a, &(struct device){.host_name = S("A"), .default_user_id = omar}, 1, NOW, &id, &key,
                       &f->e));
    MUST(device_seen(f->db, id, NOW, &f->e));
    MUST(device_create(f->db, f->a, &(struct device){.host_name = S("B"), .nickname = S("N")}, 1, NOW, &id, &key,
                       &f->e));
    static const struct {
        const char *name, *text;
        size_t found;
    } cases[] = {
        {"hostName", "a", 1},          {"nickname", "n", 1},      {"userName", "omar", 1}, {"status", "connected", 1},
        {"status", "disconnected", 1}, {"type", "bot_runner", 2}, {"type", "x", 0},        {"userName", "", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct column *c = device_columns;
        while (strcmp(c->name, cases[i].name) != 0)
            c++;
        struct listing l = {.length = 10,
                            .where = {.op = FILTER_EQ, .column = c, .has_value = true, .text = str_of(cases[i].text)},
                            .sort_count = 1,
                            .sorts = {{.column = c}}};
        MUST(device_list(f->db, f->a, &l, &counts, &devices, &n, &f->e));
        assert_int_equal(n, cases[i].found);
        assert_int_equal(counts.total, 2);
    }
    struct listing by_id = {.length = 10};
    MUST(device_list(f->db, f->a, &by_id, &counts, &devices, &n, &f->e));
    assert_true(n == 2 && devices[0].id == id && devices[1].default_user_id == omar);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        TEST(an_api_key_is_its_owners),
        TEST(a_device_is_known_by_its_last_key),
        TEST(devices_are_listed_by_each_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
