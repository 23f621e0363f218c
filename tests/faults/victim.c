/* faults/victim.c: a program with outside effects of every kind, for the tests of faultpoint. Each argument is one
 * step. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int pair[2];

/* Tell the test how a step ended, on stdout by stdio: libc's own write is no point. */
static void report(const char *step, long done)
{
    printf("%s %ld %s\n", step, done, done < 0 ? strerrorname_np(errno) : "-");
    fflush(stdout);
}

static int opened(const char *name, int flags)
{
    int fd = open(name, flags | O_CLOEXEC, 0640);
    if (fd < 0)
        report("open", fd);
    return fd;
}

static void write_to(const char *name, const char *text, int flags, off_t offset, int is_synced)
{
    int fd = opened(name, flags);
    if (fd < 0)
        return;
    size_t size = strlen(text);
    report("write", offset < 0 ? write(fd, text, size) : pwrite(fd, text, size, offset));
    if (is_synced)
        report("fsync", is_synced == 1 ? fsync(fd) : fdatasync(fd));
    close(fd);
}

static void write_vector(char *name)
{
    struct iovec vectors[] = {{"", 0}, {"abcd", 4}, {"efgh", 4}};
    int fd = opened(name, O_RDWR | O_CREAT);
    report("writev", writev(fd, vectors, 3));
    report("pwritev", pwritev(fd, vectors, 3, 8));
    close(fd);
}

static void send_things(char *unused)
{
    (void)unused;
    struct iovec vector = {"message", 7};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    char got[100];
    report("send", send(pair[0], "sent", 4, 0));
    report("sendto", sendto(pair[0], "to", 2, 0, NULL, 0));
    report("sendmsg", sendmsg(pair[0], &message, 0));
    report("received", recv(pair[1], got, sizeof got, MSG_DONTWAIT));
}

static void *write_many(void *name)
{
    for (int i = 0; i < 100; i++) {
        int fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (fd < 0 || write(fd, "x", 1) != 1)
            abort();
        close(fd);
    }
    return NULL;
}

static void write_from_threads(char *name)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, write_many, name);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void run_true(char *unused)
{
    (void)unused;
    char *arguments[] = {"true", NULL};
    pid_t child;
    int error = posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ);
    report("spawn", error == 0 ? 0 : (errno = error, -1));
    if (error == 0)
        waitpid(child, NULL, 0);
    execv("/bin/true", arguments);
    report("exec", -1);
}

/* As the server starts a connector: by descriptor, with an environment of its own. */
static void run_step_in_child(char *program, char *step)
{
    char *arguments[] = {program, step, NULL}, *environment[] = {(char *)"LC_ALL=C", NULL};
    int fd = opened(program, O_PATH);
    pid_t child = fork();
    if (child == 0) {
        execveat(fd, "", arguments, environment, AT_EMPTY_PATH);
        _exit(126);
    }
    int status = 0;
    waitpid(child, &status, 0);
    report("child", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
    close(fd);
}

static void map_file(char *name)
{
    int fd = opened(name, O_RDWR | O_CREAT);
    report("ftruncate", ftruncate(fd, 4096));
    char *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    mapped[0] = 'M';
    report("msync", msync(mapped, 4096, MS_SYNC));
    close(fd);
}

static void connect_to_nobody(char *unused)
{
    (void)unused;
    struct sockaddr address = {.sa_family = AF_UNIX, .sa_data = "/nobody"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    report("connect", connect(fd, &address, sizeof address));
    close(fd);
}

static void sync_folder(char *name)
{
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    report("fsync", fsync(fd));
    close(fd);
}

static void truncate_to(const char *name, off_t size)
{
    int fd = opened(name, O_RDWR);
    report("ftruncate", ftruncate(fd, size));
    close(fd);
}

struct file_step {
    const char *word, *text;
    off_t offset; /* -1: at the file's position */
    int flags;
    int is_synced; /* 1 by fsync, 2 by fdatasync */
};

static const struct file_step file_steps[] = {
    {"create", "created", -1, O_RDWR | O_CREAT, 0},
    {"create-sync", "created", -1, O_RDWR | O_CREAT, 1},
    {"replace", "new", -1, O_WRONLY | O_CREAT | O_TRUNC, 0},
    {"overwrite", "OVER", 2, O_RDWR, 0},
    {"overwrite-blind", "OVER", 2, O_WRONLY, 0},
    {"overwrite-sync", "OVER", 2, O_RDWR, 2},
    {"append", "+tail", -1, O_WRONLY | O_APPEND, 0},
};

static void cut(char *name)
{
    truncate_to(name, 3);
}

static void grow(char *name)
{
    truncate_to(name, 5000);
}

static void remove_name(char *name)
{
    report("unlink", unlink(name));
}

static void rename_away(char *name)
{
    report("rename", rename(name, "renamed"));
}

static void complain(char *text)
{
    report("complain", write(STDERR_FILENO, text, strlen(text)));
}

static void wait_for_input(char *unused)
{
    (void)unused;
    report("wait", read(STDIN_FILENO, (char[1]){0}, 1));
}

static void run_child(char *program)
{
    run_step_in_child(program, (char[]){"create=by-child"});
}

static const struct {
    const char *word;
    void (*take)(char *value);
} steps[] = {
    {"vector", write_vector},
    {"map", map_file},
    {"threads", write_from_threads},
    {"sync-folder", sync_folder},
    {"cut", cut},
    {"grow", grow},
    {"unlink", remove_name},
    {"rename", rename_away},
    {"connect", connect_to_nobody},
    {"run", run_true},
    {"complain", complain},
    {"wait", wait_for_input},
    {"send", send_things},
    {"child", run_child},
};

/* Steps are words with their values behind "=": create=FILE, and so on. */
static void take_step(char *step)
{
    char *value = step + strcspn(step, "=");
    if (*value == '=')
        *value++ = '\0';
    for (size_t i = 0; i < sizeof file_steps / sizeof *file_steps; i++) {
        const struct file_step *file = &file_steps[i];
        if (strcmp(step, file->word) == 0) {
            write_to(value, file->text, file->flags, file->offset, file->is_synced);
            return;
        }
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (strcmp(step, steps[i].word) == 0) {
            steps[i].take(value);
            return;
        }
    }
    abort();
}

int main(int argc, char **argv)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return 1;
    for (int i = 1; i < argc; i++)
        take_step(argv[i]);
    report("end", 0);
    return 0;
}
