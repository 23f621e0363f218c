/* unit/accounts/request.c: asking, approving, ending; every code of passwordsafe-api 7.2. */
#include "fixture.h"

struct people {
    int64_t rule, requestors, approvers; /* alice and bob ask, carol approves */
};

static struct people make_roles(struct fixture *f, int64_t policy)
{
    struct people p = {.rule = make_rule(f, "web01", "ManagedAccount", f->account),
                       .requestors = make_group(f, 100, ALICE),
                       .approvers = make_group(f, 101, CAROL)};
    run_sql(f, "INSERT INTO role_members (role_id, user_id) SELECT id, 3 FROM roles WHERE number = 100");
    give_role(f, p.requestors, p.rule, ROLE_REQUESTOR);
    give_role(f, p.approvers, p.rule, ROLE_APPROVER);
    MUST(rule_set_roles(f->db, f->a, p.requestors, p.rule, (int64_t[]){ROLE_REQUESTOR}, 1, policy, &f->e));
    return p;
}

static int64_t last_id;
static bool last_is_new;

static struct request_new asking(struct fixture *f)
{
    return (struct request_new){
        .account_id = f->account, .system_id = f->system, .duration_minutes = 30, .rotate_on_checkin = true};
}
static result ask_with(struct fixture *f, int64_t user, struct request_new with, int64_t now)
{
    return request_create(f->db, f->a, &f->people[user], &with, now, &last_id, &last_is_new, &f->e);
}
static result ask(struct fixture *f, int64_t user, struct str option, int64_t now)
{
    struct request_new with = asking(f);
    with.conflict_option = option;
    return ask_with(f, user, with, now);
}
static struct request running(struct fixture *f, int64_t user, int64_t id, int64_t now)
{
    struct request r;
    MUST(request_running(f->db, f->a, &f->people[user], id, now, &r, &f->e));
    return r;
}

static void test_rights(void **state)
{
    struct fixture *f = *state;
    struct request_new with = asking(f);
    EXPECT_WORD(DENIED, "4031", ask_with(f, ALICE, with, NOW)); /* no role at all */
    with.account_id = 99;
    EXPECT_WORD(DENIED, "4031", ask_with(f, ALICE, with, NOW)); /* and does not learn what exists */
    make_roles(f, 5000);
    EXPECT(NOT_FOUND, "Managed Account not found", ask_with(f, ALICE, with, NOW));
    EXPECT_WORD(DENIED, "4033", ask_with(f, CAROL, with, NOW)); /* only approver, whatever the id */
    with.account_id = f->other_account;
    with.system_id = f->other_system;
    EXPECT_WORD(DENIED, "4031", ask_with(f, ALICE, with, NOW)); /* requestor elsewhere */
    with.account_id = f->account;
    EXPECT_WORD(DENIED, "4031", ask_with(f, ALICE, with, NOW)); /* not on that system */
    run_sql(f, "UPDATE managed_accounts SET api_enabled = 0");
    EXPECT_WORD(DENIED, "4031", ask(f, ALICE, S(""), NOW));
    EXPECT_WORD(DENIED, "4031", ask(f, ADMIN, S(""), NOW));
    run_sql(f, "UPDATE managed_accounts SET api_enabled = 1");
    MUST(ask(f, ALICE, S(""), NOW));
    f->people[BOB].carries_passwordsafe = false;
    EXPECT_WORD(DENIED, "4031", ask(f, BOB, S(""), NOW));
}

static void test_body(void **state)
{
    struct fixture *f = *state;
    int64_t policy = make_policy(f, 7, 0, true);
    make_roles(f, policy);
    run_sql(f, "UPDATE managed_accounts SET max_release_duration = 60");
    static const int64_t bad[] = {0, -1, 61, 525601, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct request_new with = asking(f);
        with.reason = S("deploy");
        with.duration_minutes = bad[i];
        EXPECT(INVALID, "DurationMinutes: must", ask_with(f, ALICE, with, NOW));
    }
    struct request_new with = asking(f);
    EXPECT(INVALID, "Reason: is required", ask_with(f, ALICE, with, NOW));
    with.reason = S(" \t ");
    EXPECT(INVALID, "Reason: is required", ask_with(f, ALICE, with, NOW));
    char long_reason[1002];
    memset(long_reason, 'x', sizeof long_reason);
    with.reason = (struct str){long_reason, 1001};
    EXPECT(INVALID, "Reason: must have at most 1000", ask_with(f, ALICE, with, NOW));
    with.reason = (struct str){long_reason, 1000};
    with.access_type = S("Telnet");
    EXPECT(INVALID, "AccessType: must be", ask_with(f, ALICE, with, NOW));
    with.access_type = S("App");
    EXPECT(INVALID, "ApplicationID", ask_with(f, ALICE, with, NOW));
    with.access_type = S("ssh");
    with.conflict_option = S("steal");
    EXPECT(INVALID, "ConflictOption: must be", ask_with(f, ALICE, with, NOW));
    with.conflict_option = S("");
    with.duration_minutes = 60;
    MUST(ask_with(f, ALICE, with, NOW));
    struct request r = running(f, ALICE, last_id, NOW);
    assert_true(is_text(r.access_type, "SSH") && r.ends_at == NOW + HOURS && r.approved_at == NOW);
    assert_true(is_text(r.system_name, "web01") && is_text(r.account_name, "root") && is_text(r.user_name, "alice"));
}

static void test_own_conflicts(void **state)
{
    struct fixture *f = *state;
    make_roles(f, 5000);
    MUST(ask(f, ALICE, S(""), NOW));
    int64_t first = last_id;
    assert_true(last_is_new);
    EXPECT_WORD(CONFLICT, "4091", ask(f, ALICE, S(""), NOW + 1));
    MUST(ask(f, ALICE, S("Reuse"), NOW + 1));
    assert_true(last_id == first && !last_is_new);
    MUST(ask(f, ALICE, S("renew"), NOW + 2));
    assert_true(last_id != first && last_is_new);
    struct request gone;
    EXPECT(NOT_FOUND, "Request not found",
           request_running(f->db, f->a, &f->people[ALICE], first, NOW + 2, &gone, &f->e));
    struct request_new ssh = asking(f);
    ssh.access_type = S("SSH"); /* another access type is another request */
    MUST(ask_with(f, ALICE, ssh, NOW + 2));
    assert_true(last_is_new);
    MUST(ask(f, ALICE, S(""), NOW + 2 + 30 * MINUTES)); /* the moment it is over nothing is in the way */
    MUST(ask(f, ALICE, S("reuse"), NOW + 2 * DAYS));
    assert_true(last_is_new); /* an expired one is not reused */
}

static void test_others_conflicts(void **state)
{
    struct fixture *f = *state;
    make_roles(f, 5000);
    MUST(ask(f, ALICE, S(""), NOW));
    int64_t alices = last_id;
    EXPECT_WORD(CONFLICT, "4091", ask(f, BOB, S(""), NOW + 1));
    EXPECT_WORD(CONFLICT, "4091", ask(f, BOB, S("reuse"), NOW + 1)); /* never another's */
    EXPECT_WORD(CONFLICT, "4091", ask(f, BOB, S("renew"), NOW + 1));
    EXPECT_WORD(CONFLICT, "4091", ask(f, ADMIN, S(""), NOW + 1));
    running(f, ALICE, alices, NOW + 1);
    run_sql(f, "UPDATE managed_accounts SET max_concurrent_requests = 2");
    MUST(ask(f, BOB, S(""), NOW + 1));
    EXPECT_WORD(CONFLICT, "4091", ask(f, ADMIN, S(""), NOW + 1));
    run_sql(f, "UPDATE managed_accounts SET max_concurrent_requests = 0"); /* no limit */
    MUST(ask(f, ADMIN, S(""), NOW + 1));
    run_sql(f, "UPDATE managed_accounts SET max_concurrent_requests = 1");
    MUST(ask(f, ALICE, S(""), NOW + 31 * MINUTES)); /* all are over */
    MUST(request_checkin(f->db, f->a, &f->people[ALICE], last_id, NOW + 32 * MINUTES, &f->e));
    MUST(ask(f, BOB, S(""), NOW + 32 * MINUTES));
}

static void test_pending(void **state)
{
    struct fixture *f = *state;
    make_roles(f, make_policy(f, 7, 1, false));
    struct request r;
    MUST(ask(f, ALICE, S(""), NOW));
    int64_t id = last_id;
    EXPECT_WORD(DENIED, "4034", request_running(f->db, f->a, &f->people[ALICE], id, NOW, &r, &f->e));
    EXPECT_WORD(DENIED, "4031", request_running(f->db, f->a, &f->people[BOB], id, NOW, &r, &f->e));
    EXPECT_WORD(DENIED, "4031", request_running(f->db, f->a, &f->people[ADMIN], id, NOW, &r, &f->e));
    EXPECT(NOT_FOUND, "Request not found", request_running(f->db, f->a, &f->people[ALICE], 99, NOW, &r, &f->e));
    EXPECT_WORD(CONFLICT, "4091", ask(f, ALICE, S(""), NOW));
    MUST(ask(f, ALICE, S("reuse"), NOW));
    assert_true(last_id == id && !last_is_new);
    EXPECT_WORD(CONFLICT, "4091", ask(f, BOB, S(""), NOW)); /* a waiting one holds its place */
    EXPECT(NOT_FOUND, "", request_running(f->db, f->a, &f->people[ALICE], id, NOW + 30 * MINUTES, &r, &f->e));
    EXPECT(INVALID, "not pending", request_approve(f->db, f->a, &f->people[CAROL], id, NOW + 30 * MINUTES, &f->e));
    MUST(request_approve(f->db, f->a, &f->people[CAROL], id, NOW + MINUTES, &f->e));
    r = running(f, ALICE, id, NOW + MINUTES);
    assert_true(r.approved_at == NOW + MINUTES && r.ends_at == NOW + 30 * MINUTES);
    EXPECT(INVALID, "not pending", request_approve(f->db, f->a, &f->people[CAROL], id, NOW + MINUTES, &f->e));
    EXPECT(INVALID, "not pending", request_deny(f->db, f->a, &f->people[CAROL], id, NOW + MINUTES, &f->e));
}

static void test_who_approves(void **state)
{
    struct fixture *f = *state;
    struct people p = make_roles(f, make_policy(f, 7, 2, false));
    struct request r;
    MUST(ask(f, ALICE, S(""), NOW));
    int64_t id = last_id;
    EXPECT_WORD(DENIED, "4033", request_approve(f->db, f->a, &f->people[BOB], id, NOW, &f->e));
    MUST(rule_set_roles(f->db, f->a, p.requestors, p.rule, (int64_t[]){ROLE_REQUESTOR_APPROVER}, 1, 7, &f->e));
    EXPECT_WORD(DENIED, "4031", request_approve(f->db, f->a, &f->people[ALICE], id, NOW, &f->e)); /* his own */
    EXPECT_WORD(DENIED, "4031", request_deny(f->db, f->a, &f->people[ALICE], id, NOW, &f->e));
    EXPECT(NOT_FOUND, "Request not found", request_approve(f->db, f->a, &f->people[CAROL], 99, NOW, &f->e));
    MUST(request_approve(f->db, f->a, &f->people[CAROL], id, NOW, &f->e));
    MUST(request_approve(f->db, f->a, &f->people[CAROL], id, NOW, &f->e)); /* one voice counts once */
    EXPECT_WORD(DENIED, "4034", request_running(f->db, f->a, &f->people[ALICE], id, NOW, &r, &f->e));
    MUST(request_approve(f->db, f->a, &f->people[BOB], id, NOW, &f->e));
    running(f, ALICE, id, NOW);
    MUST(request_checkin(f->db, f->a, &f->people[ALICE], id, NOW, &f->e));
    MUST(ask(f, BOB, S(""), NOW));
    MUST(request_deny(f->db, f->a, &f->people[ADMIN], last_id, NOW, &f->e));
    EXPECT(NOT_FOUND, "", request_running(f->db, f->a, &f->people[BOB], last_id, NOW, &r, &f->e));
    MUST(rule_set_roles(f->db, f->a, p.requestors, p.rule, (int64_t[]){ROLE_REQUESTOR}, 1, 7, &f->e));
    run_sql(f, "UPDATE managed_accounts SET api_enabled = 1");
    int64_t other = make_rule(f, "web02", "ManagedAccount", f->other_account);
    give_role(f, make_group(f, 102, BOB), other, ROLE_APPROVER); /* approver, but elsewhere */
    MUST(ask(f, ALICE, S(""), NOW));
    EXPECT_WORD(DENIED, "4031", request_approve(f->db, f->a, &f->people[BOB], last_id, NOW, &f->e));
}

static void test_nobody_can_approve(void **state)
{
    struct fixture *f = *state;
    struct people p = make_roles(f, make_policy(f, 7, 2, false));
    MUST(ask(f, ALICE, S(""), NOW)); /* carol and admin can */
    MUST(request_checkin(f->db, f->a, &f->people[ALICE], last_id, NOW, &f->e));
    run_sql(f, "UPDATE users SET is_disabled = 1 WHERE id = 4");
    EXPECT_WORD(DENIED, "4035", ask(f, ALICE, S(""), NOW));
    run_sql(f, "UPDATE users SET is_disabled = 0, is_quarantined = 1 WHERE id = 4");
    EXPECT_WORD(DENIED, "4035", ask(f, ALICE, S(""), NOW));
    run_sql(f, "UPDATE users SET is_quarantined = 0");
    run_sql(f, "UPDATE roles SET is_active = 0 WHERE number = 101");
    EXPECT_WORD(DENIED, "4035", ask(f, ALICE, S(""), NOW));
    run_sql(f, "UPDATE roles SET is_active = 1");
    MUST(rule_set_level(f->db, f->a, p.approvers, p.rule, LEVEL_NONE, &f->e));
    EXPECT_WORD(DENIED, "4035", ask(f, ALICE, S(""), NOW));
    /* Among the approvers himself: he does not count. */
    MUST(rule_set_roles(f->db, f->a, p.requestors, p.rule, (int64_t[]){ROLE_REQUESTOR_APPROVER}, 1, 7, &f->e));
    MUST(ask(f, ALICE, S(""), NOW));
    run_sql(f, "DELETE FROM role_members WHERE user_id = 3");
    MUST(request_checkin(f->db, f->a, &f->people[ALICE], last_id, NOW, &f->e));
    EXPECT_WORD(DENIED, "4035", ask(f, ALICE, S(""), NOW));
}

static void test_policies(void **state)
{
    struct fixture *f = *state;
    struct people p = make_roles(f, make_policy(f, 7, 2, true));
    struct access_policy policy, *all;
    bool needs;
    size_t n;
    MUST(access_policy_for(f->db, f->a, &f->people[ALICE], f->account, &policy, &f->e));
    assert_int_equal(policy.id, 7);
    MUST(access_policy_for(f->db, f->a, &f->people[ADMIN], f->account, &policy, &f->e));
    assert_int_equal(policy.id, 5000);
    EXPECT(NOT_FOUND, "", access_policy_for(f->db, f->a, &f->people[CAROL], f->account, &policy, &f->e));
    EXPECT(NOT_FOUND, "", access_policy_for(f->db, f->a, &f->people[ALICE], f->other_account, &policy, &f->e));
    MUST(access_policy_needs_approval(f->db, f->a, f->account, &needs, &f->e));
    assert_true(needs);
    MUST(access_policy_needs_approval(f->db, f->a, f->other_account, &needs, &f->e));
    assert_false(needs);
    give_role(f, make_group(f, 103, ALICE), make_rule(f, "s", "ManagedSystem", f->system), ROLE_REQUESTOR);
    MUST(access_policy_for(f->db, f->a, &f->people[ALICE], f->account, &policy, &f->e));
    assert_int_equal(policy.id, 5000); /* the easiest of his ways */
    MUST(access_policy_needs_approval(f->db, f->a, f->account, &needs, &f->e));
    assert_true(needs); /* the strictest of anybody's */
    MUST(access_policy_list(f->db, f->a, &all, &n, &f->e));
    assert_int_equal(n, 2);
    EXPECT(NOT_FOUND, "Access Policy not found", access_policy_get(f->db, f->a, 1, &policy, &f->e));
    MUST(rule_set_level(f->db, f->a, p.requestors, p.rule, LEVEL_NONE, &f->e));
    MUST(access_policy_needs_approval(f->db, f->a, f->account, &needs, &f->e));
    assert_false(needs);
    run_sql(f, "UPDATE managed_accounts SET deleted_at = 1");
    EXPECT(NOT_FOUND, "", access_policy_for(f->db, f->a, &f->people[ALICE], f->account, &policy, &f->e));
}

static size_t listed(struct fixture *f, int64_t user, struct str status, struct str queue, int64_t now)
{
    struct request *r;
    size_t n;
    MUST(request_list(f->db, f->a, &f->people[user], status, queue, now, &r, &n, &f->e));
    return n;
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct request *r;
    size_t n;
    EXPECT_WORD(DENIED, "4031", request_list(f->db, f->a, &f->people[ALICE], S("all"), S("req"), NOW, &r, &n, &f->e));
    make_roles(f, make_policy(f, 7, 1, false));
    EXPECT_WORD(DENIED, "4033", request_list(f->db, f->a, &f->people[CAROL], S("all"), S("req"), NOW, &r, &n, &f->e));
    EXPECT_WORD(DENIED, "4032", request_list(f->db, f->a, &f->people[ALICE], S("all"), S("app"), NOW, &r, &n, &f->e));
    EXPECT(INVALID, "status: must be",
           request_list(f->db, f->a, &f->people[ALICE], S("done"), S("req"), NOW, &r, &n, &f->e));
    EXPECT(INVALID, "queue: must be",
           request_list(f->db, f->a, &f->people[ALICE], S("all"), S("x"), NOW, &r, &n, &f->e));
    MUST(ask(f, ALICE, S(""), NOW));
    int64_t id = last_id;
    assert_int_equal(listed(f, ALICE, S("pending"), STR_ABSENT, NOW), 1);
    assert_int_equal(listed(f, ALICE, S("active"), S("req"), NOW), 0);
    assert_int_equal(listed(f, BOB, STR_ABSENT, S("req"), NOW), 0);
    assert_int_equal(listed(f, CAROL, S("pending"), S("app"), NOW), 1);
    assert_int_equal(listed(f, ADMIN, S("pending"), S("app"), NOW), 1);
    assert_int_equal(listed(f, CAROL, S("all"), S("app"), NOW + 30 * MINUTES), 0);
    MUST(request_approve(f->db, f->a, &f->people[CAROL], id, NOW, &f->e));
    assert_int_equal(listed(f, ALICE, S("active"), S("req"), NOW), 1);
    assert_int_equal(listed(f, ALICE, S("pending"), S("req"), NOW), 0);
    assert_int_equal(listed(f, ALICE, S("all"), S("req"), NOW + 30 * MINUTES - 1), 1);
    assert_int_equal(listed(f, ALICE, S("all"), S("req"), NOW + 30 * MINUTES),
                     0); /* over, though not yet written down */
    MUST(request_checkin(f->db, f->a, &f->people[ALICE], id, NOW + 1, &f->e));
    assert_int_equal(listed(f, ALICE, STR_ABSENT, STR_ABSENT, NOW + 2), 0);
    MUST(ask_with(f, ADMIN, asking(f), NOW + 3));
    assert_int_equal(listed(f, CAROL, S("all"), S("app"), NOW + 3), 0); /* nothing to decide on it */
    assert_int_equal(listed(f, ADMIN, S("all"), S("app"), NOW + 3), 0); /* nor on his own */
}

static void test_checkin(void **state)
{
    struct fixture *f = *state;
    make_roles(f, 5000);
    MUST(ask(f, ALICE, S(""), NOW));
    EXPECT_WORD(DENIED, "4031", request_checkin(f->db, f->a, &f->people[BOB], last_id, NOW, &f->e));
    EXPECT_WORD(DENIED, "4031", request_checkin(f->db, f->a, &f->people[ADMIN], last_id, NOW, &f->e));
    EXPECT(NOT_FOUND, "Request not found", request_checkin(f->db, f->a, &f->people[ALICE], 99, NOW, &f->e));
    MUST(request_checkin(f->db, f->a, &f->people[ALICE], last_id, NOW + 5, &f->e));
    MUST(request_checkin(f->db, f->a, &f->people[ALICE], last_id, NOW + 9, &f->e));
    assert_int_equal(number_of(f, "SELECT ended_at FROM requests WHERE status = 'CheckedIn'"), NOW + 5);
    EXPECT(INVALID, "has ended", request_rotate_on_checkin(f->db, f->a, &f->people[ALICE], last_id, NOW + 9, &f->e));
    EXPECT(INVALID, "no such request", request_rotate_on_checkin(f->db, f->a, &f->people[ALICE], 99, NOW, &f->e));
}

static void test_isa(void **state)
{
    struct fixture *f = *state;
    int64_t id, rule = make_rule(f, "isa", "ManagedAccount", f->account);
    make_group(f, 100, ALICE);
#define ISA(user, account, minutes)                                                                                    \
    request_create_isa(f->db, f->a, &f->people[user], account, minutes, S("why"), NOW, &id, &f->e)
    EXPECT_WORD(DENIED, "4031", ISA(ALICE, 99, 5));
    give_role(f, 100, rule, ROLE_REQUESTOR);
    EXPECT_WORD(DENIED, "4031", ISA(ALICE, f->account, 5));
    give_role(f, 100, rule, ROLE_ISA);
    EXPECT(NOT_FOUND, "Managed Account not found", ISA(ALICE, 99, 5));
    EXPECT_WORD(DENIED, "4031", ISA(ALICE, f->other_account, 5));
    EXPECT(INVALID, "DurationMinutes", ISA(ALICE, f->account, -1));
    EXPECT(INVALID, "DurationMinutes", ISA(ALICE, f->account, 525601));
    MUST(ISA(ALICE, f->account, 0));
    struct request r = running(f, ALICE, id, NOW);
    assert_true(is_text(r.kind, "isa") && r.duration_minutes == 120 && r.rotate_on_checkin);
    MUST(ISA(ADMIN, f->account, 5)); /* no conflict stops it */
    assert_int_equal(listed(f, ALICE, S("active"), S("req"), NOW), 1);
    run_sql(f, "UPDATE managed_accounts SET api_enabled = 0");
    EXPECT_WORD(DENIED, "4031", ISA(ALICE, f->account, 5));
}

static void test_terminate(void **state)
{
    struct fixture *f = *state;
    int64_t *ids;
    size_t n;
    make_roles(f, 5000);
    run_sql(f, "UPDATE managed_accounts SET max_concurrent_requests = 0");
    int64_t wanted[2];
    MUST(ask(f, ALICE, S(""), NOW));
    wanted[0] = last_id;
    MUST(ask(f, BOB, S(""), NOW));
    wanted[1] = last_id;
    struct request_new other = asking(f);
    other.account_id = f->other_account;
    other.system_id = f->other_system;
    MUST(ask_with(f, ADMIN, other, NOW));
    EXPECT(INTERNAL, "", request_terminate(f->db, f->a, 0, 0, 0, NOW, &ids, &n, &f->e));
    MUST(request_terminate(f->db, f->a, f->account, 0, 0, NOW + 1, &ids, &n, &f->e));
    assert_true(n == 2 && ids[0] == wanted[0] && ids[1] == wanted[1]);
    MUST(request_terminate(f->db, f->a, f->account, 0, 0, NOW + 1, &ids, &n, &f->e));
    assert_int_equal(n, 0);
    MUST(request_terminate(f->db, f->a, 0, f->system, 0, NOW + 1, &ids, &n, &f->e));
    assert_int_equal(n, 0);
    MUST(request_terminate(f->db, f->a, 0, f->other_system, BOB, NOW + 1, &ids, &n, &f->e));
    assert_int_equal(n, 0);
    MUST(request_terminate(f->db, f->a, 0, 0, ADMIN, NOW + 1, &ids, &n, &f->e));
    assert_int_equal(n, 1);
    MUST(ask(f, ALICE, S(""), NOW + 2));
    MUST(request_terminate(f->db, f->a, f->account, 0, 0, NOW + DAYS, &ids, &n, &f->e));
    assert_int_equal(n, 0); /* it was over by itself */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {TEST(test_rights),
                                       TEST(test_body),
                                       TEST(test_own_conflicts),
                                       TEST(test_others_conflicts),
                                       TEST(test_pending),
                                       TEST(test_who_approves),
                                       TEST(test_nobody_can_approve),
                                       TEST(test_policies),
                                       TEST(test_list),
                                       TEST(test_checkin),
                                       TEST(test_isa),
                                       TEST(test_terminate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
