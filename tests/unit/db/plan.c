/* db/plan.c: the lookups that the tables' indexes are there for do use them. */
#include <string.h>

#include "db/filter.h"
#include "fixture.h"

struct lookup {
    const char *sql, *plan; /* every line of the plan together must hold this, and no SCAN and no TEMP B-TREE */
};

static const struct lookup lookups[] = {
    {"SELECT id FROM users WHERE name_key = 'a'", "(name_key=?)"},
    {"SELECT id FROM users WHERE client_id = 'a'", "(client_id=?)"},
    {"SELECT id FROM roles WHERE face = 1 AND number = 2", "(face=? AND number=?)"},
    {"SELECT id FROM roles WHERE face = 1 AND name_key = 'a'", "(face=? AND name_key=?)"},
    {"SELECT role_id FROM role_members WHERE user_id = 1 ORDER BY role_id", "COVERING INDEX role_members_user"},
    {"SELECT r.right_id, max(r.level) FROM role_members m JOIN role_rights r ON r.role_id = m.role_id"
     " WHERE m.user_id = 1 AND r.right_id = 2",
     "role_members_user"},
    {"SELECT * FROM sessions WHERE hash = x'00'", "(hash=?)"},
    {"DELETE FROM sessions WHERE ends_at < 5", "sessions_end"},
    {"DELETE FROM ended_tokens WHERE ends_at < 5", "ended_tokens_end"},
    {"SELECT user_id FROM api_keys WHERE hash = x'00'", "(hash=?)"},
    {"SELECT * FROM guesses WHERE kind = 'pair' AND who = 'a'", "(kind=? AND who=?)"},
    {"SELECT id FROM lockers ORDER BY created_at, id LIMIT 10", "lockers_created"},
    {"SELECT locker_id FROM locker_members WHERE user_id = 1", "locker_members_user"},
    {"SELECT locker_id FROM locker_consumers WHERE role_id IN (1, 2)", "locker_consumers_role"},
    {"SELECT id FROM credentials WHERE name_key = 'a'", "(name_key=?)"},
    {"SELECT id FROM credentials ORDER BY name_key, id LIMIT 10", "USING COVERING INDEX"},
    {"SELECT id FROM credentials WHERE owner_id = 1 ORDER BY id DESC LIMIT 10", "credentials_owner"},
    {"SELECT id FROM credentials WHERE locker_id = 1 ORDER BY id LIMIT 10", "credentials_locker"},
    {"SELECT id FROM credentials WHERE created_at > 5 ORDER BY created_at, id LIMIT 10", "credentials_created"},
    {"SELECT id FROM credentials ORDER BY updated_at, id LIMIT 10", "credentials_updated"},
    {"SELECT id FROM credentials ORDER BY id DESC LIMIT 10", "credentials"},
    {"SELECT id FROM attributes WHERE credential_id = 1 AND name_key = 'a'", "(credential_id=? AND name_key=?)"},
    {"SELECT sealed FROM attribute_values WHERE attribute_id = 1 AND user_id = 0", "(attribute_id=? AND user_id=?)"},
    {"SELECT id FROM managed_accounts WHERE system_id = 1 AND name_key = 'a' AND deleted_at = 0",
     "(system_id=? AND name_key=?"},
    {"SELECT id FROM managed_accounts WHERE next_change_at > 0 AND next_change_at < 9 ORDER BY next_change_at, id "
     "LIMIT 10",
     "managed_accounts_next_change"},
    {"SELECT id FROM requests WHERE account_id = 1 AND status = 'Active'", "requests_account"},
    {"SELECT id FROM requests WHERE is_settled = 0 AND ends_at < 5", "requests_unsettled"},
    {"SELECT * FROM versions WHERE account_id = 1 AND number = 2", "(account_id=? AND number=?)"},
    {"SELECT id FROM jobs WHERE is_open = 1 AND next_try_at <= 5 ORDER BY next_try_at, id LIMIT 10", "jobs_due"},
    {"SELECT id FROM jobs WHERE account_id = 1 AND is_open = 1 ORDER BY id", "jobs_account"},
    {"SELECT * FROM job_steps WHERE job_id = 1 ORDER BY id", "job_steps_job"},
    {"SELECT id FROM links WHERE account_id = 1 ORDER BY id", "links_account"},
    {"SELECT id FROM links WHERE attribute_id = 1 AND user_id = 0", "(attribute_id=? AND user_id=?)"},
    {"SELECT id FROM audit_rows WHERE server = 'a' AND number > 5 ORDER BY number LIMIT 10", "(server=? AND number>?)"},
    {"SELECT id FROM audit_rows ORDER BY at, id LIMIT 10", "audit_rows_at"},
    {"SELECT id FROM audit_rows WHERE account_id = 1 ORDER BY id LIMIT 10", "audit_rows_account"},
};

static const char *plan_of(struct fixture *f, struct sql sql)
{
    struct rows rows;
    struct str plan = S("");
    sql.text = arena_printf(f->arena, "EXPLAIN QUERY PLAN %s", sql.text).p;
    sql.is_built = true;
    MUST(db_query(f->writer, f->arena, sql, &rows, &error));
    for (size_t i = 0; i < rows.n; i++)
        plan = arena_printf(f->arena, "%.*s%.*s; ", STR_ARG(plan), STR_ARG(row_text(&rows, i, 3)));
    return plan.p;
}

static void lookups_use_their_indexes(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(lookups) / sizeof(lookups[0]); i++) {
        const char *plan = plan_of(f, SQL(lookups[i].sql));
        bool is_limited = strstr(lookups[i].sql, "LIMIT") != NULL; /* a page reads an index from its start */
        if (!strstr(plan, lookups[i].plan) || strstr(plan, "TEMP B-TREE") || (!is_limited && strstr(plan, "SCAN")))
            fail_msg("%s: %s", lookups[i].sql, plan);
    }
}

static void prefixes_use_the_index_of_the_key(void **state)
{
    struct fixture *f = *state;
    struct builder b;
    builder_init(&b, f->arena);
    builder_add(&b, "SELECT id FROM credentials WHERE");
    builder_prefix(&b, "name_key", S("sap"));
    builder_add(&b, "ORDER BY name_key, id LIMIT 10");
    const char *plan = plan_of(f, builder_sql(&b));
    assert_non_null(strstr(plan, "name_key>? AND name_key<?"));
    assert_null(strstr(plan, "TEMP B-TREE"));
}

static void filtered_pages_use_indexes(void **state)
{
    struct fixture *f = *state;
    static const struct column created = {"createdOn", COLUMN_TIME, "c.created_at"},
                               owner = {"ownerId", COLUMN_ID, "c.owner_id"};
    const struct {
        struct filter where;
        struct sort sort;
        const char *plan;
    } pages[] = {
        {{.op = FILTER_GE, .column = &created, .has_value = true, .number = 5},
         {&created, false},
         "credentials_created (created_at>?)"},
        {{.op = FILTER_EQ, .column = &owner, .has_value = true, .number = 5},
         {NULL, false},
         "credentials_owner (owner_id=?)"},
        {{.op = FILTER_ALL}, {&created, false}, "credentials_created"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct listing l = {.where = pages[i].where, .length = 10, .sort_count = pages[i].sort.column ? 1 : 0};
        l.sorts[0] = pages[i].sort;
        struct builder b;
        builder_init(&b, f->arena);
        builder_add(&b, "SELECT c.id FROM credentials c WHERE 1 = 1");
        filter_where(&b, &l.where);
        filter_order(&b, &l, "c.id");
        const char *plan = plan_of(f, builder_sql(&b));
        if (!strstr(plan, pages[i].plan) || strstr(plan, "TEMP B-TREE"))
            fail_msg("page %zu: %s", i, plan);
    }
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(lookups_use_their_indexes),
        WITH_STORE(prefixes_use_the_index_of_the_key),
        WITH_STORE(filtered_pages_use_indexes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
