/* unit/rotation/scripted_connector.c: a connector that misbehaves as the account in its request says, or from the start
 * as the folder it lies in says ("mute", "wrong_protocol", "wrong_kind", "dies"). Not part of the product. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LINE_FD = 3, BIG = 70000 };
extern char **environ;

static char request[BIG];
static int64_t id;

static void say_bytes(const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = write(LINE_FD, bytes, n);
        if (sent <= 0)
            _exit(0);
        bytes += sent;
        n -= (size_t)sent;
    }
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    static char line[2 * BIG];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    say_bytes(line, (size_t)n);
}

static bool read_request(void)
{
    size_t n = 0;
    while (n == 0 || request[n - 1] != '\n') {
        ssize_t got = read(LINE_FD, request + n, sizeof(request) - 1 - n);
        if (got <= 0)
            return false;
        n += (size_t)got;
    }
    request[n] = '\0';
    const char *at = strstr(request, "\"id\":");
    id = at ? strtoll(at + 5, NULL, 10) : 0;
    return true;
}

static bool is_account(const char *name)
{
    char part[64];
    snprintf(part, sizeof(part), "\"account\":\"%s\"", name);
    return strstr(request, part) != NULL;
}

static void flood_problems(size_t n)
{
    static char noise[4096];
    memset(noise, 'x', sizeof(noise));
    noise[sizeof(noise) - 1] = '\n';
    for (size_t sent = 0; sent < n; sent += sizeof(noise))
        if (write(STDERR_FILENO, noise, sizeof(noise)) < 0)
            _exit(0);
}

/* What the launcher has made of this process, for the test to compare. */
static void say_facts(void)
{
    char facts[512] = "fds";
    DIR *folder = opendir("/proc/self/fd");
    for (int fd = 0; fd < 64; fd++)
        if (fd != dirfd(folder) && fcntl(fd, F_GETFD) >= 0)
            snprintf(facts + strlen(facts), 16, " %d", fd);
    closedir(folder);
    for (char **variable = environ; *variable; variable++)
        snprintf(facts + strlen(facts), 64, " %s", *variable);
    struct rlimit core, files, open_files, cpu;
    getrlimit(RLIMIT_CORE, &core);
    getrlimit(RLIMIT_FSIZE, &files);
    getrlimit(RLIMIT_NOFILE, &open_files);
    getrlimit(RLIMIT_CPU, &cpu);
    snprintf(facts + strlen(facts), 200, " core %d fsize %d nofile %d cpu %d uid %d gid %d leads %d groups %d",
             (int)core.rlim_max, (int)files.rlim_max, (int)open_files.rlim_max, (int)cpu.rlim_max, (int)getuid(),
             (int)getgid(), getsid(0) == getpid(), getgroups(0, NULL));
    say("{\"id\":%" PRId64 ",\"ok\":false,\"code\":\"refused\",\"text\":\"%s\"}\n", id, facts);
}

static void misbehave_with_bytes(void)
{
    static char noise[BIG];
    memset(noise, 'A', sizeof(noise));
    if (is_account("garbage"))
        say_bytes("\x00\xff\x1b[2J{\"id\":\n", 12);
    if (is_account("empty_line"))
        say("\n");
    if (is_account("endless"))
        for (;;)
            say_bytes(noise, sizeof(noise));
    if (is_account("huge_text"))
        say("{\"id\":%" PRId64 ",\"ok\":true,\"text\":\"%.*s\"}\n", id, BIG - 1, noise);
    if (is_account("deep"))
        for (int i = 0; i < 30000; i++)
            say(i == 0 ? "{\"x\":" : "[");
    if (is_account("deep"))
        say("\n");
    if (is_account("half"))
        say("{\"id\":%" PRId64 ",\"ok\":tr", id);
}

static void misbehave_with_sense(void)
{
    if (is_account("wrong_id"))
        say("{\"id\":%" PRId64 ",\"ok\":true}\n", id + 1);
    if (is_account("twice"))
        say("{\"id\":%" PRId64 ",\"ok\":true}\n{\"id\":%" PRId64 ",\"ok\":true}\n", id, id + 1);
    if (is_account("without_ok"))
        say("{\"id\":%" PRId64 "}\n", id);
    if (is_account("ok_is_text"))
        say("{\"id\":%" PRId64 ",\"ok\":\"yes\"}\n", id);
    if (is_account("odd_code"))
        say("{\"id\":%" PRId64 ",\"ok\":false,\"code\":\"whatever\",\"text\":\"?\"}\n", id);
    if (is_account("tells"))
        say("{\"id\":%" PRId64 ",\"ok\":false,\"code\":\"refused\",\"text\":\"no: canary-Secret-1 is bad\"}\n", id);
    if (is_account("colours"))
        say("{\"id\":%" PRId64 ",\"ok\":false,\"code\":\"refused\",\"text\":\"\\u001b[31mred\\nline\"}\n", id);
    if (is_account("facts"))
        say_facts();
    if (is_account("ends_later"))
        say("{\"id\":%" PRId64 ",\"ok\":true,\"result\":\"denied\"}\n", id);
    if (is_account("late")) {
        sleep(3);
        say("{\"id\":%" PRId64 ",\"ok\":true,\"result\":\"accepted\"}\n", id);
    }
    if (is_account("noisy")) {
        flood_problems(16 << 20);
        say("{\"id\":%" PRId64 ",\"ok\":true,\"result\":\"accepted\"}\n", id);
    }
    if (is_account("only_noise"))
        flood_problems(SIZE_MAX / 2);
    const char *word = strstr(request, "\"account\":\"denied_as_");
    if (word)
        say("{\"id\":%" PRId64 ",\"ok\":false,\"code\":\"functional_denied\",\"result\":\"%.*s\"}\n", id,
            (int)strcspn(word + 21, "\""), word + 21);
    const char *code = strstr(request, "\"account\":\"code_");
    if (code)
        say("{\"id\":%" PRId64 ",\"ok\":false,\"code\":\"%.*s\"}\n", id, (int)strcspn(code + 16, "\""), code + 16);
}

#define KEY(type, sha256) "\"host_key\":{\"type\":\"" type "\",\"sha256\":\"" sha256 "\"}"
#define GOOD_SHA256       "SHA256:uNiVztksCsDhcc0u9e8BrWXVUEmNQ5cpmYO3M7d3bYI"

/* What the server would keep or show: with a secret, or of a form that none of them has. */
static void misbehave_with_fields(void)
{
    static const struct {
        const char *account, *fields;
    } rows[] = {
        {"parks_in_token", "\"fence\":\"session\",\"fence_token\":\"7 canary-Secret-1\""},
        {"parks_in_scheme", "\"scheme\":\"canary-Secret-1\""},
        {"parks_in_type", KEY("ssh-canary-Secret-1", GOOD_SHA256)},
        {"parks_in_sha256", KEY("ssh-ed25519", "SHA256:canary-Secret-1AAAAAAAAAAAAAAAAAAAAAAAAAAAA")},
        {"parks_in_key", "\"public_key\":\"ssh-ed25519 AAAA canary-Secret-1\""},
        {"odd_token", "\"fence_token\":\"7\\n8\""},
        {"odd_scheme", "\"scheme\":\"\\u00e9\""},
        {"odd_type", KEY("ssh ed25519", GOOD_SHA256)},
        {"no_type", "\"host_key\":{\"sha256\":\"" GOOD_SHA256 "\"}"},
        {"odd_sha256", KEY("ssh-ed25519", "SHA256:short")},
        {"odd_key", "\"public_key\":\"ssh-ed25519 AAAA\\u001b[31m\""},
        {"good_fields",
         KEY("ssh-ed25519", GOOD_SHA256) ",\"fence\":\"session\",\"fence_token\":\"17 1763800000000000\","
                                         "\"scheme\":\"$y$\",\"public_key\":\"ssh-rsa AAAA me\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (is_account(rows[i].account))
            say("{\"id\":%" PRId64 ",\"ok\":true,\"result\":\"accepted\",%s}\n", id, rows[i].fields);
    const char *fence_s = strstr(request, "\"account\":\"fence_");
    if (fence_s)
        say("{\"id\":%" PRId64 ",\"ok\":true,\"fence\":\"timeout\"%s%.*s}\n", id,
            fence_s[17] == '"' ? "" : ",\"fence_s\":", (int)strcspn(fence_s + 17, "\""), fence_s + 17);
    if (is_account("long_token"))
        say("{\"id\":%" PRId64 ",\"ok\":true,\"fence_token\":\"%0101d\"}\n", id, 7);
}

static void greet(const char *folder)
{
    bool is_wrong = strstr(folder, "/wrong_protocol/") != NULL;
    const char *kind = strstr(folder, "/wrong_kind/") ? "telnet" : "ssh";
    say("{\"id\":%" PRId64 ",\"ok\":true,\"connector\":\"%s\",\"protocol\":%d,\"version\":\"0\",\"more\":[1,{}]}\n", id,
        kind, is_wrong ? 2 : 1);
}

int main(void)
{
    char folder[4096] = "";
    ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    folder[n > 0 ? n : 0] = '\0';
    if (strstr(folder, "/dies/"))
        return 1;
    while (read_request()) {
        if (strstr(request, "\"op\":\"bye\"") || is_account("dies"))
            return 0;
        if (strstr(folder, "/mute/") || is_account("mute"))
            pause();
        if (strstr(request, "\"op\":\"hello\"")) {
            greet(folder);
            continue;
        }
        misbehave_with_bytes();
        misbehave_with_sense();
        misbehave_with_fields();
        if (is_account("half") || is_account("ends_later"))
            return 0;
    }
    return 0;
}
