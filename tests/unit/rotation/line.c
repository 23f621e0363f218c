/* unit/rotation/line.c: a line ends every call in time, with the right code, whatever the connector does. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "rotation/launcher.h"
#include "rotation/line.h"

static char folder[256];

static void make_program(const char *source, const char *name)
{
    char path[512], command[1200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(command, sizeof(command), "install -m 755 '%s' '%s/keyturn-connector-ssh'", source, path);
    assert_int_equal(system(command), 0);
}

static struct launcher *launch(const char *name)
{
    char path[512];
    struct err e = {0};
    struct launcher *l = NULL;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_true(is_ok(launcher_start(path, NULL, &l, &e)));
    return l;
}

static struct line *open_line(struct launcher *l)
{
    struct err e = {0};
    struct line *line = NULL;
    result opened = line_open(l, "ssh", &line, &e);
    if (!is_ok(opened))
        fail_msg("%s", e.text);
    return line;
}

static struct launcher *good;

static int start(void **state)
{
    (void)state;
    good = launch("good");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    launcher_stop(good);
    return 0;
}

static result change(struct line *line, const char *account, struct err *e)
{
    struct arena *a = arena_new();
    const struct change_request request = {.account = {.name = str_of(account)},
                                           .part = CHANGE_PASSWORD,
                                           .password = secret_new(a, "canary-Secret-1", 15)};
    result done = line_change(line, &request, e);
    arena_free(a);
    return done;
}

static result login_with(struct line *line, const char *account, const char *password, enum login_word *ret,
                         struct err *e)
{
    struct arena *a = arena_new();
    const struct login_secret secret = {.password = secret_new(a, password, strlen(password))};
    result done = line_login(line, (struct target_account){.name = str_of(account)}, &secret, ret, e);
    arena_free(a);
    return done;
}

static result login(struct line *line, const char *account, enum login_word *ret, struct err *e)
{
    return login_with(line, account, "canary-Secret-1", ret, e);
}

static int64_t peak_bytes(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (int64_t)used.ru_maxrss * 1024;
}

/* The deadline is one second; the machine may be busy. */
enum { BOUND_MS = 2500, MEMORY_BOUND = 24 << 20 };

static void expect_change_uncertain(const char *account)
{
    struct line *line = open_line(good);
    struct err e = {0};
    int64_t began = clock_monotonic();
    line_set_deadline(line, began + SECONDS);
    assert_string_equal(code_name(change(line, account, &e).code), "UNCERTAIN");
    assert_in_range((clock_monotonic() - began) / 1000, 0, BOUND_MS);
    assert_true(line_is_broken(line));
    assert_string_equal(code_name(change(line, account, &e).code), "UNREACHABLE");
    line_close(line);
}

static void expect_login_unreachable(const char *account)
{
    struct line *line = open_line(good);
    struct err e = {0};
    enum login_word word = LOGIN_LOCKED;
    int64_t began = clock_monotonic();
    line_set_deadline(line, began + SECONDS);
    assert_string_equal(code_name(login(line, account, &word, &e).code), "UNREACHABLE");
    assert_in_range((clock_monotonic() - began) / 1000, 0, BOUND_MS);
    assert_int_equal(word, LOGIN_LOCKED);
    line_close(line);
}

static const char *const misdeeds[] = {"garbage",
                                       "empty_line",
                                       "endless",
                                       "huge_text",
                                       "deep",
                                       "half",
                                       "wrong_id",
                                       "twice",
                                       "without_ok",
                                       "ok_is_text",
                                       "odd_code",
                                       "late",
                                       "only_noise",
                                       "mute",
                                       "dies",
                                       "parks_in_token",
                                       "parks_in_scheme",
                                       "parks_in_type",
                                       "parks_in_sha256",
                                       "parks_in_key",
                                       "odd_token",
                                       "odd_scheme",
                                       "odd_type",
                                       "no_type",
                                       "odd_sha256",
                                       "odd_key",
                                       "long_token"};
enum { MISDEEDS = sizeof(misdeeds) / sizeof(misdeeds[0]) };

static void change_is_uncertain_after_every_misdeed(void **state)
{
    (void)state;
    int64_t before = peak_bytes();
    for (size_t i = 0; i < MISDEEDS; i++)
        expect_change_uncertain(misdeeds[i]);
    assert_in_range(peak_bytes() - before, 0, MEMORY_BOUND);
}

static void login_is_never_uncertain(void **state)
{
    (void)state;
    int64_t before = peak_bytes();
    for (size_t i = 0; i < MISDEEDS; i++)
        expect_login_unreachable(misdeeds[i]);
    assert_in_range(peak_bytes() - before, 0, MEMORY_BOUND);
}

static void an_answer_that_is_too_long_is_not_waited_out(void **state)
{
    static const char *const accounts[] = {"endless", "huge_text"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct line *line = open_line(good);
        struct err e = {0};
        int64_t began = clock_monotonic();
        line_set_deadline(line, began + 10 * SECONDS);
        assert_string_equal(code_name(change(line, accounts[i], &e).code), "UNCERTAIN");
        assert_in_range((clock_monotonic() - began) / 1000, 0, BOUND_MS);
        line_close(line);
    }
}

static void change_is_unreachable_when_the_connector_was_gone_before(void **state)
{
    (void)state;
    struct line *line = open_line(good);
    struct err e = {0};
    enum login_word word = LOGIN_ACCEPTED;
    assert_true(is_ok(login(line, "ends_later", &word, &e)));
    assert_int_equal(word, LOGIN_DENIED);
    usleep(200 * 1000);
    assert_string_equal(code_name(change(line, "u1", &e).code), "UNREACHABLE");
    assert_true(line_is_broken(line));
    line_close(line);
}

static void noise_on_standard_error_stops_nobody(void **state)
{
    (void)state;
    struct line *line = open_line(good);
    struct err e = {0};
    enum login_word word = LOGIN_DENIED;
    int64_t before = peak_bytes();
    assert_true(is_ok(login(line, "noisy", &word, &e)));
    assert_int_equal(word, LOGIN_ACCEPTED);
    assert_in_range(peak_bytes() - before, 0, MEMORY_BOUND);
    assert_false(line_is_broken(line));
    line_close(line);
}

static void every_code_has_its_result(void **state)
{
    static const struct {
        const char *word, *change, *login;
    } rows[] = {
        {"unreachable", "UNREACHABLE", "UNREACHABLE"},
        {"host_key_unknown", "UNREACHABLE", "UNREACHABLE"},
        {"host_key_changed", "UNREACHABLE", "UNREACHABLE"},
        {"functional_denied", "UNREACHABLE", "UNREACHABLE"},
        {"elevation_denied", "UNREACHABLE", "UNREACHABLE"},
        {"unsent", "UNREACHABLE", "UNREACHABLE"},
        {"unreadable", "UNREACHABLE", "UNREACHABLE"},
        {"no_account", "REFUSED", "REFUSED"},
        {"policy", "REFUSED", "REFUSED"},
        {"refused", "REFUSED", "REFUSED"},
        {"bad_request", "INVALID", "INVALID"},
        {"bad_key", "INVALID", "INVALID"},
        {"wrong_passphrase", "INVALID", "INVALID"},
        {"passphrase_required", "INVALID", "INVALID"},
        {"unknown", "UNCERTAIN", "UNREACHABLE"},
        {"never_heard_of", "UNCERTAIN", "UNREACHABLE"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char account[64];
        struct err e = {0};
        enum login_word word = LOGIN_DENIED;
        snprintf(account, sizeof(account), "code_%s", rows[i].word);
        struct line *line = open_line(good);
        assert_string_equal(code_name(login(line, account, &word, &e).code), rows[i].login);
        line_close(line);
        line = open_line(good);
        assert_string_equal(code_name(change(line, account, &e).code), rows[i].change);
        assert_string_equal(e.word, strcmp(rows[i].word, "never_heard_of") == 0 ? "unknown" : rows[i].word);
        line_close(line);
    }
}

static void texts_are_printable_and_hold_no_secret(void **state)
{
    (void)state;
    struct line *line = open_line(good);
    struct err e = {0};
    assert_string_equal(code_name(change(line, "tells", &e).code), "REFUSED");
    assert_null(strstr(e.text, "canary"));
    assert_string_equal(code_name(change(line, "colours", &e).code), "REFUSED");
    assert_string_equal(e.text, "?[31mred?line");
    line_close(line);
}

static void fields_that_are_kept_hold_no_secret(void **state)
{
    static const struct {
        const char *password, *came;
    } rows[] = {
        {"canary-Secret-1", "OK"},
        {"1", "OK"},
        {"SHA256", "OK"},
        {"76380", "UNREACHABLE"},
        {"uNiVztksCsDh", "UNREACHABLE"},
        {"first line\nhcc0u9e8B\n", "UNREACHABLE"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct line *line = open_line(good);
        struct err e = {0};
        enum login_word word = LOGIN_LOCKED;
        assert_string_equal(code_name(login_with(line, "good_fields", rows[i].password, &word, &e).code), rows[i].came);
        assert_null(strstr(e.text, rows[i].password));
        line_close(line);
    }
}

static result check(struct line *line, const char *account, struct check_result *ret, struct err *e)
{
    struct arena *a = arena_new();
    const struct functional_login functional = {
        .is_set = true, .account = S("func"), .elevation = S(""), .secret = {.password = secret_new(a, "Func-1", 6)}};
    const struct line_setup setup = {.kind = "ssh",
                                     .target = {.name = S("h"), .address = S("127.0.0.1"), .port = 22, .timeout_s = 5},
                                     .functional = &functional};
    result done = line_check(line, &setup, (struct target_account){.name = str_of(account)}, "", a, ret, e);
    arena_free(a);
    return done;
}

static void only_one_word_says_that_the_password_is_wrong(void **state)
{
    static const struct {
        const char *account;
        bool is_wrong;
    } rows[] = {
        {"denied_as_denied", true},   {"code_functional_denied", true}, {"denied_as_locked", false},
        {"denied_as_expired", false}, {"denied_as_accepted", false},    {"denied_as_must_change", false},
        {"denied_as_refused", false}, {"denied_as_never_heard", false}, {"code_unreachable", false},
    };
    (void)state;
    struct line *line = open_line(good);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct check_result found = {.denies_password = !rows[i].is_wrong};
        struct err e = {0};
        assert_string_equal(code_name(check(line, rows[i].account, &found, &e).code), "UNREACHABLE");
        assert_int_equal(found.denies_password, rows[i].is_wrong);
    }
    line_close(line);
}

/* Whoever waits for the end of an attempt reads the seconds within the same bound. */
static void a_time_limit_has_bounds(void **state)
{
    static const struct {
        const char *account;
        bool is_understood;
        int64_t fence_s; /* 0: there is no limit */
    } rows[] = {
        {"fence_6", true, 6}, {"fence_3600", true, 3600}, {"fence_3601", false, 0}, {"fence_86400", false, 0},
        {"fence_0", true, 0}, {"fence_", true, 0},        {"fence_-1", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct line *line = open_line(good);
        struct check_result found = {0};
        struct err e = {0};
        assert_int_equal(is_ok(check(line, rows[i].account, &found, &e)), rows[i].is_understood);
        assert_int_equal(found.has_fence, rows[i].fence_s > 0);
        assert_int_equal(found.fence_s, rows[i].fence_s);
        line_close(line);
    }
}

/* Each login's secret is remembered, and there is room for so many. */
static void a_line_that_knows_many_secrets_serves_no_other_job(void **state)
{
    (void)state;
    struct line *line = open_line(good);
    struct err e = {0};
    struct check_result found;
    assert_true(is_ok(check(line, "good_fields", &found, &e)));
    int served = 0;
    for (char password[32]; line_may_serve_again(line); served++) {
        enum login_word word;
        snprintf(password, sizeof(password), "Another-Secret-%d", served);
        assert_true(is_ok(login_with(line, "good_fields", password, &word, &e)));
    }
    assert_in_range(served, 200, 255);
    line_close(line);
}

static void too_long_a_request_is_refused_before_it_is_sent(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    char *big = arena_alloc(a, 70000);
    memset(big, 'k', 70000);
    const struct change_request request = {
        .account = {.name = S("u1")}, .part = CHANGE_ADD_KEY, .public_key = {big, 70000}};
    const struct change_request not_text = {.account = {.name = S("u1")}, .password = secret_new(a, "\xff\xfe", 2)};
    struct line *line = open_line(good);
    struct err e = {0};
    assert_string_equal(code_name(line_change(line, &request, &e).code), "INVALID");
    assert_string_equal(code_name(line_change(line, &not_text, &e).code), "INVALID");
    assert_false(line_is_broken(line));
    enum login_word word = LOGIN_ACCEPTED;
    assert_true(is_ok(login(line, "ends_later", &word, &e)));
    line_close(line);
    arena_free(a);
}

static void a_connector_that_starts_badly_opens_no_line(void **state)
{
    static const char *const names[] = {"wrong_protocol", "wrong_kind", "dies", "missing", "mute"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct launcher *l = launch(names[i]);
        struct line *line = NULL;
        struct err e = {0};
        int64_t began = clock_monotonic();
        assert_string_equal(code_name(line_open(l, "ssh", &line, &e).code), "UNREACHABLE");
        assert_null(line);
        assert_in_range((clock_monotonic() - began) / 1000, 0, 6500);
        launcher_stop(l);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(change_is_uncertain_after_every_misdeed, start, stop),
        cmocka_unit_test_setup_teardown(login_is_never_uncertain, start, stop),
        cmocka_unit_test_setup_teardown(an_answer_that_is_too_long_is_not_waited_out, start, stop),
        cmocka_unit_test_setup_teardown(change_is_unreachable_when_the_connector_was_gone_before, start, stop),
        cmocka_unit_test_setup_teardown(noise_on_standard_error_stops_nobody, start, stop),
        cmocka_unit_test_setup_teardown(every_code_has_its_result, start, stop),
        cmocka_unit_test_setup_teardown(texts_are_printable_and_hold_no_secret, start, stop),
        cmocka_unit_test_setup_teardown(fields_that_are_kept_hold_no_secret, start, stop),
        cmocka_unit_test_setup_teardown(only_one_word_says_that_the_password_is_wrong, start, stop),
        cmocka_unit_test_setup_teardown(a_time_limit_has_bounds, start, stop),
        cmocka_unit_test_setup_teardown(a_line_that_knows_many_secrets_serves_no_other_job, start, stop),
        cmocka_unit_test_setup_teardown(too_long_a_request_is_refused_before_it_is_sent, start, stop),
        cmocka_unit_test(a_connector_that_starts_badly_opens_no_line),
    };
    if (argc != 2)
        return 2;
    snprintf(folder, sizeof(folder), "/tmp/keyturn-line-XXXXXX");
    if (!mkdtemp(folder) || chmod(folder, 0755) != 0)
        return 2;
    for (const char *const *name = (const char *const[]){"good", "wrong_protocol", "wrong_kind", "dies", "mute", NULL};
         *name; name++)
        make_program(argv[1], *name);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[300];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? failed : 2;
}
