/* identity/tokens.c: the table of tokens that must not pass. */
#include "fixture.h"

#include <inttypes.h>

#include "base/text.h"

static const struct token_claims by_password = {.password_at = NOW};

struct scene {
    struct tokens *tokens;
    int64_t user;
    struct str token;
    struct token_claims claims;
};

static struct str issue(struct fixture *f, struct tokens *t, int64_t user, int64_t now)
{
    struct user u = user_of(f, user);
    struct str token = STR_ABSENT;
    assert_true(is_ok(tokens_issue(t, &u, &by_password, now, f->a, &token, &f->e)));
    return token;
}

static enum code check_at(struct fixture *f, struct tokens *t, struct str token, int64_t now)
{
    struct token_claims claims;
    return tokens_check(t, token, now, f->a, &claims, &f->e).code;
}

static enum code admit(struct fixture *f, const struct scene *s)
{
    struct caller who = {0};
    return tokens_admit(f->db, f->a, s->token, &s->claims, NOW, &who, &f->e).code;
}

static struct scene open_scene(struct fixture *f)
{
    struct scene s = {.user = make_user(f, "Priya", IDS(2, 5), IDS())};
    MUST(open_tokens(f, NOW, &s.tokens));
    s.token = issue(f, s.tokens, s.user, NOW);
    assert_true(is_ok(tokens_check(s.tokens, s.token, NOW, f->a, &s.claims, &f->e)));
    assert_int_equal(admit(f, &s), OK);
    return s;
}

static void issue_again(struct fixture *f, struct scene *s)
{
    s->token = issue(f, s->tokens, s->user, NOW);
    assert_true(is_ok(tokens_check(s->tokens, s->token, NOW, f->a, &s->claims, &f->e)));
    assert_int_equal(admit(f, s), OK);
}

static bool holds(struct str text, const char *part)
{
    if (str_find(text, str_of(part)) < 0)
        print_error("%s is not in %.*s\n", part, STR_ARG(text));
    return str_find(text, str_of(part)) >= 0;
}

static void a_token_says_what_clients_read(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    MUST(user_update(f->db, f->a, NULL, s.user, &(struct user_change){.license_features = S("RUNTIME, DEVELOPMENT")},
                     NOW, &f->e));
    struct str rest = issue(f, s.tokens, s.user, NOW), payload;
    assert_same(str_cut(&rest, '.'), S("eyJhbGciOiJSUzUxMiJ9"));
    assert_true(base64url_decode(f->a, str_cut(&rest, '.'), &payload));
    assert_true(holds(payload, arena_printf(f->a, "{\"sub\":\"%" PRId64 "\",\"clientType\":\"WEB\"", s.user).p));
    assert_true(holds(payload, "\"licenses\":[\"RUNTIME\",\"DEVELOPMENT\"]"));
    assert_true(holds(payload, "\"analyticsLicensesPurchased\":{\"AnalyticsClient\":false}"));
    assert_true(holds(payload, "\"iat\":1750000000,\"exp\":1750001200,\"iss\":\"AutomationAnywhere\",\"nanoTime\":"));
    ptrdiff_t at = str_find(payload, S("\"csrfToken\":\""));
    assert_true(at >= 0 && text_is_hex(str_sub(payload, (size_t)at + 13, 32)) && payload.p[at + 13 + 32] == '"');
    assert_true(s.claims.password_at == NOW && s.claims.user_id == s.user && s.claims.ends_at_s == 1750001200);
    struct caller who = {0};
    MUST(tokens_admit(f->db, f->a, s.token, &s.claims, NOW, &who, &f->e));
    assert_same(who.name, S("Priya"));
    assert_true(who.user_id == s.user && who.signed_in_on == FACE_CONTROLROOM && who.password_at == NOW);
    assert_true(who.carries_controlroom && who.carries_passwordsafe && who.token_hash.n == 32);
    assert_true(who.token_ends_at == NOW + 20 * MINUTES);
    tokens_free(s.tokens);
}

static void a_token_dies_by_the_clock(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    for (int cached = 0; cached < 2; cached++) {
        struct str token = cached ? s.token : issue(f, s.tokens, s.user, NOW);
        assert_int_equal(check_at(f, s.tokens, token, NOW - 61 * SECONDS), UNAUTHENTICATED);
        assert_int_equal(check_at(f, s.tokens, token, NOW + 20 * MINUTES), UNAUTHENTICATED);
        assert_int_equal(check_at(f, s.tokens, token, NOW + DAYS), UNAUTHENTICATED);
        assert_int_equal(check_at(f, s.tokens, token, NOW - 60 * SECONDS), OK);
        assert_int_equal(check_at(f, s.tokens, token, NOW + 20 * MINUTES - 1), OK);
    }
    struct caller who = {0};
    assert_int_equal(tokens_admit(f->db, f->a, s.token, &s.claims, NOW + 20 * MINUTES, &who, &f->e).code,
                     UNAUTHENTICATED);
    assert_int_equal(who.user_id, 0);
    tokens_free(s.tokens);
}

/* Every byte of the token changed, one after the other; and what is no token at all. */
static void a_changed_token_is_none(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    char *text = arena_alloc(f->a, s.token.n + 1);
    for (size_t i = 0; i < s.token.n; i++) {
        memcpy(text, s.token.p, s.token.n);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        assert_int_equal(check_at(f, s.tokens, (struct str){text, s.token.n}, NOW), UNAUTHENTICATED);
    }
    struct str rest = s.token, header = str_cut(&rest, '.'), payload = str_cut(&rest, '.'), signature = rest;
    const struct str none[] = {
        S(""),
        S("."),
        S(".."),
        S("..."),
        S("garbage"),
        header,
        payload,
        str_sub(s.token, 0, s.token.n - 1),
        arena_printf(f->a, "%.*s=", STR_ARG(s.token)),
        arena_printf(f->a, "%.*s.", STR_ARG(s.token)),
        arena_printf(f->a, " %.*s", STR_ARG(s.token)),
        arena_printf(f->a, "Bearer %.*s", STR_ARG(s.token)),
        arena_printf(f->a, "eyJhbGciOiJub25lIn0.%.*s.", STR_ARG(payload)),
        arena_printf(f->a, "eyJhbGciOiJub25lIn0.%.*s.%.*s", STR_ARG(payload), STR_ARG(signature)),
        arena_printf(f->a, "eyJhbGciOiJIUzI1NiJ9.%.*s.%.*s", STR_ARG(payload), STR_ARG(signature)),
        arena_printf(f->a, "%.*s.%.*s.", STR_ARG(header), STR_ARG(payload)),
        arena_printf(f->a, "%.*s.%.*s", STR_ARG(header), STR_ARG(signature)),
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(check_at(f, s.tokens, none[i], NOW), UNAUTHENTICATED);
    assert_int_equal(check_at(f, s.tokens, STR_ABSENT, NOW), UNAUTHENTICATED);
    tokens_free(s.tokens);
}

/* Signed by a key that counts, and wrong all the same. */
static void claims_that_are_not_ours_do_not_pass(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    struct token_signer *signer;
    MUST(token_signer_new(&signer, &f->e));
    MUST(db_run(f->db,
                SQL("INSERT INTO token_keys (public_key, created_at, ends_at) VALUES ($1, $2, $3)",
                    P_BLOB(token_signer_public(signer)), P_INT(NOW), P_INT(NOW + DAYS)),
                &f->e));
    MUST(tokens_renew(s.tokens, f->db, NOW, &f->e));
#define REST "\"iat\":1750000000,\"exp\":1750001200,\"nanoTime\":1,\"pwdAt\":0,\"apiKeyId\":0"
#define ISS  "\"iss\":\"AutomationAnywhere\","
    static const struct {
        const char *payload;
        enum code expected;
    } cases[] = {
        {"{\"sub\":\"1\"," ISS REST "}", OK},
        {"{\"sub\":\"1\",\"more\":[{}]," ISS REST "}", OK},
        {"{\"sub\":\"1\",\"iss\":\"Somebody\"," REST "}", UNAUTHENTICATED},
        {"{\"sub\":\"1\"," REST "}", UNAUTHENTICATED},
        {"{" ISS REST "}", UNAUTHENTICATED},
        {"{\"sub\":1," ISS REST "}", UNAUTHENTICATED},
        {"{\"sub\":\"0\"," ISS REST "}", UNAUTHENTICATED},
        {"{\"sub\":\"-1\"," ISS REST "}", UNAUTHENTICATED},
        {"{\"sub\":\"1 \"," ISS REST "}", UNAUTHENTICATED},
        {"{\"sub\":\"99999999999999999999\"," ISS REST "}", UNAUTHENTICATED},
        {"{\"sub\":\"1\"," ISS "\"iat\":1750000000,\"exp\":1750001200,\"nanoTime\":1,\"pwdAt\":0}", UNAUTHENTICATED},
        {"{\"sub\":\"1\"," ISS "\"iat\":1750000000,\"nanoTime\":1,\"pwdAt\":0,\"apiKeyId\":0}", UNAUTHENTICATED},
        {"{\"sub\":\"1\"," ISS "\"iat\":1750000000,\"exp\":\"1750001200\",\"nanoTime\":1,\"pwdAt\":0,\"apiKeyId\":0}",
         UNAUTHENTICATED},
        {"{\"sub\":\"1\"," ISS "\"iat\":1750000061,\"exp\":1750001200,\"nanoTime\":1,\"pwdAt\":0,\"apiKeyId\":0}",
         UNAUTHENTICATED},
        {"{\"sub\":\"1\"," ISS REST "} ", OK},
        {"{\"sub\":\"1\"," ISS REST "}x", UNAUTHENTICATED},
        {"[]", UNAUTHENTICATED},
        {"null", UNAUTHENTICATED},
        {"x", UNAUTHENTICATED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str token;
        assert_true(is_ok(token_sign(signer, str_of(cases[i].payload), f->a, &token, &f->e)));
        if (check_at(f, s.tokens, token, NOW) != cases[i].expected)
            fail_msg("%s", cases[i].payload);
    }
    token_signer_free(signer);
    tokens_free(s.tokens);
}

static void a_token_ends_with_what_it_stands_on(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    const struct user_change off = {.is_disabled = {true, true}}, on = {.is_disabled = {true, false}},
                             away = {.is_quarantined = {true, true}}, back = {.is_quarantined = {true, false}},
                             password = {.password_hash = S("other")}, fewer = {.role_numbers = IDS(2)},
                             more = {.role_numbers = IDS(2, 6)}, group = {.group_numbers = IDS(1)};
    const struct {
        const struct user_change *change, *undo;
        bool ends;
    } cases[] = {{&off, &on, true},    {&away, &back, true}, {&password, NULL, true},
                 {&fewer, NULL, true}, {&more, NULL, false}, {&group, NULL, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        issue_again(f, &s);
        MUST(user_update(f->db, f->a, NULL, s.user, cases[i].change, NOW, &f->e));
        assert_int_equal(admit(f, &s), cases[i].ends ? UNAUTHENTICATED : OK);
        if (cases[i].undo)
            MUST(user_update(f->db, f->a, NULL, s.user, cases[i].undo, NOW, &f->e));
        assert_int_equal(admit(f, &s), cases[i].ends ? UNAUTHENTICATED : OK);
        issue_again(f, &s); /* made in the same moment, perhaps the same microsecond */
    }
    struct scene other = s;
    other.token = issue(f, s.tokens, s.user, NOW);
    assert_int_equal(tokens_check(s.tokens, other.token, NOW, f->a, &other.claims, &f->e).code, OK);
    MUST(tokens_end(f->db, f->a, s.token, &s.claims, &f->e));
    MUST(tokens_end(f->db, f->a, s.token, &s.claims, &f->e));
    assert_int_equal(admit(f, &s), UNAUTHENTICATED);
    assert_int_equal(admit(f, &other), OK);
    MUST(tokens_renew(s.tokens, f->db, NOW + 20 * MINUTES, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM ended_tokens"), 0);
    MUST(user_delete(f->db, f->a, NULL, s.user, NOW, &f->e));
    assert_int_equal(admit(f, &other), UNAUTHENTICATED);
    tokens_free(s.tokens);
}

/* A change far in the future of the clock, as after a clock that was set back. */
static void a_token_stands_above_the_last_change(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    MUST(user_end_sessions(f->db, s.user, clock_now() + DAYS, &f->e));
    assert_int_equal(admit(f, &s), UNAUTHENTICATED);
    s.claims.nano_time = user_of(f, s.user).tokens_valid_after * 1000 + 999; /* within that microsecond */
    assert_int_equal(admit(f, &s), UNAUTHENTICATED);
    s.claims.nano_time++;
    assert_int_equal(admit(f, &s), OK);
    issue_again(f, &s);
    int64_t last = 0;
    for (int i = 0; i < 30; i++) {
        struct str token = issue(f, s.tokens, s.user, NOW);
        assert_int_equal(tokens_check(s.tokens, token, NOW, f->a, &s.claims, &f->e).code, OK);
        assert_true(s.claims.nano_time > last);
        last = s.claims.nano_time;
    }
    tokens_free(s.tokens);
}

static void an_api_key_takes_its_tokens_along(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    struct api_key key, others;
    struct secret *secret;
    struct user u = user_of(f, s.user);
    MUST(api_key_create(f->db, f->a, s.user, S("nightly"), NOW, &key, &secret, &f->e));
    MUST(api_key_create(f->db, f->a, f->admin, S("nightly"), NOW, &others, &secret, &f->e));
    struct token_claims more = {.api_key_id = key.id};
    MUST(tokens_issue(s.tokens, &u, &more, NOW, f->a, &s.token, &f->e));
    MUST(tokens_check(s.tokens, s.token, NOW, f->a, &s.claims, &f->e));
    struct caller who = {0};
    MUST(tokens_admit(f->db, f->a, s.token, &s.claims, NOW, &who, &f->e));
    assert_true(who.password_at == 0 && who.carries_controlroom && !who.carries_passwordsafe);
    MUST(api_key_delete(f->db, s.user, key.id, &f->e));
    assert_int_equal(admit(f, &s), UNAUTHENTICATED);
    more.api_key_id = others.id; /* somebody else's */
    MUST(tokens_issue(s.tokens, &u, &more, NOW, f->a, &s.token, &f->e));
    MUST(tokens_check(s.tokens, s.token, NOW, f->a, &s.claims, &f->e));
    assert_int_equal(admit(f, &s), UNAUTHENTICATED);
    tokens_free(s.tokens);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        TEST(a_token_says_what_clients_read),
        TEST(a_token_dies_by_the_clock),
        TEST(a_changed_token_is_none),
        TEST(claims_that_are_not_ours_do_not_pass),
        TEST(a_token_ends_with_what_it_stands_on),
        TEST(a_token_stands_above_the_last_change),
        TEST(an_api_key_takes_its_tokens_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
