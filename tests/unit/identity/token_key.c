/* identity/token_key.c: the lives of the keys that sign tokens. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

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

static struct scene open_scene(struct fixture *f)
{
    struct scene s = {.user = make_user(f, "Priya", IDS(2, 5), IDS())};
    MUST(open_tokens(f, NOW, &s.tokens));
    s.token = issue(f, s.tokens, s.user, NOW);
    assert_true(is_ok(tokens_check(s.tokens, s.token, NOW, f->a, &s.claims, &f->e)));
    return s;
}

static void keys_of_other_processes_count_while_they_live(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    struct tokens *other;
    MUST(open_tokens(f, NOW, &other));
    struct str token = issue(f, other, s.user, NOW);
    assert_int_equal(check_at(f, other, s.token, NOW), OK);
    assert_int_equal(check_at(f, s.tokens, token, NOW), UNAUTHENTICATED); /* not heard of yet */
    MUST(tokens_renew(s.tokens, f->db, NOW, &f->e));
    assert_int_equal(check_at(f, s.tokens, token, NOW), OK);
    tokens_free(other); /* that process stops: its tokens live on */
    assert_int_equal(check_at(f, s.tokens, token, NOW), OK);
    run_sql(f, "UPDATE token_keys SET ends_at = 1 WHERE id = 2");
    MUST(tokens_renew(s.tokens, f->db, NOW, &f->e));
    assert_int_equal(check_at(f, s.tokens, token, NOW), UNAUTHENTICATED); /* though it was remembered */
    assert_int_equal(check_at(f, s.tokens, s.token, NOW), OK);
    assert_int_equal(number_of(f, "SELECT count(*) FROM token_keys"), 1);
    /* Nor between two ticks. */
    token = issue(f, s.tokens, s.user, NOW);
    MUST(db_run(f->db, SQL("UPDATE token_keys SET ends_at = $1", P_INT(NOW + MINUTES)), &f->e));
    MUST(tokens_renew(s.tokens, f->db, NOW, &f->e));
    assert_int_equal(check_at(f, s.tokens, token, NOW + MINUTES), UNAUTHENTICATED);
    assert_int_equal(check_at(f, s.tokens, token, NOW + MINUTES - 1), OK);
    run_sql(f, "INSERT INTO token_keys (public_key, created_at, ends_at) VALUES (zeroblob(1), 0, 9000000000000000000)");
    MUST(tokens_renew(s.tokens, f->db, NOW, &f->e));
    assert_int_equal(check_at(f, s.tokens, s.token, NOW), OK);
    tokens_free(s.tokens);
}

static void a_key_is_renewed_each_day(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    int64_t day = NOW + DAYS;
    MUST(tokens_renew(s.tokens, f->db, day - 1, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM token_keys"), 1);
    struct str late = issue(f, s.tokens, s.user, day - 1);
    MUST(tokens_renew(s.tokens, f->db, day, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM token_keys"), 2);
    struct str fresh = issue(f, s.tokens, s.user, day);
    assert_int_equal(check_at(f, s.tokens, late, day), OK);
    assert_int_equal(check_at(f, s.tokens, fresh, day), OK);
    MUST(tokens_renew(s.tokens, f->db, day + 20 * MINUTES, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM token_keys"), 1);
    fresh = issue(f, s.tokens, s.user, day + 20 * MINUTES);
    assert_int_equal(check_at(f, s.tokens, fresh, day + 20 * MINUTES), OK);
    struct user u = user_of(f, s.user);
    assert_int_equal(tokens_issue(s.tokens, &u, &by_password, day + 26 * HOURS, f->a, &fresh, &f->e).code, INTERNAL);
    tokens_free(s.tokens);
}

/* The group that held the new key was lost: the next tick puts it in again. */
static void a_lost_transaction_loses_no_key(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    int64_t day = NOW + DAYS;
    begin(f);
    assert_true(is_ok(tokens_renew(s.tokens, f->db, day, &f->e)));
    end(f, (result){STORE_FULL});
    struct str token = issue(f, s.tokens, s.user, day);
    assert_int_equal(check_at(f, s.tokens, token, day), OK);
    MUST(tokens_renew(s.tokens, f->db, day, &f->e));
    assert_int_equal(check_at(f, s.tokens, token, day), OK);
    struct tokens *other;
    MUST(open_tokens(f, day, &other));
    assert_int_equal(check_at(f, other, token, day), OK);
    tokens_free(other);
    tokens_free(s.tokens);
}

/* As by servers that start again and again and never stop cleanly. */
static void own_tokens_count_however_many_keys_there_are(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    for (size_t n = 1; n <= 70; n++) {
        struct str public_key = {arena_alloc(f->a, n), n};
        MUST(db_run(f->db,
                    SQL("INSERT INTO token_keys (public_key, created_at, ends_at) VALUES ($1, $2, $3)",
                        P_BLOB(public_key), P_INT(NOW), P_INT(NOW + DAYS)),
                    &f->e));
    }
    MUST(tokens_renew(s.tokens, f->db, NOW, &f->e));
    assert_int_equal(check_at(f, s.tokens, s.token, NOW), OK);
    assert_int_equal(check_at(f, s.tokens, issue(f, s.tokens, s.user, NOW), NOW), OK);
    tokens_free(s.tokens);
}

static void a_key_is_stored_late_and_ends_early(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    struct tokens *other;
    MUST(tokens_open(f->db, NOW, &other, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM token_keys"), 1);
    MUST(tokens_renew(other, f->db, NOW, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM token_keys"), 2);
    struct str last = issue(f, other, s.user, NOW + HOURS);
    MUST(tokens_retire(other, f->db, NOW + HOURS, &f->e));
    tokens_free(other);
    MUST(tokens_renew(s.tokens, f->db, NOW + HOURS + 20 * MINUTES - 1, &f->e));
    assert_int_equal(check_at(f, s.tokens, last, NOW + HOURS + 20 * MINUTES - 1), OK);
    MUST(tokens_renew(s.tokens, f->db, NOW + HOURS + 20 * MINUTES, &f->e));
    assert_int_equal(number_of(f, "SELECT count(*) FROM token_keys"), 1);
    tokens_free(s.tokens);
}

/* ---- threads ---- */

struct checker {
    struct tokens *tokens;
    struct str tokens_text[4];
    _Atomic bool *stop;
    int wrong;
};

static void *check_on_and_on(void *argument)
{
    struct checker *c = argument;
    struct arena *a = arena_new();
    for (size_t i = 0; !atomic_load(c->stop); i++) {
        struct token_claims claims;
        struct str token = c->tokens_text[i % 4];
        if (!is_ok(tokens_check(c->tokens, token, NOW, a, &claims, NULL)) || claims.ends_at_s != NOW / SECONDS + 1200)
            c->wrong++;
        arena_reset(a);
    }
    arena_free(a);
    return NULL;
}

static void checks_and_renewals_may_meet(void **state)
{
    struct fixture *f = *state;
    struct scene s = open_scene(f);
    _Atomic bool stop = false;
    pthread_t threads[3];
    struct checker checkers[3];
    for (size_t i = 0; i < 3; i++) {
        checkers[i] = (struct checker){.tokens = s.tokens, .stop = &stop};
        for (size_t j = 0; j < 4; j++)
            checkers[i].tokens_text[j] = issue(f, s.tokens, s.user, NOW);
        assert_int_equal(pthread_create(&threads[i], NULL, check_on_and_on, &checkers[i]), 0);
    }
    for (int i = 0; i < 10; i++) {
        struct tokens *other;
        MUST(open_tokens(f, NOW, &other));
        MUST(tokens_renew(s.tokens, f->db, NOW, &f->e));
        run_sql(f, "UPDATE token_keys SET ends_at = 1 WHERE id > 1");
        MUST(tokens_renew(s.tokens, f->db, NOW, &f->e)); /* clears what was remembered */
        tokens_free(other);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(checkers[i].wrong, 0);
    }
    tokens_free(s.tokens);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        TEST(keys_of_other_processes_count_while_they_live),
        TEST(a_key_is_renewed_each_day),
        TEST(a_lost_transaction_loses_no_key),
        TEST(own_tokens_count_however_many_keys_there_are),
        TEST(a_key_is_stored_late_and_ends_early),
        TEST(checks_and_renewals_may_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
