/* unit/rotation/launcher.c: what a connector is given, and that none outlives its launcher or its server. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "rotation/launcher.h"
#include "rotation/line.h"

static char folder[256];

static struct launcher *launch(void)
{
    struct err e = {0};
    struct launcher *l = NULL;
    assert_true(is_ok(launcher_start(folder, NULL, &l, &e)));
    return l;
}

/* A dead process may wait for its parent: it is gone for everybody else. */
static bool is_running(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    return strstr(text, "State:\tZ") == NULL && strstr(text, "State:\tX") == NULL;
}

static bool ends_within(pid_t pid, int ms)
{
    for (int waited = 0; waited < ms && is_running(pid); waited += 10)
        poll(NULL, 0, 10);
    return !is_running(pid);
}

struct spawned {
    int socket, problems;
    pid_t pid;
};

static struct spawned spawn(struct launcher *l)
{
    struct spawned s = {-1, -1, -1};
    struct err e = {0};
    if (!is_ok(launcher_spawn(l, "ssh", &s.socket, &s.problems, &s.pid, &e)))
        fail_msg("%s", e.text);
    return s;
}

static void let_go(struct launcher *l, struct spawned s)
{
    launcher_kill(l, s.pid);
    close(s.socket);
    close(s.problems);
}

static void a_connector_gets_nothing_but_its_line(void **state)
{
    (void)state;
    int secret_file = open("/etc/shadow", O_RDONLY); /* not close-on-exec: must not be inherited */
    assert_int_equal(setenv("KEYTURN_CANARY", "canary", 1), 0);
    struct launcher *l = launch();
    int later_file = open("/etc/passwd", O_RDONLY);
    struct line *line = NULL;
    struct err e = {0};
    assert_true(is_ok(line_open(l, "ssh", &line, &e)));
    const struct login_secret none = {0};
    enum login_word word = LOGIN_DENIED;
    assert_string_equal(code_name(line_login(line, (struct target_account){.name = S("facts")}, &none, &word, &e).code),
                        "REFUSED");
    char expected[256];
    bool is_root = geteuid() == 0;
    snprintf(expected, sizeof(expected),
             "fds 0 1 2 3 LC_ALL=C PATH=/usr/bin:/bin core 0 fsize 0 nofile 64 cpu 60 uid %d gid %d leads 1 groups %d",
             is_root ? 65534 : (int)getuid(), is_root ? 65534 : (int)getgid(), is_root ? 0 : getgroups(0, NULL));
    assert_string_equal(e.text, expected);
    line_close(line);
    launcher_stop(l);
    close(secret_file);
    close(later_file);
}

static void an_unknown_kind_is_invalid(void **state)
{
    static const char *const kinds[] = {NULL,   "",      "telnet", "../ssh",
                                        "ssh/", "ssh\n", "SSH",    "a-kind-whose-name-is-far-longer-than-any-field"};
    (void)state;
    struct launcher *l = launch();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct spawned s = {-1, -1, -1};
        struct err e = {0};
        assert_string_equal(code_name(launcher_spawn(l, kinds[i], &s.socket, &s.problems, &s.pid, &e).code), "INVALID");
        assert_null(strstr(e.text, "(null)"));
        assert_int_equal(s.pid, -1);
    }
    launcher_stop(l);
}

static void a_missing_or_broken_program_is_unreachable(void **state)
{
    static const char *const folders[] = {"/nonexistent", "/etc/passwd", "/usr/lib"};
    (void)state;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        struct launcher *l = NULL;
        struct spawned s = {-1, -1, -1};
        struct err e = {0};
        assert_true(is_ok(launcher_start(folders[i], NULL, &l, &e)));
        assert_string_equal(code_name(launcher_spawn(l, "ssh", &s.socket, &s.problems, &s.pid, &e).code),
                            "UNREACHABLE");
        assert_int_equal(s.socket, -1);
        launcher_stop(l);
    }
}

static void a_script_is_a_connector_too(void **state)
{
    (void)state;
    char scripts[300], path[400];
    snprintf(scripts, sizeof(scripts), "%s/script", folder);
    snprintf(path, sizeof(path), "%s/keyturn-connector-ssh", scripts);
    assert_int_equal(mkdir(scripts, 0755), 0);
    FILE *f = fopen(path, "w");
    fputs("#!/bin/sh\nread line <&3\necho '{\"id\":1,\"ok\":true,\"connector\":\"ssh\",\"protocol\":1}' >&3\nread line "
          "<&3\n",
          f);
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
    struct launcher *l = NULL;
    struct line *line = NULL;
    struct err e = {0};
    assert_true(is_ok(launcher_start(scripts, NULL, &l, &e)));
    if (!is_ok(line_open(l, "ssh", &line, &e)))
        fail_msg("%s", e.text);
    line_close(line);
    launcher_stop(l);
}

static void letting_go_kills_and_reaps(void **state)
{
    (void)state;
    struct launcher *l = launch();
    for (int i = 0; i < 300; i++) { /* more than the launcher's table has rows */
        struct spawned s = spawn(l);
        let_go(l, s);
        if (i % 50 == 0)
            assert_true(ends_within(s.pid, 2000));
    }
    struct spawned s = spawn(l);
    launcher_kill(l, getpid()); /* not one of its own: nothing happens */
    launcher_kill(l, -1);
    launcher_kill(l, 0);
    assert_true(is_running(s.pid));
    launcher_kill(l, s.pid);
    assert_true(ends_within(s.pid, 2000));
    close(s.socket);
    close(s.problems);
    launcher_stop(l);
}

static void a_full_table_refuses_and_heals(void **state)
{
    enum { MANY = 257 };
    (void)state;
    struct launcher *l = launch();
    static struct spawned all[MANY];
    size_t n = 0;
    struct err e = {0};
    while (n < MANY && is_ok(launcher_spawn(l, "ssh", &all[n].socket, &all[n].problems, &all[n].pid, &e)))
        n++;
    assert_int_equal(n, 256);
    assert_string_equal(code_name(e.code), "UNREACHABLE");
    while (n > 0)
        let_go(l, all[--n]);
    poll(NULL, 0, 300);
    let_go(l, spawn(l));
    launcher_stop(l);
}

static void stopping_ends_every_connector(void **state)
{
    (void)state;
    struct launcher *l = launch();
    struct spawned first = spawn(l), second = spawn(l);
    assert_true(is_running(first.pid) && is_running(second.pid));
    launcher_stop(l);
    assert_true(ends_within(first.pid, 2000));
    assert_true(ends_within(second.pid, 2000));
    close(first.socket), close(first.problems), close(second.socket), close(second.problems);
}

/* A server of its own, which starts a connector, tells the two process ids and dies as by a power cut. */
static void the_death_of_the_server_ends_all(void **state)
{
    (void)state;
    int tells[2];
    assert_int_equal(pipe(tells), 0);
    pid_t server = fork();
    if (server == 0) {
        struct launcher *l = NULL;
        struct err e = {0};
        struct spawned s = {-1, -1, -1};
        if (!is_ok(launcher_start(folder, NULL, &l, &e)) ||
            !is_ok(launcher_spawn(l, "ssh", &s.socket, &s.problems, &s.pid, &e)))
            _exit(1);
        if (write(tells[1], &s.pid, sizeof(s.pid)) != sizeof(s.pid))
            _exit(1);
        pause();
    }
    pid_t connector = -1;
    assert_int_equal(read(tells[0], &connector, sizeof(connector)), sizeof(connector));
    assert_true(is_running(connector));
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    assert_true(ends_within(connector, 3000));
    close(tells[0]);
    close(tells[1]);
}

/* The launcher is the parent of what it starts. */
static pid_t parent_of(pid_t pid)
{
    char path[64], line[256];
    int parent = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "PPid:", 5) == 0)
            parent = (int)strtol(line + 5, NULL, 10);
    if (f)
        fclose(f);
    return parent;
}

static void the_death_of_the_launcher_ends_its_connectors(void **state)
{
    (void)state;
    struct launcher *l = launch();
    struct spawned s = spawn(l);
    pid_t launcher = parent_of(s.pid);
    assert_int_not_equal(launcher, getpid());
    kill(launcher, SIGTERM); /* what a service manager sends to the whole group is for the server */
    poll(NULL, 0, 100);
    assert_true(is_running(launcher));
    kill(launcher, SIGKILL);
    assert_true(ends_within(s.pid, 2000));
    struct spawned none = {-1, -1, -1};
    struct err e = {0};
    assert_string_equal(code_name(launcher_spawn(l, "ssh", &none.socket, &none.problems, &none.pid, &e).code),
                        "UNREACHABLE");
    launcher_kill(l, s.pid);
    close(s.socket);
    close(s.problems);
    launcher_stop(l);
}

static void *open_and_close(void *launcher)
{
    for (int i = 0; i < 20; i++) {
        struct line *line = NULL;
        if (!is_ok(line_open(launcher, "ssh", &line, NULL)))
            return NULL;
        line_close(line);
    }
    return launcher;
}

static void threads_share_a_launcher(void **state)
{
    enum { THREADS = 4 };
    (void)state;
    struct launcher *l = launch();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, l), 0);
    for (int i = 0; i < THREADS; i++) {
        void *done = NULL;
        pthread_join(threads[i], &done);
        assert_ptr_equal(done, l);
    }
    launcher_stop(l);
}

static int lowest_free(void)
{
    int fd = dup(STDIN_FILENO);
    assert_int_equal(close(fd), 0);
    return fd;
}

static void without_room_for_both_ends_none_stays(void **state)
{
    (void)state;
    struct launcher *l = launch();
    int free_before = lowest_free(), socket = -1, problems = -1;
    pid_t pid = -1;
    struct rlimit before, narrow;
    struct err e = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    narrow = (struct rlimit){(rlim_t)free_before + 1, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &narrow), 0);
    result r = launcher_spawn(l, "ssh", &socket, &problems, &pid, &e);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(r.code, UNREACHABLE);
    assert_int_equal(lowest_free(), free_before);
    let_go(l, spawn(l));
    launcher_stop(l);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connector_gets_nothing_but_its_line),
        cmocka_unit_test(an_unknown_kind_is_invalid),
        cmocka_unit_test(a_missing_or_broken_program_is_unreachable),
        cmocka_unit_test(a_script_is_a_connector_too),
        cmocka_unit_test(letting_go_kills_and_reaps),
        cmocka_unit_test(a_full_table_refuses_and_heals),
        cmocka_unit_test(stopping_ends_every_connector),
        cmocka_unit_test(the_death_of_the_server_ends_all),
        cmocka_unit_test(the_death_of_the_launcher_ends_its_connectors),
        cmocka_unit_test(threads_share_a_launcher),
        cmocka_unit_test(without_room_for_both_ends_none_stays),
    };
    if (argc != 2)
        return 2;
    char command[1200];
    snprintf(folder, sizeof(folder), "/tmp/keyturn-launcher-XXXXXX");
    if (!mkdtemp(folder) || chmod(folder, 0755) != 0)
        return 2;
    snprintf(command, sizeof(command), "install -m 755 '%s' '%s/keyturn-connector-ssh'", argv[1], folder);
    if (system(command) != 0)
        return 2;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? failed : 2;
}
