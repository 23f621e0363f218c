/* faults/faultpoint.h: what the parts of the fault injection library know of each other.
 *
 * faultpoint.c   the life of a call that was taken over, and the settings
 * calls.c        the calls that the library takes over
 * point.c        counts the points, decides, logs, and carries out the fault
 * powerloss.c    remembers what is not durable yet and puts the old bytes back
 *
 * The library stands in front of libc in a foreign process: it includes nothing of the product, calls the kernel by
 * syscall(2), and does nothing at all in a process without KEYTURN_FAULT_MODE. */
#ifndef KEYTURN_FAULTPOINT_H
#define KEYTURN_FAULTPOINT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What a call does to files; everything else that can be seen from outside is OUTSIDE. */
enum effect { OUTSIDE, WRITES, TRUNCATES, SYNCS, CREATES, RENAMES, REMOVES };

/* How a call can be made to write less than it was asked to. */
enum shortening { NEVER_SHORT, SHORT_COUNT, SHORT_VECTOR, SHORT_MESSAGE };

/* One call under way. */
struct call {
    const char *name;
    const void *caller; /* the address that it returns to */
    enum effect effect;
    enum shortening shortening;
    long number; /* of the system call */
    long args[6];
    int fd;       /* -1: the call names paths */
    off_t offset; /* WRITES: where, -1 at the file's position. TRUNCATES: the new size */
    int flags;    /* CREATES: those of open() */
    char file[PATH_MAX];
    char target[PATH_MAX];       /* RENAMES: the new name */
    const struct iovec *vectors; /* SHORT_VECTOR SHORT_MESSAGE */
    size_t vector_count;
    const struct msghdr *message; /* SHORT_MESSAGE */
    struct iovec short_vector;
    struct msghdr short_message;
};

/* What becomes of one call. */
struct fault {
    uint64_t point; /* 0: this call is no point */
    bool fires;
    int error;       /* 0: none is injected */
    bool is_instead; /* the error comes instead of the call; otherwise after it */
    bool is_short;
};

/* Carry out a call of the program: as a point, if it is one. Returns what the kernel or the fault says, with errno. */
long call_carry_out(struct call *call);

/* The same for a call that runs another program, by carry_out(context), which does not return when it succeeds. */
int call_run_program(const char *name, const void *caller, const char *path, int (*carry_out)(void *), void *context);

/* Keep our settings for the programs that this one runs, once, before main(). */
void call_keep_environment(void);

/* Put the absolute path of a name into ret_name, of PATH_MAX bytes. */
void call_name_path(int directory, const char *path, char *ret_name);

/* Note a shared mapping of a file. */
void call_note_mapping(int fd, const void *caller);

/* Read the environment, once per process, before main(). Ends the process with status 97 when it makes no sense. */
void point_set_up(void);

/* Say whether this process is watched at all. */
bool point_is_active(void);

/* The address that alone is looked at, "inet:127.0.0.1:5432"; NULL: everything is. */
const char *point_peer(void);

/* Say whether un-fsynced bytes are to be remembered. */
bool point_loses_power(void);

/* Count a call, log it in a rehearsal, and carry out a fault that comes before it. Does not return when that kills. */
struct fault point_before(const struct call *call);

/* Carry out a fault that comes after the call. Returns what the caller is to see; errno may be set. */
long point_after(const struct fault *fault, const struct call *call, long done);

/* Note something that is not a point, in a rehearsal. */
void point_note(const struct call *call);

/* Wait for ever if the power is gone: no thread of a dead machine sends anything. */
void point_wait_if_dead(void);

/* Write one sentence to stderr and end the process with status 97. */
_Noreturn void point_die(const char *sentence, const char *what);

/* Begin to remember for files under root, an absolute path. */
void powerloss_set_up(const char *root);

/* Carry out a call by perform(), and remember how to undo what it does until it is durable. */
long powerloss_run(struct call *call, long (*perform)(struct call *call));

/* Remember a file whose content means nothing after a crash (SQLite's -shm): it is gone after a power loss. */
void powerloss_note_volatile(const char *path);

/* Put back everything that is not durable. The caller kills the process at once. */
void powerloss_undo(void);

#endif
