/* ssh/session.c: connect to a numeric address, and trust nothing but the pinned key. */
#include "ssh/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "common/watchdog.h"

static const char *connect_problem(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ETIMEDOUT:
        return "connection timed out";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "no route to the host";
    case ECONNRESET:
        return "connection reset";
    default:
        return "no connection";
    }
}

static RESULT parse_address(const struct host_address *from, struct arena *a, struct sockaddr_storage *ret,
                            socklen_t *ret_length, struct err *e)
{
    const char *text = arena_cstr(a, from->address);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)from->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)from->port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, sizeof(v4));
        *ret_length = sizeof(v4);
    } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(ret, &v6, sizeof(v6));
        *ret_length = sizeof(v6);
    } else {
        return FAIL_AS(e, INVALID, "bad_request", "the address is not numeric");
    }
    return SUCCESS;
}

static RESULT dial(const struct host_address *address, struct arena *a, int *ret, struct err *e)
{
    struct sockaddr_storage to = {0};
    socklen_t length = 0;
    TRY(parse_address(address, a, &to, &length, e));
    AUTOCLOSE fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "no socket for this address");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int error = connect(fd, (struct sockaddr *)&to, length) == 0 ? 0 : errno;
    while (error == EINPROGRESS) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        int n = poll(&ready, 1, watchdog_left_ms());
        socklen_t size = sizeof(error);
        if (watchdog_has_expired() || n == 0)
            error = ETIMEDOUT;
        else if (n > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
    }
    if (error != 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", connect_problem(error));
    *ret = TAKE_FD(fd);
    return SUCCESS;
}

/* The host shows one key: ask for a kind that is pinned first, then for any, so that a changed one can be named. */
static const char *wanted_key_types(const struct host *h, struct arena *a)
{
    static const struct {
        const char *type, *algorithms;
    } known[] = {
        {"ssh-ed25519", "ssh-ed25519"},
        {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
        {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
        {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
        {"ssh-rsa", "rsa-sha2-512,rsa-sha2-256"},
    };
    enum { KNOWN = sizeof(known) / sizeof(known[0]) };
    AUTOBUF list;
    buf_init(&list, 1024);
    for (int is_pinned_round = 1; is_pinned_round >= 0; is_pinned_round--)
        for (size_t i = 0; i < KNOWN; i++) {
            bool is_pinned = false;
            for (size_t k = 0; k < h->key_count; k++)
                is_pinned |= str_equal(h->keys[k].type, str_of(known[i].type));
            if (is_pinned == (is_pinned_round == 1))
                buf_printf(&list, "%s%s", list.n ? "," : "", known[i].algorithms);
        }
    return arena_cstr(a, buf_str(&list));
}

static RESULT configure(ssh_session s, const struct host *h, struct str account, int fd, struct arena *a, struct err *e)
{
    int no = 0, yes = 1;
    long timeout_s = (long)h->address.timeout_s;
    /* An unset path would be expanded from the home directory, which asks NSS. */
    bool is_good = ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no) == SSH_OK &&
                   ssh_options_set(s, SSH_OPTIONS_SSH_DIR, "/nonexistent") == SSH_OK &&
                   ssh_options_set(s, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") == SSH_OK &&
                   ssh_options_set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") == SSH_OK &&
                   ssh_options_set(s, SSH_OPTIONS_HOST, "target") == SSH_OK &&
                   ssh_options_set(s, SSH_OPTIONS_USER, arena_cstr(a, account)) == SSH_OK &&
                   ssh_options_set(s, SSH_OPTIONS_TIMEOUT, &timeout_s) == SSH_OK &&
                   ssh_options_set(s, SSH_OPTIONS_NODELAY, &yes) == SSH_OK &&
                   ssh_options_set(s, SSH_OPTIONS_HOSTKEYS, wanted_key_types(h, a)) == SSH_OK &&
                   ssh_options_set(s, SSH_OPTIONS_FD, &fd) == SSH_OK;
    return is_good ? SUCCESS : FAIL_AS(e, INTERNAL, "unsent", "libssh refused an option");
}

static RESULT read_host_key(struct host *h, ssh_session s, struct arena *a, struct err *e)
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t length = 0;
    if (ssh_get_server_publickey(s, &key) != SSH_OK)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the host showed no key");
    int rc = ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length);
    h->seen.type = arena_str(h->arena, str_of(ssh_key_type_to_char(ssh_key_type(key))));
    ssh_key_free(key);
    if (rc != SSH_OK)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the host's key has no fingerprint");
    struct str text = base64_encode(a, (struct str){(const char *)hash, length});
    ssh_clean_pubkey_hash(&hash);
    while (str_ends(text, S("=")))
        text.n--;
    h->seen.sha256 = arena_printf(h->arena, "SHA256:%.*s", STR_ARG(text));
    return SUCCESS;
}

static RESULT compare_host_key(const struct host *h, struct err *e)
{
    if (h->key_count == 0)
        return FAIL_AS(e, UNREACHABLE, "host_key_unknown", "no key is known for this host");
    for (size_t i = 0; i < h->key_count; i++)
        if (str_equal(h->keys[i].sha256, h->seen.sha256) && str_equal(h->keys[i].type, h->seen.type))
            return SUCCESS;
    return FAIL_AS(e, UNREACHABLE, "host_key_changed", "the host shows another key than the known one");
}

RESULT session_open(struct host *h, struct str account, struct arena *a, ssh_session *ret, struct err *e)
{
    h->seen = (struct host_key){0};
    int fd = -1;
    TRY(dial(&h->address, a, &fd, e));
    watchdog_guard(fd);
    AUTOFREE(ssh_session_struct) s = ssh_new();
    result configured =
        s ? configure(s, h, account, fd, a, e) : FAIL_AS(e, INTERNAL, "unsent", "libssh has no session");
    if (!is_ok(configured)) {
        watchdog_guard(-1);
        close(fd);
        return configured;
    }
    if (ssh_connect(s) != SSH_OK) {
        const char *why =
            watchdog_has_expired() ? "the host did not answer in time" : "the host does not speak SSH with us";
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", why);
    }
    TRY(read_host_key(h, s, a, e));
    TRY(compare_host_key(h, e));
    *ret = TAKE(s);
    return SUCCESS;
}
