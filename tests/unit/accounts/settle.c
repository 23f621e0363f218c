/* unit/accounts/settle.c: the end of a release turns the account once, after the last who has it. */
#include "fixture.h"

static int64_t ask(struct fixture *f, int64_t account, int64_t minutes, int64_t now, bool is_released)
{
    struct request_new with = {.account_id = account,
                               .system_id = account == f->account ? f->system : f->other_system,
                               .duration_minutes = minutes,
                               .rotate_on_checkin = true};
    int64_t id;
    bool is_new;
    MUST(request_create(f->db, f->a, &f->people[ADMIN], &with, now, &id, &is_new, &f->e));
    if (is_released)
        MUST(request_mark_released(f->db, id, &f->e));
    return id;
}

static int64_t isa(struct fixture *f, int64_t minutes, int64_t now)
{
    int64_t id;
    MUST(request_create_isa(f->db, f->a, &f->people[ADMIN], f->account, minutes, S(""), now, &id, &f->e));
    return id;
}

/* How many accounts turn; the first of them. */
static size_t settle(struct fixture *f, int64_t now, int64_t *ret_first)
{
    int64_t *ids;
    size_t n;
    MUST(request_settle(f->db, f->a, now, &ids, &n, &f->e));
    *ret_first = n ? ids[0] : 0;
    return n;
}

static void checkin(struct fixture *f, int64_t id, int64_t now)
{
    MUST(request_checkin(f->db, f->a, &f->people[ADMIN], id, now, &f->e));
}

static void test_once(void **state)
{
    struct fixture *f = *state;
    int64_t account, id = ask(f, f->account, 30, NOW, true);
    assert_int_equal(settle(f, NOW + 30 * MINUTES - 1, &account), 0);
    assert_int_equal(settle(f, NOW + 30 * MINUTES, &account), 1);
    assert_int_equal(account, f->account);
    assert_int_equal(settle(f, NOW + 30 * MINUTES, &account), 0);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM requests WHERE status = 'Expired' AND ended_at = ends_at"), 1);
    id = ask(f, f->account, 30, NOW + DAYS, true);
    checkin(f, id, NOW + DAYS + 1); /* long before its end */
    assert_int_equal(settle(f, NOW + DAYS + 1, &account), 1);
    int64_t *ids;
    size_t n;
    ask(f, f->account, 30, NOW + 2 * DAYS, true);
    MUST(request_terminate(f->db, f->a, f->account, 0, 0, NOW + 2 * DAYS, &ids, &n, &f->e));
    assert_int_equal(settle(f, NOW + 2 * DAYS, &account), 1);
}

static void test_what_does_not_turn(void **state)
{
    struct fixture *f = *state;
    int64_t account;
    checkin(f, ask(f, f->account, 30, NOW, false), NOW + 1); /* never read */
    assert_int_equal(settle(f, NOW + 1, &account), 0);
    run_sql(f, "UPDATE managed_accounts SET change_after_release = 0");
    checkin(f, ask(f, f->account, 30, NOW + 2, true), NOW + 3);
    assert_int_equal(settle(f, NOW + 3, &account), 0);
    run_sql(f, "UPDATE managed_accounts SET change_after_release = 1");
    assert_int_equal(settle(f, NOW + 3, &account), 0); /* settled is settled */
    int64_t id = ask(f, f->account, 30, NOW + 4, true);
    run_sql(f, "UPDATE requests SET rotate_on_checkin = 0");
    checkin(f, id, NOW + 5);
    assert_int_equal(settle(f, NOW + 5, &account), 0);
    id = ask(f, f->account, 30, NOW + 6, true);
    run_sql(f, "UPDATE requests SET rotate_on_checkin = 0");
    MUST(request_rotate_on_checkin(f->db, f->a, &f->people[ADMIN], id, NOW + 6, &f->e));
    checkin(f, id, NOW + 7);
    assert_int_equal(settle(f, NOW + 7, &account), 1);
    ask(f, f->account, 30, NOW + 8, true);
    MUST(account_delete(f->db, f->account, NOW + 9, &f->e));
    assert_int_equal(settle(f, NOW + 9, &account), 0);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM requests WHERE is_settled = 0"), 0);
}

/* Only who passes every check may ask that the account does not turn. */
static void test_override(void **state)
{
    struct fixture *f = *state;
    struct request_new with = {.account_id = f->account, .system_id = f->system, .duration_minutes = 5};
    int64_t account, id;
    bool is_new;
    make_group(f, 100, ALICE);
    give_role(f, 100, make_rule(f, "r", "ManagedAccount", f->account), ROLE_REQUESTOR);
    MUST(request_create(f->db, f->a, &f->people[ALICE], &with, NOW, &id, &is_new, &f->e));
    MUST(request_mark_released(f->db, id, &f->e));
    assert_int_equal(settle(f, NOW + 5 * MINUTES, &account), 1);
    MUST(request_create(f->db, f->a, &f->people[ADMIN], &with, NOW + DAYS, &id, &is_new, &f->e));
    MUST(request_mark_released(f->db, id, &f->e));
    assert_int_equal(settle(f, NOW + 2 * DAYS, &account), 0);
    /* Nothing to suppress when he asked: the wish is not kept for later. */
    run_sql(f, "UPDATE managed_accounts SET change_after_release = 0");
    MUST(request_create(f->db, f->a, &f->people[ADMIN], &with, NOW + 3 * DAYS, &id, &is_new, &f->e));
    MUST(request_mark_released(f->db, id, &f->e));
    run_sql(f, "UPDATE managed_accounts SET change_after_release = 1");
    assert_int_equal(settle(f, NOW + 4 * DAYS, &account), 1);
}

static void test_does_not_wait_when_single(void **state)
{
    struct fixture *f = *state;
    int64_t account, id = ask(f, f->account, 30, NOW, true);
    isa(f, 60, NOW);
    checkin(f, id, NOW + 1);
    assert_int_equal(settle(f, NOW + 1, &account), 1);
    assert_int_equal(account, f->account);
}

static void test_waits_for_the_last(void **state)
{
    struct fixture *f = *state;
    int64_t account;
    run_sql(f, "UPDATE managed_accounts SET max_concurrent_requests = 0");
    int64_t first = ask(f, f->account, 60, NOW, true), second = isa(f, 120, NOW), third = isa(f, 90, NOW);
    checkin(f, first, NOW + 1);
    assert_int_equal(settle(f, NOW + 1, &account), 0);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM requests WHERE is_settled = 0"), 2);
    checkin(f, second, NOW + 2); /* neither it nor the third was read, but the first was */
    assert_int_equal(settle(f, NOW + 2, &account), 0);
    assert_int_equal(settle(f, NOW + 90 * MINUTES, &account), 1);
    assert_int_equal(account, f->account);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM requests WHERE is_settled = 0"), 0);
    (void)third;
}

static void test_several_at_once(void **state)
{
    struct fixture *f = *state;
    int64_t account;
    run_sql(f, "UPDATE managed_accounts SET max_concurrent_requests = 5");
    for (int i = 0; i < 3; i++)
        MUST(request_mark_released(f->db, isa(f, 10, NOW), &f->e));
    ask(f, f->other_account, 10, NOW, true);
    assert_int_equal(settle(f, NOW + 10 * MINUTES, &account), 2); /* each account once */
    assert_int_equal(account, f->account);
}

static void test_at_most_a_hundred(void **state)
{
    struct fixture *f = *state;
    int64_t account;
    for (int i = 0; i < 250; i++)
        isa(f, 10 + i % 7, NOW);
    static const int64_t left[] = {150, 50, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        settle(f, NOW + HOURS, &account);
        assert_int_equal(number_of(f, "SELECT COUNT(*) FROM requests WHERE is_settled = 0"), left[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {TEST(test_once),
                                       TEST(test_what_does_not_turn),
                                       TEST(test_override),
                                       TEST(test_does_not_wait_when_single),
                                       TEST(test_waits_for_the_last),
                                       TEST(test_several_at_once),
                                       TEST(test_at_most_a_hundred)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
