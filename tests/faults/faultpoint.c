/* faults/faultpoint.c: a library for LD_PRELOAD that makes the calls of a program with an outside effect fail.
 *
 * A point is one such call: write, send, connect, fsync, ftruncate, open that creates, rename, unlink, msync, exec.
 * Points are numbered from 1 by one counter over all threads. The environment says what happens, and at which one:
 *
 * KEYTURN_FAULT_MODE    list    nothing fails; each point is a line in the log (the rehearsal)
 *                       kill    the process kills itself
 *                       stop    the process stops itself (SIGSTOP)
 *                       eio enospc enomem eintr  the call fails with that error (the first three: only calls on files,
 *                               or to the peer)
 *                       econnreset  so does a call to the peer, and the connection has ended
 *                       short   a write or send takes half of what it was given
 *                       power   every byte under KEYTURN_FAULT_ROOT that is not fsynced goes back to what it was; kill
 * KEYTURN_FAULT_AT      the number of the point
 * KEYTURN_FAULT_LENGTH  how many points in a row, 1 unless given (a disk stays full for a while)
 * KEYTURN_FAULT_WHEN    before (unless given) or after the call; an error "after" is a call that was carried out
 * KEYTURN_FAULT_ROOT    the data directory, for power
 * KEYTURN_FAULT_LOG     gets a line per point: number, call, file, caller, frame of the program, pid/tid/thread, what
 * KEYTURN_FAULT_ARM     a control file of four 64-bit words: armed, counter, at, fired (struct control in point.c);
 *                       with it, nothing is counted until a test sets `armed`
 * KEYTURN_FAULT_PEER    ADDRESS:PORT (IPv4): only calls on sockets that are connected there are points, and recv is one
 * KEYTURN_FAULT_COMM    only processes of this name (as in /proc/self/comm; the first 15 characters count)
 *
 * These settings go on to every program that is run, even with a cleared environment; the counter in the control file
 * is one for all of them. Power is lost for the process that comes to the point, not for others that share the files.
 *
 * No points: descriptor 2, event and timer descriptors, SQLite's -shm (shared memory that it rebuilds; after a power
 * loss the file is gone). Limits: what libc writes by itself (stdio, syslog) and stores into a mapped file are not
 * seen; the log notes each shared mapping that can be written. Nothing is seen "after" a successful exec.
 *
 * Fault runs use the release build. With an ASan build, ASAN_OPTIONS=verify_asan_link_order=0 is needed, and its own
 * interceptors are then behind ours. */
#undef _FILE_OFFSET_BITS
#include "faultpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((constructor)) static void set_up(void)
{
    call_keep_environment();
    point_set_up();
}

static bool name_peer(int fd, char *ret_name)
{
    struct sockaddr_in peer = {0};
    socklen_t size = sizeof peer;
    char text[INET_ADDRSTRLEN];
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 || peer.sin_family != AF_INET)
        return false;
    inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
    snprintf(ret_name, PATH_MAX, "inet:%s:%u", text, ntohs(peer.sin_port));
    return true;
}

static bool is_elsewhere(const char *file)
{
    return point_peer() != NULL && strcmp(file, point_peer()) != 0;
}

/* Asked at each call and not kept from open(): dup, accept and inherited descriptors are right too. */
static void name_descriptor(int fd, char *ret_name)
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, ret_name, PATH_MAX - 1);
    ret_name[bytes < 0 ? 0 : bytes] = '\0';
    if (point_peer() != NULL && strncmp(ret_name, "socket:", 7) == 0 && name_peer(fd, ret_name))
        return;
    /* socket:[4711] would differ from run to run */
    if (strncmp(ret_name, "socket:", 7) == 0 || strncmp(ret_name, "pipe:", 5) == 0)
        ret_name[strcspn(ret_name, ":")] = '\0';
}

/* The path as the kernel sees it: links in its folder followed, not the last name, which a rename replaces. */
void call_name_path(int directory, const char *path, char *ret_name)
{
    char whole[2 * PATH_MAX + 2], folder[PATH_MAX], real[sizeof whole];
    if (path[0] == '/') {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        if (directory != AT_FDCWD)
            name_descriptor(directory, folder);
        else if (getcwd(folder, sizeof folder) == NULL)
            folder[0] = '\0';
        snprintf(whole, sizeof whole, "%s/%s", folder, path);
    }
    char *slash = strrchr(whole, '/');
    *slash = '\0';
    const char *found = realpath(whole[0] == '\0' ? "/" : whole, real);
    if (found == NULL)
        snprintf(real, sizeof real, "%s", whole);
    if (snprintf(ret_name, PATH_MAX, "%s/%s", strcmp(real, "/") == 0 ? "" : real, slash + 1) >= PATH_MAX)
        point_die("path too long", path);
}

static bool has_ending(const char *text, const char *ending)
{
    size_t length = strlen(text), wanted = strlen(ending);
    return length >= wanted && strcmp(text + length - wanted, ending) == 0;
}

static long ask_kernel(struct call *call)
{
    const long *args = call->args;
    return syscall(call->number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

static void shorten(struct call *call)
{
    if (call->shortening == SHORT_COUNT) {
        call->args[2] -= call->args[2] / 2;
        return;
    }
    const struct iovec *vectors = call->vectors;
    size_t count = call->vector_count;
    while (count > 1 && vectors->iov_len == 0)
        vectors++, count--;
    if (count == 0)
        return;
    call->short_vector = (struct iovec){vectors->iov_base, vectors->iov_len - vectors->iov_len / 2};
    if (call->shortening == SHORT_MESSAGE) {
        call->short_message = *call->message;
        call->short_message.msg_iov = &call->short_vector;
        call->short_message.msg_iovlen = 1;
        call->args[1] = (long)&call->short_message;
    } else {
        call->args[1] = (long)&call->short_vector;
        call->args[2] = 1;
    }
}

long call_carry_out(struct call *call)
{
    int before = errno;
    if (!point_is_active() || call->fd == STDERR_FILENO)
        return ask_kernel(call);
    point_wait_if_dead();
    if (call->fd >= 0 && call->file[0] == '\0')
        name_descriptor(call->fd, call->file);
    if (strncmp(call->file, "anon_inode:", 11) == 0 || is_elsewhere(call->file))
        return ask_kernel(call);
    if (has_ending(call->file, "-shm")) {
        powerloss_note_volatile(call->file);
        return ask_kernel(call);
    }
    struct fault fault = point_before(call);
    if (fault.is_instead) {
        errno = fault.error;
        return -1;
    }
    if (fault.is_short)
        shorten(call);
    errno = before;
    long done = point_loses_power() ? powerloss_run(call, ask_kernel) : ask_kernel(call);
    return point_after(&fault, call, done);
}

int call_run_program(const char *name, const void *caller, const char *path, int (*carry_out)(void *), void *context)
{
    struct call call = {.name = name, .caller = caller, .fd = -1};
    if (!point_is_active() || is_elsewhere(path))
        return carry_out(context);
    point_wait_if_dead();
    snprintf(call.file, sizeof call.file, "%s", path);
    struct fault fault = point_before(&call);
    if (fault.is_instead) {
        errno = fault.error;
        return -1;
    }
    return (int)point_after(&fault, &call, carry_out(context));
}

void call_note_mapping(int fd, const void *caller)
{
    struct call call = {.name = "mmap", .caller = caller, .fd = fd};
    if (!point_is_active())
        return;
    name_descriptor(fd, call.file);
    if (has_ending(call.file, "-shm"))
        powerloss_note_volatile(call.file);
    point_note(&call);
}
