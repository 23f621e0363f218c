/* unit/rotation/sandbox.c: what a connector can no longer do once it is in its sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asm/sockios.h>
#include <cmocka.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sandbox.h"

/* Run an attempt in a sandboxed child. An attempt returns 0 when it was refused. */
static int attempt_inside(int (*attempt)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        sandbox_enter();
        _exit(attempt());
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run_a_program(void)
{
    char *const arguments[] = {(char *)"true", NULL};
    execve("/bin/true", arguments, NULL);
    return errno == EPERM || errno == EACCES ? 0 : 1;
}

static int run_a_program_by_descriptor(void)
{
    char *const arguments[] = {(char *)"true", NULL};
    syscall(SYS_execveat, 0, "", arguments, NULL, AT_EMPTY_PATH);
    return errno == EPERM ? 0 : 1;
}

static int make_a_process(void)
{
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == -1 && errno == EPERM ? 0 : 1;
}

static int watch_another_process(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), 0, 0) == -1 && errno == EPERM && kill(getppid(), 0) == -1 ? 0 : 1;
}

/* Each against the parent, and so that it would change nothing there. 0: every one was refused; else how many were not.
 */
static int reach_another_process(void)
{
    pid_t other = getppid();
    struct rlimit files;
    struct sched_param parameters;
    cpu_set_t cores;
    siginfo_t nothing = {.si_code = SI_QUEUE};
    int pair[2], got = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || sched_getparam(other, &parameters) != 0 ||
        sched_getaffinity(other, sizeof(cores), &cores) != 0)
        return 100;
    errno = 0;
    int priority = getpriority(PRIO_PROCESS, (id_t)other), policy = sched_getscheduler(other);
    got += syscall(SYS_prlimit64, other, RLIMIT_NOFILE, NULL, &files) == 0;
    got += syscall(SYS_setpriority, PRIO_PROCESS, other, priority) == 0;
    got += syscall(SYS_sched_setparam, other, &parameters) == 0;
    got += syscall(SYS_sched_setscheduler, other, policy, &parameters) == 0;
    got += syscall(SYS_sched_setaffinity, other, sizeof(cores), &cores) == 0;
    got += syscall(SYS_tgkill, other, other, 0) == 0;
    got += syscall(SYS_tkill, other, 0) == 0;
    got += syscall(SYS_rt_sigqueueinfo, other, 0, &nothing) == 0;
    got += syscall(SYS_rt_tgsigqueueinfo, other, other, 0, &nothing) == 0;
    got += fcntl(pair[0], F_SETOWN, other) == 0;
    got += fcntl(pair[0], F_SETSIG, SIGKILL) == 0;
    got += ioctl(pair[0], FIOSETOWN, &other) == 0;
    got += ioctl(pair[0], SIOCSPGRP, &other) == 0;
    return got;
}
enum { WAYS_TO_ANOTHER = 13 };

/* The descriptor of a process was opened before; these numbers are refused whatever they are given. */
static int use_process_descriptors(void)
{
    static const long calls[] = {SYS_pidfd_send_signal, SYS_pidfd_open, SYS_pidfd_getfd, SYS_sched_setattr,
                                 SYS_ioprio_set,        SYS_kill,       SYS_move_pages,  SYS_process_madvise};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (syscall(calls[i], 0, 0, 0, 0, 0, 0) != -1 || errno != EPERM)
            return 1;
    return 0;
}

static int end_by_itself(void)
{
    struct rlimit files;
    bool has_limits = getrlimit(RLIMIT_NOFILE, &files) == 0 && setrlimit(RLIMIT_NOFILE, &files) == 0;
    return has_limits && raise(0) == 0 ? 0 : 1;
}

static int open_a_file(void)
{
    return open("/etc/passwd", O_RDONLY) == -1 && open("/tmp", O_RDONLY | O_DIRECTORY) == -1 ? 0 : 1;
}

static int make_a_file(void)
{
    return open("/tmp/keyturn-sandbox-test", O_WRONLY | O_CREAT, 0600) == -1 &&
                   mkdir("/tmp/keyturn-sandbox", 0700) == -1
               ? 0
               : 1;
}

static int wait_for_callers(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET};
    return fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == -1 && listen(fd, 1) == -1 ? 0 : 1;
}

static int use_kernel_interfaces(void)
{
    static const long calls[] = {SYS_io_uring_setup, SYS_bpf, SYS_keyctl, SYS_userfaultfd, SYS_mount, SYS_unshare};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (syscall(calls[i], 0, 0, 0, 0, 0) != -1 || errno != EPERM)
            return 1;
    return 0;
}

static int be_dumped(void)
{
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && core.rlim_max == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
               ? 0
               : 1;
}

/* The other way round: what a connector lives by still works. */
static int do_its_work(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), pair[2];
    struct sockaddr_in nobody = {
        .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_dialled = connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)) == -1 && errno == ECONNREFUSED;
    unsigned char random[8];
    return is_dialled && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && getentropy(random, sizeof(random)) == 0 ? 0
                                                                                                                   : 1;
}

static void nothing_forbidden_works_and_everything_needed_does(void **state)
{
    static const struct {
        const char *name;
        int (*attempt)(void);
        bool needs_landlock;
    } attempts[] = {
        {"run a program", run_a_program, false},
        {"run a program by descriptor", run_a_program_by_descriptor, false},
        {"make a process", make_a_process, false},
        {"watch another process", watch_another_process, false},
        {"reach another process", reach_another_process, false},
        {"use process descriptors", use_process_descriptors, false},
        {"end by itself", end_by_itself, false},
        {"open a file", open_a_file, true},
        {"make a file", make_a_file, true},
        {"wait for callers", wait_for_callers, false},
        {"use kernel interfaces", use_kernel_interfaces, false},
        {"be dumped", be_dumped, false},
        {"do its work", do_its_work, false},
    };
    (void)state;
    bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        if (attempts[i].needs_landlock && !has_landlock)
            continue;
        if (attempt_inside(attempts[i].attempt) != 0)
            fail_msg("the sandbox is wrong about: %s", attempts[i].name);
    }
}

static int outside(void)
{
    int works = 0;
    works += open_a_file() != 0;
    works += wait_for_callers() != 0;
    return works;
}

static void the_attempts_would_work_outside(void **state)
{
    (void)state;
    assert_int_equal(outside(), 2);
    assert_int_equal(reach_another_process(), WAYS_TO_ANOTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_forbidden_works_and_everything_needed_does),
        cmocka_unit_test(the_attempts_would_work_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
