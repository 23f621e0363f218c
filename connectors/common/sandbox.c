/* common/sandbox.c: Landlock by syscall(2), a seccomp deny list, limits. */
#include "common/sandbox.h"

#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

/* The kernel headers of Debian 12 stop at version 2 of this interface; a newer kernel refuses more. */
struct landlock_rules {
    uint64_t files, network, scoped;
};
#define FILES_VERSION_1     UINT64_C(0x1fff)
#define FILES_REFER         (UINT64_C(1) << 13)
#define FILES_TRUNCATE      (UINT64_C(1) << 14)
#define FILES_DEVICE_IOCTL  (UINT64_C(1) << 15)
#define NETWORK_BIND_TCP    (UINT64_C(1) << 0)
#define SCOPED_UNIX_SIGNALS (UINT64_C(3))

static long enter_landlock(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return 0;
    struct landlock_rules rules = {.files = FILES_VERSION_1};
    size_t size = sizeof(rules.files);
    if (version >= 2)
        rules.files |= FILES_REFER;
    if (version >= 3)
        rules.files |= FILES_TRUNCATE;
    if (version >= 4) {
        rules.network = NETWORK_BIND_TCP;
        size += sizeof(rules.network);
    }
    if (version >= 5)
        rules.files |= FILES_DEVICE_IOCTL;
    if (version >= 6) {
        rules.scoped = SCOPED_UNIX_SIGNALS;
        size += sizeof(rules.scoped);
    }
    int set = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (set < 0)
        return 0;
    long restricted = syscall(SYS_landlock_restrict_self, set, 0);
    close(set);
    return restricted == 0 ? version : 0;
}

static const char *const denied_calls[] = {
    "execve",
    "execveat",
    "fork",
    "vfork",
    "clone",
    "clone3",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "pidfd_open",
    "kcmp",
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "fsconfig",
    "fspick",
    "mount_setattr",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "bpf",
    "perf_event_open",
    "keyctl",
    "add_key",
    "request_key",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "listen",
    "accept",
    "accept4",
    "bind",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "syslog",
    "iopl",
    "ioperm",
    "open_by_handle_at",
    "name_to_handle_at",
    "personality",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "sethostname",
    "setdomainname",
    "memfd_secret",
    "setuid",
    "setgid",
    "setresuid",
    "setresgid",
    "setreuid",
    "setregid",
    "setgroups",
    "kill",
    "tkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_send_signal",
    "setpriority",
    "ioprio_set",
    "sched_setscheduler",
    "sched_setparam",
    "sched_setattr",
    "sched_setaffinity",
    "migrate_pages",
    "move_pages",
    "process_madvise",
    "process_mrelease",
    "msgget",
    "semget",
    "shmget",
    "mq_open",
    "fanotify_init",
    "lookup_dcookie",
    "vmsplice",
    "uselib",
};

/* Connectors may share one user, and only a new Landlock keeps signals apart. glibc needs two of these calls for the
 * process itself: its limits, and raise() with abort(). A socket that belongs to somebody else signals him. */
static bool deny_what_reaches_others(scmp_filter_ctx filter)
{
    static const unsigned owners[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG}, requests[] = {FIOSETOWN, SIOCSPGRP};
    const uint32_t no = SCMP_ACT_ERRNO(EPERM);
    uint64_t own = (uint64_t)getpid();
    bool is_good = seccomp_rule_add(filter, no, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_NE, 0)) == 0 &&
                   seccomp_rule_add(filter, no, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, own)) == 0;
    for (size_t i = 0; is_good && i < sizeof(owners) / sizeof(owners[0]); i++)
        is_good =
            seccomp_rule_add(filter, no, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, owners[i])) == 0;
    for (size_t i = 0; is_good && i < sizeof(requests) / sizeof(requests[0]); i++)
        is_good =
            seccomp_rule_add(filter, no, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i])) == 0;
    return is_good;
}

static bool enter_seccomp(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool is_good = filter != NULL;
    for (size_t i = 0; is_good && i < sizeof(denied_calls) / sizeof(denied_calls[0]); i++) {
        int number = seccomp_syscall_resolve_name(denied_calls[i]);
        if (number != __NR_SCMP_ERROR)
            is_good = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0) == 0;
    }
    is_good = is_good && deny_what_reaches_others(filter) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return is_good;
}

void sandbox_enter(void)
{
    struct rlimit none = {0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    long landlock = enter_landlock();
    if (!enter_seccomp())
        die("sandbox: seccomp cannot be had; a connector does not run without it");
    log_info("sandbox: landlock %ld, seccomp on", landlock);
}
