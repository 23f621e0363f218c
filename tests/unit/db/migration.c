/* db/migration.c: how the migrations are written out, and what tables they make. */
#include "db/migration.h"

#include "fixture.h"

static const char *translate(struct fixture *f, struct str text)
{
    const char *ret = NULL;
    MUST(migration_translate(&sqlite_driver.dialect, text, f->arena, &ret, &error));
    return ret;
}

static void types_are_written_out(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(translate(f, S("CREATE TABLE a (id @id, n @int NOT NULL, t @time, s @text, b @blob);")),
                        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL, t INTEGER, s TEXT, "
                        "b BLOB) STRICT;");
    assert_string_equal(translate(f, S("create\ntable x (is_on /* not */ @flag NOT NULL);")),
                        "create\ntable x (is_on /* not */ INTEGER CHECK (is_on IN (0, 1)) NOT NULL) STRICT;");
    assert_string_equal(translate(f, S("ALTER TABLE x ADD COLUMN \"is new\" @flag;")),
                        "ALTER TABLE x ADD COLUMN \"is new\" INTEGER CHECK (\"is new\" IN (0, 1));");
}

static void quoted_texts_and_comments_stay(void **state)
{
    struct fixture *f = *state;
    static const char *const same[] = {
        "INSERT INTO a VALUES ('@int; ''@text'' CREATE TABLE x (');",
        "-- @id; CREATE TABLE (\nSELECT 1;",
        "/* @id ; ' */ SELECT \"@int\" FROM `@text`;",
        "CREATE INDEX create_table ON a (b);",
        "SELECT 'not ended @int;",
        "/* not ended @int;",
        "",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        assert_string_equal(translate(f, str_of(same[i])), same[i]);
    assert_string_equal(translate(f, S("CREATE TABLE a (b @text DEFAULT ';)' CHECK (b <> '@int;')); -- ;\n;")),
                        "CREATE TABLE a (b TEXT DEFAULT ';)' CHECK (b <> '@int;')) STRICT; -- ;\n;");
}

static void types_outside_the_set_are_refused(void **state)
{
    struct fixture *f = *state;
    const char *ret = "untouched";
    static const char *const wrong[] = {"CREATE TABLE a (b @integer);", "SELECT @;", "SELECT @TEXT;", "SELECT @text2;"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        EXPECT(INTERNAL, migration_translate(&sqlite_driver.dialect, str_of(wrong[i]), f->arena, &ret, &error));
    assert_string_equal(ret, "untouched");
}

static void every_table_is_strict(void **state)
{
    struct fixture *f = *state;
    static const char ours[] = "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
                               " AND name NOT LIKE 'sqlite_%' AND strict = ";
    assert_int_equal(number(f->reader, SQL(arena_printf(f->arena, "%s0", ours).p)), 0);
    assert_true(number(f->reader, SQL(arena_printf(f->arena, "%s1", ours).p)) > 30);
    assert_int_equal(number(f->reader, SQL("SELECT value = '8' FROM settings WHERE name = 'schema'")), 1);
    EXPECT(INTERNAL, db_run(f->writer,
                            SQL("INSERT INTO registrations (name, name_key, type, is_active, created_at)"
                                " VALUES ('a', 'a', 'apikeypolicy', 2, 0)"),
                            &error));
}

static void ids_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    static const char insert[] = "INSERT INTO workgroups (name, name_key) VALUES ('a', 'a') RETURNING id";
    int64_t first = number(f->writer, SQL(insert));
    MUST(db_run(f->writer, SQL("DELETE FROM workgroups"), &error));
    assert_int_equal(number(f->writer, SQL(insert)), first + 1);
}

static void running_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t before = number(f->reader, SQL("PRAGMA schema_version"));
    MUST(migrations_run(f->writer, &error));
    MUST(migrations_check(f->reader, &error));
    assert_int_equal(number(f->reader, SQL("PRAGMA schema_version")), before);
    MUST(db_run(f->writer, SQL("DELETE FROM settings WHERE name = 'schema'"), &error));
    EXPECT(CONFLICT, migrations_run(f->writer, &error)); /* a file of somebody else's */
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(types_are_written_out),
        WITH_STORE(quoted_texts_and_comments_stay),
        WITH_STORE(types_outside_the_set_are_refused),
        WITH_STORE(every_table_is_strict),
        WITH_STORE(ids_are_never_used_again),
        WITH_STORE(running_again_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
