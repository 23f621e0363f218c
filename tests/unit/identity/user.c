/* identity/user.c: names, what a change keeps and ends, deletion, lists. */
#include "fixture.h"

static result create(struct fixture *f, const char *name)
{
    int64_t id;
    struct user_change with = {.name = str_of(name), .password_hash = S("h")};
    return user_create(f->db, f->a, NULL, &with, NOW, &id, &f->e);
}

static void bad_names_are_refused(void **state)
{
    struct fixture *f = *state;
    char longer[257];
    memset(longer, 'x', 256);
    longer[256] = '\0';
    static const char *const invalid[] = {"", " ", "\u00A0", "a\tb", "\xFF\xFE", "\xED\xA0\x80"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        EXPECT(INVALID, create(f, invalid[i]));
    EXPECT(INVALID, create(f, NULL));
    EXPECT(INVALID, create(f, longer));
    EXPECT(CONFLICT, create(f, "ADMIN"));
    EXPECT(CONFLICT, create(f, " admin "));
    EXPECT(CONFLICT, create(f, "Keyturn"));
    MUST(create(f, "\u00C4rger"));
    EXPECT(CONFLICT, create(f, "a\u0308RGER"));
    int64_t id;
    struct user_change with = {.name = S("no password")};
    EXPECT(INVALID, user_create(f->db, f->a, NULL, &with, NOW, &id, &f->e));
    with.user_type = S("Application");
    MUST(user_create(f->db, f->a, NULL, &with, NOW, &id, &f->e));
    with = (struct user_change){.name = S("roles"), .password_hash = S("h"), .role_numbers = IDS(2, 4711)};
    EXPECT(INVALID, user_create(f->db, f->a, NULL, &with, NOW, &id, &f->e));
    with.role_numbers = IDS(100); /* of no face */
    EXPECT(INVALID, user_create(f->db, f->a, NULL, &with, NOW, &id, &f->e));
    EXPECT(NOT_FOUND, user_update(f->db, f->a, NULL, 4711, &with, NOW, &f->e));
    EXPECT(NOT_FOUND, user_update(f->db, f->a, NULL, 0, &with, NOW, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM users"), 3);
}

static void absent_members_keep_what_is_stored(void **state)
{
    struct fixture *f = *state;
    int64_t id;
    struct user_change with = {
        .name = S(" Sue "),
        .domain = S("CORP"),
        .first_name = S("Sue"),
        .last_name = S("S"),
        .email = S("s@x"),
        .description = S("d"),
        .license_features = S("RUNTIME,DEVELOPMENT"),
        .password_hash = S("h"),
        .access_policy_id = {true, 9},
        .enable_auto_login = {true, false},
        .role_numbers = IDS(2, 5),
        .group_numbers = IDS(1),
    };
    MUST(user_create(f->db, f->a, NULL, &with, NOW, &id, &f->e));
    MUST(user_update(f->db, f->a, NULL, id, &(struct user_change){.first_name = S("Susan")}, NOW + 5, &f->e));
    struct user u = user_of(f, id);
    assert_same(u.name, S("Sue"));
    assert_same(u.first_name, S("Susan"));
    assert_same(u.last_name, S("S"));
    assert_same(u.domain, S("CORP"));
    assert_same(u.email, S("s@x"));
    assert_same(u.description, S("d"));
    assert_same(u.license_features, S("RUNTIME,DEVELOPMENT"));
    assert_same(u.user_type, S("BeyondInsight"));
    assert_int_equal(u.access_policy_id, 9);
    assert_true(u.has_password && !u.enable_auto_login && !u.is_disabled);
    assert_int_equal(u.version, 1);
    assert_true(u.created_at == NOW && u.updated_at == NOW + 5 && u.tokens_valid_after == 0);
    assert_int_equal(u.roles.n, 2);
    assert_int_equal(((struct role_ref *)u.roles.at)[1].number, 5);
    assert_int_equal(u.groups.n, 1);
    assert_same(((struct role_ref *)u.groups.at)[0].name, S("Administrators"));
}

static void a_domain_leads_to_its_user_only(void **state)
{
    struct fixture *f = *state;
    int64_t id = make_user(f, "ada", IDS(), IDS()), bob = make_user(f, "bob", IDS(), IDS()), found;
    MUST(user_update(f->db, f->a, NULL, id, &(struct user_change){.domain = S("Corp")}, NOW, &f->e));
    MUST(user_id_by_name(f->db, f->a, S("corp\\ADA"), &found, &f->e));
    assert_int_equal(found, id);
    static const char *const wrong[] = {"other\\ada",   "\\ada", "corp\\bob",  "corp\\",
                                        "corp\\ada\\x", "\\",    "corp\\\\ada"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        EXPECT(NOT_FOUND, user_id_by_name(f->db, f->a, str_of(wrong[i]), &found, &f->e));
    EXPECT(NOT_FOUND, user_id_by_name(f->db, f->a, S("\\bob"), &found, &f->e)); /* his domain is empty */
    int64_t whole = make_user(f, "corp\\ada", IDS(), IDS());
    MUST(user_id_by_name(f->db, f->a, S("CORP\\ada"), &found, &f->e));
    assert_int_equal(found, whole);
    assert_true(bob != whole);
}

static struct registration make_registration(struct fixture *f)
{
    int64_t id;
    struct secret *key;
    struct registration r;
    struct registration_change with = {.name = S("api"), .is_active = {true, true}};
    MUST(registration_create(f->db, f->a, f->keys, &with, NULL, NOW, &id, &key, &f->e));
    struct role_change enable = {.registrations = IDS(id)};
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, 1, &enable, NOW, &f->e));
    MUST(registration_get(f->db, f->a, id, &r, &f->e));
    return r;
}

/* What ends with which change: sessions, and tokens by the moment until which they are dead. */
static void changes_end_what_they_should(void **state)
{
    struct fixture *f = *state;
    struct registration r = make_registration(f);
    int64_t id = make_user(f, "sue", IDS(2, 5), IDS(1));
    struct secret *session;
    const struct {
        struct user_change with;
        bool ends_sessions, ends_tokens;
    } cases[] = {
        {{.first_name = S("x")}, false, false},
        {{.name = S("susan")}, false, false},
        {{.password_hash = S("other")}, true, true},
        {{.is_disabled = {true, true}}, true, true},
        {{.is_disabled = {true, true}}, false, false}, /* already */
        {{.is_disabled = {true, false}}, false, false},
        {{.is_quarantined = {true, true}}, true, true},
        {{.is_quarantined = {true, false}}, false, false},
        {{.role_numbers = IDS(2, 5, 6)}, false, false},
        {{.role_numbers = IDS(2, 6)}, false, true},
        {{.role_numbers = IDS(2, 6)}, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        MUST(session_create(f->db, f->a, id, &r, 0, NOW, &session, &f->e));
        int64_t sessions = number_of(f, "SELECT count(*) FROM sessions"), before = user_of(f, id).tokens_valid_after;
        MUST(user_update(f->db, f->a, NULL, id, &cases[i].with, NOW, &f->e));
        assert_int_equal(number_of(f, "SELECT count(*) FROM sessions"), cases[i].ends_sessions ? 0 : sessions);
        assert_int_equal(user_of(f, id).tokens_valid_after > before, cases[i].ends_tokens);
    }
    int64_t before = user_of(f, id).tokens_valid_after;
    MUST(role_remove_member(f->db, f->a, NULL, FACE_CONTROLROOM, 2, id, NOW, &f->e));
    assert_true(user_of(f, id).tokens_valid_after > before);
    int64_t role = make_role(f, FACE_CONTROLROOM, "r", NULL, 0);
    MUST(role_add_member(f->db, f->a, NULL, FACE_CONTROLROOM, role, id, NOW, &f->e));
    before = user_of(f, id).tokens_valid_after;
    MUST(role_delete(f->db, f->a, NULL, FACE_CONTROLROOM, role, NOW, &f->e));
    assert_true(user_of(f, id).tokens_valid_after > before);
    /* Up to the moment of the change, though its request came earlier. */
    int64_t moment = clock_now();
    MUST(user_end_sessions(f->db, id, NOW, &f->e));
    assert_true(user_of(f, id).tokens_valid_after >= moment);
    /* A clock that stands behind never moves it back. */
    before = user_of(f, id).tokens_valid_after;
    MUST(user_end_sessions(f->db, id, before + DAYS, &f->e));
    MUST(user_end_sessions(f->db, id, NOW, &f->e));
    assert_int_equal(user_of(f, id).tokens_valid_after, before + DAYS);
}

static void an_own_password_changes_once(void **state)
{
    struct fixture *f = *state;
    int64_t id = make_user(f, "sue", IDS(), IDS());
    struct str old = S("$argon2id$of-nobody");
    EXPECT(CONFLICT, user_set_own_password(f->db, id, S("another"), S("new"), NOW, &f->e));
    EXPECT(CONFLICT, user_set_own_password(f->db, 4711, old, S("new"), NOW, &f->e));
    MUST(user_set_own_password(f->db, id, old, S("new"), NOW, &f->e));
    EXPECT(CONFLICT, user_set_own_password(f->db, id, old, S("newer"), NOW, &f->e));
    assert_true(user_of(f, id).tokens_valid_after > 0);
}

static void a_deleted_user_leaves_nothing_to_use(void **state)
{
    struct fixture *f = *state;
    struct registration r = make_registration(f);
    int64_t id = make_user(f, "sue", IDS(2), IDS(1)), found;
    struct api_key key;
    struct secret *secret, *session;
    struct caller who = {0};
    MUST(api_key_create(f->db, f->a, id, S("k"), NOW, &key, &secret, &f->e));
    MUST(session_create(f->db, f->a, id, &r, 0, NOW, &session, &f->e));
    run_sql(f,
            "INSERT INTO lockers (id, name, name_key, description, description_key, created_by, created_at, updated_by,"
            " updated_at) VALUES (1, 'l', 'l', '', '', 0, 0, 0, 0)");
    MUST(db_run(f->db, SQL("INSERT INTO locker_members VALUES (1, $1, 'own')", P_INT(id)), &f->e));
    MUST(db_run(f->db,
                SQL("INSERT INTO credentials (id, name, name_key, description, description_key, owner_id, created_by,"
                    " created_at, updated_by, updated_at) VALUES (1, 'c', 'c', '', '', $1, 0, 0, 0, 0)",
                    P_INT(id)),
                &f->e));
    EXPECT(CONFLICT, user_delete(f->db, f->a, NULL, id, NOW, &f->e));
    assert_non_null(strstr(f->e.text, "owns credentials"));
    run_sql(f, "DELETE FROM credentials");
    EXPECT(CONFLICT, user_delete(f->db, f->a, NULL, id, NOW, &f->e));
    assert_non_null(strstr(f->e.text, "last owner of locker l"));
    int64_t other = make_user(f, "other", IDS(), IDS());
    MUST(db_run(f->db, SQL("INSERT INTO locker_members VALUES (1, $1, 'own')", P_INT(other)), &f->e));
    MUST(user_delete(f->db, f->a, NULL, id, NOW, &f->e));
    EXPECT(NOT_FOUND, user_delete(f->db, f->a, NULL, id, NOW, &f->e));
    struct user u;
    EXPECT(NOT_FOUND, user_get(f->db, f->a, id, &u, &f->e));
    EXPECT(NOT_FOUND, user_by_name(f->db, f->a, S("sue"), &u, &f->e));
    EXPECT(NOT_FOUND, user_by_name(f->db, f->a, S("DELETED:2"), &u, &f->e));
    EXPECT(NOT_FOUND, user_by_name(f->db, f->a, S("deleted:2"), &u, &f->e));
    EXPECT(UNAUTHENTICATED, session_admit(f->db, f->a, opened(session), NOW, &who, &r, &f->e));
    EXPECT(UNAUTHENTICATED, api_key_find(f->db, f->a, S("sue"), secret, NOW, &found, &found, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM locker_members"), 1); /* the other owner */
    assert_int_equal(caller_of(f, id).rights.level[LOCKER_CREATE], 0);
    /* The name is free, and nobody can take the place that the row now has. */
    assert_true(make_user(f, "Sue", IDS(), IDS()) > id);
    make_user(f, "deleted:2", IDS(), IDS());
    int64_t again = make_user(f, "DELETED:3", IDS(), IDS());
    MUST(user_delete(f->db, f->a, NULL, again, NOW, &f->e));
}

static void an_open_request_keeps_its_user(void **state)
{
    struct fixture *f = *state;
    int64_t id = make_user(f, "sue", IDS(), IDS());
    run_sql(f, "INSERT INTO workgroups (id, name, name_key) VALUES (1, 'w', 'w')");
    run_sql(f, "INSERT INTO assets (id, workgroup_id, name, name_key, ip_address, created_at, updated_at)"
               " VALUES (1, 1, 'h', 'h', '192.0.2.1', 0, 0)");
    run_sql(f, "INSERT INTO password_rules (id, name, name_key, min_length, max_length, first, lowercase, uppercase,"
               " numeric, symbol, enabled_products) VALUES (0, 'd', 'd', 8, 8, 'A', 'P', 'P', 'P', 'P', 0)");
    run_sql(f, "INSERT INTO managed_systems (id, workgroup_id, asset_id, name, name_key, host_name, platform_id)"
               " VALUES (7, 1, 1, 'h', 'h', 'h', 1)");
    run_sql(f, "INSERT INTO managed_accounts (id, system_id, name, name_key) VALUES (14, 7, 'root', 'root')");
    MUST(db_run(f->db,
                SQL("INSERT INTO requests (user_id, account_id, kind, access_type, status, min_approvers,"
                    " duration_minutes, created_at, ends_at) VALUES ($1, 14, 'request', 'View', 'Pending', 1, 1, 0, 0)",
                    P_INT(id)),
                &f->e));
    EXPECT(CONFLICT, user_delete(f->db, f->a, NULL, id, NOW, &f->e));
    run_sql(f, "UPDATE requests SET status = 'Active'");
    EXPECT(CONFLICT, user_delete(f->db, f->a, NULL, id, NOW, &f->e));
    run_sql(f, "UPDATE requests SET status = 'Expired'");
    MUST(user_delete(f->db, f->a, NULL, id, NOW, &f->e));
}

static void client_secrets_are_for_applications(void **state)
{
    struct fixture *f = *state;
    struct str id_text, again_text;
    struct secret *first, *second;
    int64_t app, person = make_user(f, "sue", IDS(), IDS());
    struct user_change with = {.name = S("app"), .user_type = S("Application"), .group_numbers = IDS(1)};
    MUST(user_create(f->db, f->a, NULL, &with, NOW, &app, &f->e));
    EXPECT(CONFLICT, user_new_client_secret(f->db, f->a, NULL, person, NOW, &id_text, &first, &f->e));
    MUST(user_new_client_secret(f->db, f->a, NULL, app, NOW, &id_text, &first, &f->e));
    MUST(user_new_client_secret(f->db, f->a, NULL, app, NOW, &again_text, &second, &f->e));
    assert_same(id_text, again_text);
    assert_false(secret_equal(first, second));
    struct caller less = caller_of(f, person);
    EXPECT(DENIED, user_new_client_secret(f->db, f->a, &less, app, NOW, &id_text, &first, &f->e));
}

static void lists_show_whom_they_should(void **state)
{
    struct fixture *f = *state;
    struct counts counts;
    struct user *users;
    size_t n;
    int64_t sue = make_user(f, "Sue", IDS(2), IDS(1)), tom = make_user(f, "tom", IDS(5), IDS());
    int64_t gone = make_user(f, "gone", IDS(2), IDS());
    MUST(user_delete(f->db, f->a, NULL, gone, NOW, &f->e));
    MUST(user_update(f->db, f->a, NULL, tom,
                     &(struct user_change){.is_disabled = {true, true}, .domain = S("CORP"), .email = S("Tom@X")}, NOW,
                     &f->e));
    for (const struct column *c = user_columns; c->name; c++) {
        struct listing l = {.length = 100, .sort_count = 1, .sorts = {{.column = c, .is_descending = true}}};
        MUST(user_list(f->db, f->a, &l, &counts, &users, &n, &f->e));
        assert_int_equal(n, 3);
        assert_int_equal(counts.total, 3);
    }
    for (const struct column *c = user_columns; c->name; c++) {
        struct listing l = {.length = 100, .where = {.op = FILTER_EQ, .column = c, .has_value = true}};
        if (strcmp(c->name, "domain") == 0)
            l.where.text = S("corp");
        else if (strcmp(c->name, "email") == 0)
            l.where.text = S("tom@x");
        else if (strcmp(c->name, "disabled") == 0)
            l.where.number = 1;
        else
            continue;
        MUST(user_list(f->db, f->a, &l, &counts, &users, &n, &f->e));
        assert_int_equal(n, 1);
        assert_int_equal(users[0].id, tom);
        assert_int_equal(((struct role_ref *)users[0].roles.at)[0].number, 5);
        assert_int_equal(users[0].groups.n, 0);
    }
    MUST(user_list_all(f->db, f->a, false, 0, &users, &n, &f->e));
    assert_int_equal(n, 2);
    MUST(user_list_all(f->db, f->a, true, 0, &users, &n, &f->e));
    assert_int_equal(n, 3);
    MUST(user_list_all(f->db, f->a, true, role_id(f, FACE_PASSWORDSAFE, 1), &users, &n, &f->e));
    assert_int_equal(n, 2);
    assert_int_equal(users[1].id, sue);
    struct list groups;
    MUST(user_groups(f->db, f->a, sue, FACE_PASSWORDSAFE, &groups, &f->e));
    assert_int_equal(groups.n, 1);
    EXPECT(NOT_FOUND, user_groups(f->db, f->a, gone, FACE_PASSWORDSAFE, &groups, &f->e));
}

/* More than one query's worth: each user still gets his own roles. */
static void many_users_keep_their_own_roles(void **state)
{
    struct fixture *f = *state;
    struct user *users;
    size_t n;
    begin(f);
    for (int64_t i = 0; i < 2100; i++) {
        int64_t id;
        struct user_change with = {.name = arena_printf(f->a, "user %d", (int)i),
                                   .password_hash = S("h"),
                                   .role_numbers = i % 3 == 0 ? IDS(2) : IDS(5, 6)};
        assert_true(is_ok(user_create(f->db, f->a, NULL, &with, NOW, &id, &f->e)));
    }
    assert_true(is_ok(end(f, SUCCESS)));
    MUST(user_list_all(f->db, f->a, true, 0, &users, &n, &f->e));
    assert_int_equal(n, 2101);
    for (size_t i = 1; i < n; i++)
        assert_int_equal(users[i].roles.n, (i - 1) % 3 == 0 ? 1 : 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        TEST(bad_names_are_refused),           TEST(absent_members_keep_what_is_stored),
        TEST(a_domain_leads_to_its_user_only), TEST(changes_end_what_they_should),
        TEST(an_own_password_changes_once),    TEST(a_deleted_user_leaves_nothing_to_use),
        TEST(an_open_request_keeps_its_user),  TEST(client_secrets_are_for_applications),
        TEST(lists_show_whom_they_should),     TEST(many_users_keep_their_own_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
