/* identity/signin.c: guessing, in every spelling and many at once. */
#include "fixture.h"

#define HOME S("198.51.100.7")
#define AWAY S("203.0.113.9")

static struct signin_claim claim_of(struct fixture *f, const char *name, struct str address)
{
    return (struct signin_claim){
        .user_name = str_of(name), .address = address, .password = secret_of(f, "guess"), .is_first = true};
}

static struct signin_look look_at(struct fixture *f, const struct signin_claim *claim, int64_t now)
{
    struct signin_look look = {0};
    MUST(signin_look(f->db, f->a, claim, now, &look, &f->e));
    return look;
}

/* As the gate does it: nothing when he must wait; the failure counted after the work is rolled back. */
static enum code attempt(struct fixture *f, const struct signin_claim *claim, bool is_right, int64_t now)
{
    struct signin_look look = look_at(f, claim, now);
    if (look.must_wait)
        return BUSY;
    result r = DO(signin_record(f->db, f->a, claim, &look, is_right, now, &f->e));
    if (!is_ok(r))
        MUST(signin_count_failure(f->db, f->a, claim, now, &f->e));
    return r.code;
}

static enum code guess(struct fixture *f, const char *name, struct str address, int64_t now)
{
    struct signin_claim claim = claim_of(f, name, address);
    return attempt(f, &claim, false, now);
}

static enum code sign_in(struct fixture *f, const char *name, struct str address, int64_t now)
{
    struct signin_claim claim = claim_of(f, name, address);
    return attempt(f, &claim, true, now);
}

static void the_pair_waits_from_the_fifth(void **state)
{
    struct fixture *f = *state;
    static const int64_t waits_s[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900};
    int64_t now = NOW;
    for (int i = 0; i < 4; i++)
        assert_int_equal(guess(f, "admin", AWAY, now), UNAUTHENTICATED);
    for (size_t i = 0; i < sizeof waits_s / sizeof waits_s[0]; i++) {
        assert_int_equal(guess(f, "admin", AWAY, now), UNAUTHENTICATED);
        int64_t until = now + waits_s[i] * SECONDS;
        assert_int_equal(guess(f, "admin", AWAY, until - 1), BUSY);
        assert_int_equal(sign_in(f, "admin", AWAY, until - 1), BUSY);
        now = until;
    }
    /* The owner, from his own address, at the same moment. */
    assert_int_equal(sign_in(f, "admin", HOME, now - 1), OK);
    assert_int_equal(sign_in(f, "admin", AWAY, now), OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(guess(f, "admin", AWAY, now), UNAUTHENTICATED);
    assert_int_equal(sign_in(f, "admin", AWAY, now), OK);
}

/* A registration that asks for no password lets in by any name. */
static void what_proves_nothing_clears_nobody(void **state)
{
    struct fixture *f = *state;
    struct signin_claim by_name = claim_of(f, "admin", AWAY), by_key = by_name;
    by_name.password = by_key.password = NULL;
    by_key.api_key = secret_of(f, "key");
    for (int i = 0; i < 4; i++)
        assert_int_equal(guess(f, "admin", AWAY, NOW), UNAUTHENTICATED);
    assert_int_equal(attempt(f, &by_name, true, NOW), OK);
    assert_int_equal(number_of(f, "SELECT count(*) FROM known_addresses"), 0);
    assert_true(user_of(f, f->admin).last_login_at == NOW);
    assert_int_equal(guess(f, "admin", AWAY, NOW), UNAUTHENTICATED);
    assert_int_equal(guess(f, "admin", AWAY, NOW), BUSY);
    assert_int_equal(attempt(f, &by_key, true, NOW + SECONDS), OK);
    assert_int_equal(number_of(f, "SELECT count(*) FROM known_addresses"), 1);
    assert_int_equal(guess(f, "admin", AWAY, NOW + SECONDS), UNAUTHENTICATED);
    assert_int_equal(guess(f, "admin", AWAY, NOW + SECONDS), UNAUTHENTICATED);
}

static void no_spelling_gives_fresh_guesses(void **state)
{
    struct fixture *f = *state;
    int64_t id = make_user(f, "\u00C4da", IDS(), IDS());
    MUST(user_update(f->db, f->a, NULL, id, &(struct user_change){.domain = S("corp")}, NOW, &f->e));
    static const char *const names[] = {"\u00C4da", "a\u0308DA", " \u00E4da\t", "\u00A0\u00C4DA", "Corp\\\u00E4da"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(guess(f, names[i], AWAY, NOW), UNAUTHENTICATED);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(guess(f, names[i], AWAY, NOW), BUSY);
    /* An address has spellings too, and an IPv6 host a whole /64. */
    static const char *const addresses[] = {"2001:db8::1", "2001:DB8:0:0::2", "2001:db8::ffff:ffff:ffff:ffff",
                                            "2001:0db8::3", "2001:db8::4"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(guess(f, "admin", str_of(addresses[i]), NOW), UNAUTHENTICATED);
    assert_int_equal(guess(f, "admin", S("2001:db8::5"), NOW), BUSY);
    assert_int_equal(guess(f, "admin", S("2001:db8:0:1::5"), NOW), UNAUTHENTICATED);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(guess(f, "admin", i % 2 ? S("192.0.2.5") : S("::ffff:192.0.2.5"), NOW), UNAUTHENTICATED);
    assert_int_equal(guess(f, "admin", S("192.0.2.5"), NOW), BUSY);
}

static void unknown_names_wait_alike(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"nobody", "\xFF\xFE"};
    for (size_t n = 0; n < 2; n++) {
        for (int i = 0; i < 5; i++)
            assert_int_equal(sign_in(f, names[n], AWAY, NOW), UNAUTHENTICATED);
        assert_int_equal(sign_in(f, names[n], AWAY, NOW), BUSY);
    }
    /* Names that nobody can have share a counter. */
    assert_int_equal(sign_in(f, "", AWAY, NOW), BUSY);
    char *longer = arena_alloc(f->a, 5001);
    memset(longer, 'x', 5000);
    assert_int_equal(sign_in(f, longer, AWAY, NOW), BUSY);
    struct signin_claim claim = claim_of(f, "nobody at all", AWAY);
    struct signin_look look = look_at(f, &claim, NOW);
    assert_true(look.user_id == 0 && !look.is_usable && !str_is_set(look.password_hash));
}

static void an_address_is_refused_for_an_hour(void **state)
{
    struct fixture *f = *state;
    int64_t now = NOW;
    for (int i = 0; i < 101; i++) {
        now += 35 * SECONDS; /* 101 within 59 minutes */
        assert_int_equal(guess(f, arena_printf(f->a, "user %d", i).p, AWAY, now), UNAUTHENTICATED);
    }
    assert_int_equal(sign_in(f, "admin", AWAY, now), BUSY);
    assert_int_equal(sign_in(f, "admin", AWAY, now + HOURS - 1), BUSY);
    assert_int_equal(sign_in(f, "admin", HOME, now), OK);
    struct signin_claim keyed = {.address = AWAY};
    assert_int_equal(attempt(f, &keyed, true, now), BUSY);
    assert_int_equal(attempt(f, &keyed, true, now + HOURS), OK);
    assert_int_equal(sign_in(f, "admin", AWAY, now + HOURS), OK);
    assert_int_equal(guess(f, "fresh", AWAY, now + HOURS), UNAUTHENTICATED);
    assert_int_equal(guess(f, "fresh again", AWAY, now + HOURS), UNAUTHENTICATED);
}

/* The clock was a year ahead, and was then put right. */
static void nobody_waits_for_a_clock_that_was_ahead(void **state)
{
    struct fixture *f = *state;
    int64_t ahead = NOW + 365 * DAYS;
    for (int i = 0; i < 101; i++)
        assert_int_equal(guess(f, arena_printf(f->a, "user %d", i).p, AWAY, ahead), UNAUTHENTICATED);
    for (int i = 0; i < 5; i++)
        assert_int_equal(guess(f, "admin", HOME, ahead), UNAUTHENTICATED);
    assert_int_equal(guess(f, "admin", HOME, ahead), BUSY);
    assert_int_equal(guess(f, "admin", AWAY, ahead), BUSY);
    assert_int_equal(sign_in(f, "admin", HOME, NOW), OK);
    assert_int_equal(guess(f, "fresh", AWAY, NOW), UNAUTHENTICATED);
    assert_int_equal(sign_in(f, "admin", AWAY, NOW), OK);
    /* A call that was made a moment before it waits all the same. */
    for (int i = 0; i < 5; i++)
        assert_int_equal(guess(f, "admin", HOME, NOW), UNAUTHENTICATED);
    assert_int_equal(guess(f, "admin", HOME, NOW - 30 * SECONDS), BUSY);
}

static void a_hundred_an_hour_are_not_too_many(void **state)
{
    struct fixture *f = *state;
    int64_t now = NOW;
    for (int i = 0; i < 400; i++) {
        now += 37 * SECONDS;
        assert_int_equal(guess(f, arena_printf(f->a, "user %d", i).p, AWAY, now), UNAUTHENTICATED);
    }
}

static void keys_without_a_name_count_by_address(void **state)
{
    struct fixture *f = *state;
    struct signin_claim keyed = {.address = AWAY};
    for (int i = 0; i < 101; i++)
        assert_int_equal(attempt(f, &keyed, false, NOW), UNAUTHENTICATED);
    assert_int_equal(attempt(f, &keyed, false, NOW), BUSY);
    assert_int_equal(number_of(f, "SELECT count(*) FROM guesses"), 1);
}

static void the_user_is_delayed_never_refused(void **state)
{
    struct fixture *f = *state;
    struct signin_claim here = claim_of(f, "admin", HOME), elsewhere = claim_of(f, "admin", S("192.0.2.200"));
    assert_int_equal(sign_in(f, "admin", HOME, NOW), OK);
    int64_t before = 0;
    for (int i = 0; i < 40; i++) {
        struct str address = arena_printf(f->a, "203.0.113.%d", i);
        assert_int_equal(guess(f, "admin", address, NOW), UNAUTHENTICATED);
        struct signin_look look = look_at(f, &elsewhere, NOW);
        assert_false(look.must_wait);
        assert_true(look.delay_us >= before && look.delay_us <= 2 * SECONDS);
        assert_int_equal(look.delay_us > 0, i >= 4);
        before = look.delay_us;
        assert_int_equal(look_at(f, &here, NOW).delay_us, 0);
    }
    assert_int_equal(before, 2 * SECONDS);
    assert_true(look_at(f, &here, NOW + 30 * DAYS).delay_us == 0); /* the counter is over by then */
    assert_int_equal(guess(f, "admin", AWAY, NOW + 30 * DAYS), UNAUTHENTICATED);
    run_sql(f, "UPDATE guesses SET failures = 50 WHERE kind = 'user'");
    assert_int_equal(look_at(f, &here, NOW + 30 * DAYS).delay_us, 2 * SECONDS); /* no longer known */
    assert_int_equal(sign_in(f, "admin", S("192.0.2.200"), NOW), OK);
}

static void who_may_not_sign_in_is_refused_alike(void **state)
{
    struct fixture *f = *state;
    int64_t id = make_user(f, "sue", IDS(), IDS());
    struct signin_claim claim = claim_of(f, "sue", HOME);
    struct user_change disabled = {.is_disabled = {true, true}}, quarantined = {.is_quarantined = {true, true}},
                       free_again = {.is_disabled = {true, false}, .is_quarantined = {true, false}},
                       password = {.password_hash = S("other")};
    struct signin_look look = look_at(f, &claim, NOW);
    assert_true(look.is_usable);
    /* Each between the look and the record. */
    MUST(user_update(f->db, f->a, NULL, id, &disabled, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
    assert_false(look_at(f, &claim, NOW).is_usable);
    MUST(user_update(f->db, f->a, NULL, id, &free_again, NOW, &f->e));
    MUST(user_update(f->db, f->a, NULL, id, &quarantined, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
    assert_false(look_at(f, &claim, NOW).is_usable);
    MUST(user_update(f->db, f->a, NULL, id, &free_again, NOW, &f->e));
    MUST(signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
    MUST(user_update(f->db, f->a, NULL, id, &password, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
    look = look_at(f, &claim, NOW);
    EXPECT(UNAUTHENTICATED, signin_record(f->db, f->a, &claim, &look, false, NOW, &f->e));
    claim.registration_id = 4711;
    EXPECT(UNAUTHENTICATED, signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
    claim.registration_id = 0;
    MUST(user_delete(f->db, f->a, NULL, id, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
    int64_t successor = make_user(f, "sue", IDS(), IDS()); /* of the same name, but not the one looked at */
    EXPECT(UNAUTHENTICATED, signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
    look = look_at(f, &claim, NOW + 5);
    assert_int_equal(look.user_id, successor);
    MUST(signin_record(f->db, f->a, &claim, &look, true, NOW + 5, &f->e));
    assert_true(user_of(f, successor).last_login_at == NOW + 5);
    claim.is_first = false;
    MUST(signin_record(f->db, f->a, &claim, &look, true, NOW + 9, &f->e));
    assert_true(user_of(f, successor).last_login_at == NOW + 5);
}

static void a_registration_is_asked_again(void **state)
{
    struct fixture *f = *state;
    int64_t user = make_user(f, "sue", IDS(), IDS()), id;
    struct secret *key;
    struct signin_claim claim = claim_of(f, "sue", HOME);
    struct registration_change with = {.name = S("api"), .is_active = {true, true}}, off = {.is_active = {true, false}};
    MUST(registration_create(f->db, f->a, f->keys, &with, NULL, NOW, &id, &key, &f->e));
    struct role_change enable = {.registrations = IDS(id)};
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, 1, &enable, NOW, &f->e));
    claim.registration_id = id;
    struct signin_look look = look_at(f, &claim, NOW);
    EXPECT(UNAUTHENTICATED, signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
    MUST(role_add_member(f->db, f->a, NULL, FACE_PASSWORDSAFE, 1, user, NOW, &f->e));
    MUST(signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
    MUST(registration_update(f->db, f->a, id, &off, NOW, &f->e));
    EXPECT(UNAUTHENTICATED, signin_record(f->db, f->a, &claim, &look, true, NOW, &f->e));
}

/* ---- many at once, through the real writer ---- */

enum { GUESSES = 60 };
struct parallel {
    struct work work;
    struct arena *arena;
    struct signin_claim claim;
    struct signin_look look;
    bool is_right;
    enum code outcome;
};

static result record(struct db *db, struct work *w, struct err *e)
{
    struct parallel *p = (struct parallel *)w;
    return signin_record(db, p->arena, &p->claim, &p->look, p->is_right, NOW, e);
}

static result count(struct db *db, struct work *w, const struct err *why, struct err *e)
{
    struct parallel *p = (struct parallel *)w;
    (void)why;
    return signin_count_failure(db, p->arena, &p->claim, NOW, e);
}

static void keep_outcome(struct work *w, result outcome, const struct err *why)
{
    (void)why;
    ((struct parallel *)w)->outcome = outcome.code;
}

static enum code last_of_many(struct fixture *f, size_t wrong_before)
{
    static struct parallel all[GUESSES + 1];
    struct writer *writer;
    for (size_t i = 0; i <= wrong_before; i++) {
        all[i] = (struct parallel){.work = {.run = record, .refuse = count, .done = keep_outcome},
                                   .arena = arena_new(),
                                   .claim = claim_of(f, i % 2 ? "admin" : "ADMIN ", AWAY),
                                   .is_right = i == wrong_before};
        all[i].look = look_at(f, &all[i].claim, NOW);
        assert_false(all[i].look.must_wait);
    }
    assert_true(is_ok(writer_new(f->db, &f->hooks, &writer, &f->e)));
    for (size_t i = 0; i <= wrong_before; i++)
        assert_true(is_ok(writer_submit(writer, &all[i].work, &f->e)));
    writer_free(writer);
    for (size_t i = 0; i <= wrong_before; i++)
        arena_free(all[i].arena);
    for (size_t i = 0; i < wrong_before; i++)
        assert_int_equal(all[i].outcome, UNAUTHENTICATED);
    return all[wrong_before].outcome;
}

/* All have looked before any is recorded. Five are answered; the right one, which comes after them, is refused like a
 * wrong one, and nothing more is counted. */
static void parallel_guesses_are_not_all_answered(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(last_of_many(f, 4), OK);
    assert_int_equal(number_of(f, "SELECT count(*) FROM guesses WHERE kind = 'pair'"), 0);
    assert_int_equal(last_of_many(f, GUESSES), UNAUTHENTICATED);
    assert_int_equal(number_of(f, "SELECT failures FROM guesses WHERE kind = 'pair'"), 5);
    assert_true(number_of(f, "SELECT wait_until FROM guesses WHERE kind = 'pair'") == NOW + SECONDS);
}

static void what_is_over_is_dropped(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(guess(f, "admin", AWAY, NOW), UNAUTHENTICATED);
    assert_int_equal(sign_in(f, "admin", HOME, NOW), OK);
    MUST(identity_tidy(f->db, NOW + DAYS - 1, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM guesses"), 3);
    MUST(identity_tidy(f->db, NOW + DAYS, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM guesses"), 0);
    assert_int_equal(number_of(f, "SELECT count(*) FROM known_addresses"), 1);
    MUST(identity_tidy(f->db, NOW + 30 * DAYS, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM known_addresses"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        TEST(what_proves_nothing_clears_nobody),
        TEST(the_pair_waits_from_the_fifth),
        TEST(no_spelling_gives_fresh_guesses),
        TEST(unknown_names_wait_alike),
        TEST(nobody_waits_for_a_clock_that_was_ahead),
        TEST(an_address_is_refused_for_an_hour),
        TEST(a_hundred_an_hour_are_not_too_many),
        TEST(keys_without_a_name_count_by_address),
        TEST(the_user_is_delayed_never_refused),
        TEST(who_may_not_sign_in_is_refused_alike),
        TEST(a_registration_is_asked_again),
        TEST(parallel_guesses_are_not_all_answered),
        TEST(what_is_over_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
