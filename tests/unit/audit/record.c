/* unit/audit/record.c: what is recorded when works succeed, fail, are rolled back or lost; and the head with them. */
#include "fixture.h"

#include <inttypes.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct step { /* a work with the outcome that the test wants */
    struct work work;
    struct fixture *f;
    int64_t number;
    bool fails;
    sem_t done;
};

static result step_run(struct db *db, struct work *w, struct err *e)
{
    struct step *s = (struct step *)w;
    audit_act(db, (struct audit_actor){.user_id = s->number, .user_name = S("Ärne"), .source = S("keyturn")});
    audit_note(db, "locker.create", true, (struct audit_object){"locker", s->number, S("x")}, 0, S("done"));
    TRY(db_run(db,
               SQL("INSERT INTO settings (name, value) VALUES ($1, 'x')",
                   P_TEXT(arena_printf(s->f->a, "%" PRId64, s->number))),
               e));
    return s->fails ? FAIL(e, DENIED, "no") : SUCCESS;
}

static result step_refuse(struct db *db, struct work *w, const struct err *why, struct err *e)
{
    (void)e;
    struct step *s = (struct step *)w;
    audit_note(db, "locker.create", false, (struct audit_object){"locker", s->number, S("x")}, 0, str_of(why->text));
    return SUCCESS;
}

static void step_done(struct work *w, result outcome, const struct err *why)
{
    (void)outcome;
    (void)why;
    sem_post(&((struct step *)w)->done);
}

static enum code do_step(struct fixture *f, struct writer *w, int64_t number, bool fails)
{
    struct step s = {
        .work = {.run = step_run, .refuse = step_refuse, .done = step_done}, .f = f, .number = number, .fails = fails};
    sem_init(&s.done, 0, 0);
    must(f, writer_submit(w, &s.work, &f->e));
    sem_wait(&s.done);
    sem_destroy(&s.done);
    return s.work.outcome.code;
}

static void refused_work_leaves_only_its_refusal(void **state)
{
    struct fixture *f = *state;
    struct writer *w;
    must(f, writer_new(f->db, &f->hooks, &w, &f->e));
    assert_int_equal(do_step(f, w, 1, false), OK);
    assert_int_equal(do_step(f, w, 2, true), DENIED);
    assert_int_equal(do_step(f, w, 2, false), OK);
    writer_free(w);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM audit_rows"), 3);
    assert_int_equal(number_of(f, "SELECT is_success FROM audit_rows WHERE number = 2"), 0);
    assert_true(str_equal(text_of(f, "SELECT detail FROM audit_rows WHERE number = 2"), S("no")));
    assert_int_equal(number_of(f, "SELECT user_id FROM audit_rows WHERE number = 2"), 2);
    assert_true(str_equal(text_of(f, "SELECT user_name_key FROM audit_rows WHERE number = 1"), S("ärne")));
    assert_int_equal(verify(f, NULL).vouched_to, 3);
}

/* Many at once, so that good and failing ones share a group. */
static void mixed_group(void **state)
{
    enum { STEPS = 60 };
    struct fixture *f = *state;
    struct writer *w;
    static struct step steps[STEPS];
    must(f, writer_new(f->db, &f->hooks, &w, &f->e));
    for (int i = 0; i < STEPS; i++) {
        steps[i] =
            (struct step){.work = {.run = step_run, .refuse = step_refuse, .done = step_done}, .f = f, .number = i};
        steps[i].fails = i % 3 != 0;
        sem_init(&steps[i].done, 0, 0);
        must(f, writer_submit(w, &steps[i].work, &f->e));
    }
    writer_free(w);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM audit_rows"), STEPS);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM audit_rows WHERE is_success = 1"), STEPS / 3);
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM settings WHERE value = 'x'"), STEPS / 3);
    assert_int_equal(number_of(f, "SELECT COUNT(DISTINCT object_id) FROM audit_rows"), STEPS);
    assert_int_equal(verify(f, NULL).vouched_to, STEPS);
}

static void savepoint_cuts_the_list(void **state)
{
    struct fixture *f = *state;
    note(f, 1);
    size_t mark = f->hooks.mark(f->db, f->hooks.context);
    for (int64_t i = 2; i < 200; i++)
        note(f, i);
    f->hooks.cut(f->db, mark, f->hooks.context);
    note(f, 200);
    must(f, commit(f));
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM audit_rows"), 2);
    assert_int_equal(number_of(f, "SELECT user_id FROM audit_rows WHERE number = 2"), 200);
}

static void lost_group_leaves_the_head(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 10);
    for (int i = 0; i < 2; i++) {
        must(f, db_begin(f->db, &f->e));
        note(f, 11);
        note(f, 12);
        must(f, f->hooks.before_commit(f->db, f->hooks.context, &f->e));
        db_rollback(f->db);
        f->hooks.after_loss(f->db, f->hooks.context);
    }
    note(f, 13);
    must(f, commit(f));
    assert_int_equal(number_of(f, "SELECT user_id FROM audit_rows WHERE number = 11"), 13);
    assert_int_equal(number_of(f, "SELECT MAX(number) FROM audit_rows"), 11);
    assert_int_equal(verify(f, NULL).vouched_to, 11);
    reopen(f, "a");
    write_rows(f, 1);
    assert_int_equal(verify(f, NULL).vouched_to, 12);
}

static void group_that_grows(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 1; i <= 1000; i++)
        note(f, i);
    must(f, commit(f));
    assert_int_equal(
        number_of(f, "SELECT COUNT(*) FROM audit_rows WHERE number = user_id AND detail = 'row ' || number"), 1000);
    assert_int_equal(verify(f, NULL).vouched_to, 1000);
}

/* Whatever a stranger sends as a name must not keep the group from being recorded. */
static void texts_that_no_store_takes(void **state)
{
    struct fixture *f = *state;
    char *long_text = arena_alloc(f->a, 100000);
    memset(long_text, 'x', 99998);
    memcpy(long_text + 998, "\xC3\xA4\xC3\xA4",
           4); /* the cut at 1,000 bytes is between two characters, at 999 in one */
    const struct str names[] = {{"a\0b", 3},        {"\xff\xfe", 2},        {"\xC3", 1}, {"\xED\xA0\x80", 3},
                                {long_text, 99998}, {long_text + 1, 99990}, STR_ABSENT};
    enum { NAMES = sizeof(names) / sizeof(*names) };
    for (size_t i = 0; i < NAMES; i++) {
        audit_act(f->db, (struct audit_actor){
                             .user_name = names[i], .address = names[i], .request_id = names[i], .source = names[i]});
        audit_note(f->db, "session.create", false, (struct audit_object){NULL, 0, names[i]}, 0, names[i]);
    }
    must(f, commit(f));
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM audit_rows"), NAMES);
    assert_int_equal(number_of(f, on_store("SELECT MAX(length(CAST(user_name AS BLOB))) FROM audit_rows",
                                           "SELECT MAX(octet_length(user_name)) FROM audit_rows")),
                     1000);
    assert_int_equal(number_of(f, on_store("SELECT length(CAST(user_name AS BLOB)) FROM audit_rows WHERE number = 6",
                                           "SELECT octet_length(user_name) FROM audit_rows WHERE number = 6")),
                     999);
    assert_int_equal(number_of(f, "SELECT MAX(length(detail)) FROM audit_rows"),
                     65534); /* two characters have two bytes */
    assert_true(str_equal(text_of(f, "SELECT user_name FROM audit_rows WHERE number = 1"), S("a?b")));
    assert_int_equal(verify(f, NULL).vouched_to, NAMES);
}

static void each_work_begins_as_the_server(void **state)
{
    struct fixture *f = *state;
    note(f, 1);
    f->hooks.mark(f->db, f->hooks.context);
    audit_note(f->db, "job.step", true, NO_OBJECT, 9, S(""));
    must(f, commit(f));
    audit_note(f->db, "job.step", true, NO_OBJECT, 9, S(""));
    must(f, commit(f));
    assert_int_equal(number_of(f, "SELECT COUNT(*) FROM audit_rows WHERE number > 1 AND user_id = 0 AND user_name = '' "
                                  "AND source = 'server'"),
                     2);
}

static void reader_cannot_note(void **state)
{
    struct fixture *f = *state;
    struct db *reader;
    must(f, db_open(f->store, DB_READER, &reader, &f->e));
    audit_act(reader, (struct audit_actor){.user_id = 7}); /* nothing happens */
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        audit_note(reader, "locker.create", true, NO_OBJECT, 0, S(""));
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    db_free(reader);
}

int main(void)
{
    crypto_start();
#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        CASE(refused_work_leaves_only_its_refusal), CASE(mixed_group),        CASE(savepoint_cuts_the_list),
        CASE(lost_group_leaves_the_head),           CASE(group_that_grows),   CASE(texts_that_no_store_takes),
        CASE(each_work_begins_as_the_server),       CASE(reader_cannot_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
