/* identity/session.c: what a session and a bearer token outlive, and what they do not. */
#include "fixture.h"

struct scene {
    int64_t user, group;
    struct registration registration;
    struct secret *id;
};

static struct scene make_scene(struct fixture *f)
{
    struct scene s = {.group = make_role(f, FACE_PASSWORDSAFE, "g", NULL, 0)};
    struct secret *key;
    int64_t id;
    struct registration_change with = {.name = S("api"), .is_active = {true, true}};
    s.user = make_user(f, "sue", IDS(), IDS(s.group));
    MUST(registration_create(f->db, f->a, f->keys, &with, NULL, NOW, &id, &key, &f->e));
    struct role_change enable = {.registrations = IDS(id)};
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, s.group, &enable, NOW, &f->e));
    MUST(registration_get(f->db, f->a, id, &s.registration, &f->e));
    MUST(session_create(f->db, f->a, s.user, &s.registration, NOW, NOW, &s.id, &f->e));
    return s;
}

static enum code admit_at(struct fixture *f, const struct scene *s, int64_t now)
{
    struct caller who = {0};
    struct registration r;
    result got = session_admit(f->db, f->a, opened(s->id), now, &who, &r, &f->e);
    if (!is_ok(got))
        assert_int_equal(who.user_id, 0);
    return got.code;
}

static void a_session_says_whose_it_is(void **state)
{
    struct fixture *f = *state;
    struct scene s = make_scene(f);
    struct caller who = {0};
    struct registration r;
    assert_int_equal(secret_length(s.id), 24);
    MUST(session_admit(f->db, f->a, opened(s.id), NOW, &who, &r, &f->e));
    assert_true(who.user_id == s.user && who.registration_id == s.registration.id && r.id == s.registration.id);
    assert_true(who.carries_passwordsafe && who.carries_controlroom && who.password_at == NOW);
    assert_int_equal(who.signed_in_on, FACE_PASSWORDSAFE);
    assert_same(who.name, S("sue"));
    /* Without a checked password: this face only. */
    MUST(session_create(f->db, f->a, s.user, &s.registration, 0, NOW, &s.id, &f->e));
    MUST(session_admit(f->db, f->a, opened(s.id), NOW, &who, &r, &f->e));
    assert_true(who.carries_passwordsafe && !who.carries_controlroom && who.password_at == 0);
    /* The id itself is nowhere. */
    struct rows rows;
    MUST(db_query(f->db, f->a, SQL("SELECT hash FROM sessions"), &rows, &f->e));
    for (size_t i = 0; i < rows.n; i++)
        assert_true(str_find(row_blob(&rows, i, 0), opened(s.id)) < 0);
    static const char *const unknown[] = {"", "x", "aaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < 3; i++)
        EXPECT(UNAUTHENTICATED, session_admit(f->db, f->a, str_of(unknown[i]), NOW, &who, &r, &f->e));
    EXPECT(UNAUTHENTICATED, bearer_admit(f->db, f->a, opened(s.id), NOW, &who, &r, &f->e));
}

static void it_ends_when_idle_and_after_twelve_hours(void **state)
{
    struct fixture *f = *state;
    struct scene s = make_scene(f);
    struct caller who = {0};
    struct registration r;
    assert_int_equal(admit_at(f, &s, NOW + 20 * MINUTES - 1), OK);
    assert_int_equal(admit_at(f, &s, NOW + 20 * MINUTES), UNAUTHENTICATED);
    MUST(session_admit(f->db, f->a, opened(s.id), NOW, &who, &r, &f->e));
    assert_false(session_needs_touch(f->db, f->a, who.session_hash, NOW + MINUTES - 1));
    MUST(session_touch(f->db, who.session_hash, NOW + MINUTES - 1, &f->e));
    assert_int_equal(admit_at(f, &s, NOW + 20 * MINUTES), UNAUTHENTICATED);
    int64_t now = NOW;
    while (now + 19 * MINUTES < NOW + 12 * HOURS) {
        now += 19 * MINUTES;
        assert_true(session_needs_touch(f->db, f->a, who.session_hash, now));
        MUST(session_touch(f->db, who.session_hash, now, &f->e));
        assert_false(session_needs_touch(f->db, f->a, who.session_hash, now));
        assert_int_equal(admit_at(f, &s, now), OK);
    }
    assert_int_equal(admit_at(f, &s, NOW + 12 * HOURS - 1), OK);
    assert_int_equal(admit_at(f, &s, NOW + 12 * HOURS), UNAUTHENTICATED);
    MUST(identity_tidy(f->db, NOW + 12 * HOURS - 1, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM sessions"), 1);
    MUST(identity_tidy(f->db, NOW + 12 * HOURS, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM sessions"), 0);
    assert_false(session_needs_touch(f->db, f->a, who.session_hash, now));
}

static void it_ends_with_what_it_stands_on(void **state)
{
    struct fixture *f = *state;
    struct scene s = make_scene(f);
    const struct user_change changes[] = {{.is_disabled = {true, true}},
                                          {.is_quarantined = {true, true}},
                                          {.password_hash = S("other")},
                                          {.group_numbers = IDS(1)}};
    const struct user_change undo = {
        .is_disabled = {true, false}, .is_quarantined = {true, false}, .group_numbers = IDS(s.group)};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        MUST(session_create(f->db, f->a, s.user, &s.registration, NOW, NOW, &s.id, &f->e));
        assert_int_equal(admit_at(f, &s, NOW), OK);
        MUST(user_update(f->db, f->a, NULL, s.user, &changes[i], NOW, &f->e));
        assert_int_equal(admit_at(f, &s, NOW), UNAUTHENTICATED);
        MUST(user_update(f->db, f->a, NULL, s.user, &undo, NOW, &f->e));
        if (i < 3)
            assert_int_equal(admit_at(f, &s, NOW), UNAUTHENTICATED);
    }
    struct role_change inactive = {.is_active = {true, false}}, active = {.is_active = {true, true}};
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, s.group, &inactive, NOW, &f->e));
    assert_int_equal(admit_at(f, &s, NOW), UNAUTHENTICATED);
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, s.group, &active, NOW, &f->e));

    struct registration_change off = {.is_active = {true, false}}, on = {.is_active = {true, true}};
    MUST(session_create(f->db, f->a, s.user, &s.registration, NOW, NOW, &s.id, &f->e));
    MUST(registration_update(f->db, f->a, s.registration.id, &off, NOW, &f->e));
    assert_int_equal(admit_at(f, &s, NOW), UNAUTHENTICATED);
    MUST(registration_update(f->db, f->a, s.registration.id, &on, NOW, &f->e));
    assert_int_equal(admit_at(f, &s, NOW), UNAUTHENTICATED);

    struct secret *rotated;
    MUST(session_create(f->db, f->a, s.user, &s.registration, NOW, NOW, &s.id, &f->e));
    assert_int_equal(admit_at(f, &s, NOW), OK);
    MUST(registration_rotate(f->db, f->a, f->keys, s.registration.id, &rotated, &f->e));
    assert_int_equal(admit_at(f, &s, NOW), UNAUTHENTICATED);
    /* Made with the old key, by a sign-in that was under way. */
    MUST(session_create(f->db, f->a, s.user, &s.registration, NOW, NOW, &s.id, &f->e));
    assert_int_equal(admit_at(f, &s, NOW), UNAUTHENTICATED);

    MUST(registration_get(f->db, f->a, s.registration.id, &s.registration, &f->e));
    MUST(session_create(f->db, f->a, s.user, &s.registration, NOW, NOW, &s.id, &f->e));
    MUST(session_end(f->db, f->a, S("somebody else's"), &f->e));
    assert_int_equal(admit_at(f, &s, NOW), OK);
    MUST(session_end(f->db, f->a, opened(s.id), &f->e));
    assert_int_equal(admit_at(f, &s, NOW), UNAUTHENTICATED);
    MUST(session_create(f->db, f->a, s.user, &s.registration, NOW, NOW, &s.id, &f->e));
    MUST(registration_delete(f->db, f->a, s.registration.id, &f->e));
    assert_int_equal(admit_at(f, &s, NOW), UNAUTHENTICATED);
}

static void it_ends_when_a_password_is_asked_for_by_now(void **state)
{
    struct fixture *f = *state;
    struct scene s = make_scene(f), without = s;
    struct registration_change asks = {.user_password_required = {true, true}};
    MUST(session_create(f->db, f->a, s.user, &s.registration, 0, NOW, &without.id, &f->e));
    assert_int_equal(admit_at(f, &without, NOW), OK);
    MUST(registration_update(f->db, f->a, s.registration.id, &asks, NOW, &f->e));
    assert_int_equal(admit_at(f, &without, NOW), UNAUTHENTICATED);
    assert_int_equal(admit_at(f, &s, NOW), OK);
}

struct client {
    int64_t user, policy;
    struct str id;
    struct secret *secret;
};

static struct client make_client(struct fixture *f)
{
    struct client c = {0};
    struct secret *none;
    struct registration_change policy = {
        .name = S("policy"), .type = S("apiaccesspolicy"), .is_active = {true, true}, .token_minutes = {true, 5}};
    MUST(registration_create(f->db, f->a, f->keys, &policy, NULL, NOW, &c.policy, &none, &f->e));
    struct user_change with = {
        .name = S("app"), .user_type = S("Application"), .access_policy_id = {true, c.policy}, .group_numbers = IDS(1)};
    MUST(user_create(f->db, f->a, NULL, &with, NOW, &c.user, &f->e));
    MUST(user_new_client_secret(f->db, f->a, NULL, c.user, NOW, &c.id, &c.secret, &f->e));
    return c;
}

static enum code ask(struct fixture *f, const struct client *c, bool is_loopback, struct secret **ret)
{
    int64_t seconds = 0;
    result r = DO(bearer_create(f->db, f->a, c->id, c->secret, is_loopback ? S("127.0.0.1") : S("192.0.2.1"),
                                is_loopback, NOW, ret, &seconds, &f->e));
    assert_int_equal(seconds, is_ok(r) ? 300 : 0);
    return r.code;
}

static void a_bearer_lives_as_long_as_its_policy_says(void **state)
{
    struct fixture *f = *state;
    struct client c = make_client(f), wrong = c;
    struct secret *token;
    struct caller who = {0};
    struct registration r;
    assert_int_equal(ask(f, &c, true, &token), OK);
    MUST(bearer_admit(f->db, f->a, opened(token), NOW + 5 * MINUTES - 1, &who, &r, &f->e));
    assert_true(who.user_id == c.user && who.carries_passwordsafe && !who.carries_controlroom && r.id == c.policy);
    EXPECT(UNAUTHENTICATED, bearer_admit(f->db, f->a, opened(token), NOW + 5 * MINUTES, &who, &r, &f->e));
    EXPECT(UNAUTHENTICATED, session_admit(f->db, f->a, opened(token), NOW, &who, &r, &f->e));
    assert_int_equal(ask(f, &c, false, &token), UNAUTHENTICATED);
    wrong.secret = secret_of(f, "guess");
    assert_int_equal(ask(f, &wrong, true, &token), UNAUTHENTICATED);
    wrong = c;
    wrong.id = S("\xFF");
    assert_int_equal(ask(f, &wrong, true, &token), UNAUTHENTICATED);
    wrong.id = STR_ABSENT;
    assert_int_equal(ask(f, &wrong, true, &token), UNAUTHENTICATED);
    wrong = c;
    wrong.secret = NULL;
    assert_int_equal(ask(f, &wrong, true, &token), UNAUTHENTICATED);
}

static void a_bearer_ends_with_what_it_stands_on(void **state)
{
    struct fixture *f = *state;
    struct client c = make_client(f), old = c;
    struct secret *token, *none, *key;
    struct caller who = {0};
    struct registration r;
    int64_t keyed, other;
    assert_int_equal(ask(f, &c, true, &token), OK);
    MUST(user_new_client_secret(f->db, f->a, NULL, c.user, NOW, &c.id, &c.secret, &f->e));
    EXPECT(UNAUTHENTICATED, bearer_admit(f->db, f->a, opened(token), NOW, &who, &r, &f->e));
    assert_int_equal(ask(f, &old, true, &none), UNAUTHENTICATED);
    assert_int_equal(ask(f, &c, true, &token), OK);
    struct user_change off = {.is_disabled = {true, true}}, on = {.is_disabled = {true, false}};
    MUST(user_update(f->db, f->a, NULL, c.user, &off, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, bearer_admit(f->db, f->a, opened(token), NOW, &who, &r, &f->e));
    assert_int_equal(ask(f, &c, true, &none), UNAUTHENTICATED);
    MUST(user_update(f->db, f->a, NULL, c.user, &on, NOW, &f->e));
    assert_int_equal(ask(f, &c, true, &token), OK);
    /* Under another policy other addresses may be allowed; what was given under the first one ends. */
    struct registration_change second = {
        .name = S("second"), .type = S("apiaccesspolicy"), .is_active = {true, true}, .token_minutes = {true, 5}};
    MUST(registration_create(f->db, f->a, f->keys, &second, NULL, NOW, &other, &none, &f->e));
    MUST(user_update(f->db, f->a, NULL, c.user, &(struct user_change){.access_policy_id = {true, other}}, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, bearer_admit(f->db, f->a, opened(token), NOW, &who, &r, &f->e));
    MUST(user_update(f->db, f->a, NULL, c.user, &(struct user_change){.access_policy_id = {true, c.policy}}, NOW,
                     &f->e));
    MUST(bearer_admit(f->db, f->a, opened(token), NOW, &who, &r, &f->e));
    struct registration_change inactive = {.is_active = {true, false}};
    MUST(registration_update(f->db, f->a, c.policy, &inactive, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, bearer_admit(f->db, f->a, opened(token), NOW, &who, &r, &f->e));
    assert_int_equal(ask(f, &c, true, &none), UNAUTHENTICATED);
    /* A policy of the other type, or none. */
    struct registration_change with = {.name = S("keyed"), .is_active = {true, true}};
    MUST(registration_create(f->db, f->a, f->keys, &with, NULL, NOW, &keyed, &key, &f->e));
    MUST(user_update(f->db, f->a, NULL, c.user, &(struct user_change){.access_policy_id = {true, keyed}}, NOW, &f->e));
    assert_int_equal(ask(f, &c, true, &none), UNAUTHENTICATED);
    MUST(user_update(f->db, f->a, NULL, c.user, &(struct user_change){.access_policy_id = {true, 0}}, NOW, &f->e));
    assert_int_equal(ask(f, &c, true, &none), UNAUTHENTICATED);
    MUST(user_delete(f->db, f->a, NULL, c.user, NOW, &f->e));
    assert_int_equal(ask(f, &c, true, &none), UNAUTHENTICATED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        TEST(a_session_says_whose_it_is),
        TEST(it_ends_when_idle_and_after_twelve_hours),
        TEST(it_ends_when_a_password_is_asked_for_by_now),
        TEST(it_ends_with_what_it_stands_on),
        TEST(a_bearer_lives_as_long_as_its_policy_says),
        TEST(a_bearer_ends_with_what_it_stands_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
