/* ldap/connect.c: connect to a numeric address, TLS at once or by StartTLS, and trust nothing but the pinned key. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <openldap.h>

#include "common/tls_pin.h"
#include "common/watchdog.h"
#include "ldap/session.h"

enum { REPLY_BYTES_MAX = 1024 * 1024 };

static const char how_to_get_tls[] =
    "give the server a certificate and let it offer StartTLS, or connect to port 636 (ldaps)";

static const char *connect_problem(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ETIMEDOUT:
        return "connection timed out";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "no route to the server";
    case ECONNRESET:
        return "connection reset";
    default:
        return "no connection";
    }
}

static RESULT parse_address(const struct directory_address *from, struct arena *a, struct sockaddr_storage *ret,
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

static int wait_until_connected(int fd)
{
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        int n = poll(&ready, 1, watchdog_left_ms());
        int error = 0;
        socklen_t size = sizeof(error);
        if (watchdog_has_expired() || n == 0)
            return ETIMEDOUT;
        if (n > 0)
            return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
    }
}

static RESULT dial(const struct directory_address *address, struct arena *a, int *ret, struct err *e)
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
    if (error == EINPROGRESS)
        error = wait_until_connected(fd);
    if (error != 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", connect_problem(error));
    /* Blocking from here on: at the deadline the watchdog's shutdown wakes whoever waits. */
    if (fcntl(fd, F_SETFL, 0) != 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "no socket for this address");
    *ret = TAKE_FD(fd);
    return SUCCESS;
}

/* The pin decides about the certificate, so libldap is told not to. A new context takes the options; it comes last. */
static bool configure(LDAP *ld)
{
    int version = LDAP_VERSION3, whatever_certificate = LDAP_OPT_X_TLS_NEVER, is_server = 0;
    int least_tls = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, deref = LDAP_DEREF_NEVER;
    struct timeval whole = {.tv_sec = watchdog_left_ms() / 1000 + 1};
    ber_len_t most = REPLY_BYTES_MAX;
    Sockbuf *buffer = NULL;
    return ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_DEREF, &deref) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &whole) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_TIMEOUT, &whole) == LDAP_OPT_SUCCESS &&
           ldap_get_option(ld, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS && buffer &&
           ber_sockbuf_ctrl(buffer, LBER_SB_OPT_SET_MAX_INCOMING, &most) == 1 &&
           ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &whatever_certificate) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least_tls) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &is_server) == LDAP_OPT_SUCCESS;
}

static RESULT ask_for_tls(LDAP *ld, struct arena *a, struct err *e)
{
    int operation = 0;
    LDAPMessage *message = NULL;
    struct reply reply = {0};
    if (ldap_start_tls(ld, NULL, NULL, &operation) != LDAP_SUCCESS)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the connection broke before TLS");
    TRY(session_wait(ld, operation, &message, e));
    TRY(session_read_reply(ld, message, a, &reply, e));
    if (reply.code != LDAP_SUCCESS)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server does not offer TLS (%s): %s", reply_text(&reply, a),
                       how_to_get_tls);
    return SUCCESS;
}

/* libldap with GnuTLS takes no notice of the least version that it was told. */
static RESULT check_version(LDAP *ld, struct err *e)
{
    static const char *const good[] = {"TLS1.2", "TLS1.3", "TLSv1.2", "TLSv1.3"};
    char *version = NULL;
    bool is_good = false;
    if (ldap_get_option(ld, LDAP_OPT_X_TLS_VERSION, &version) != LDAP_OPT_SUCCESS)
        version = NULL;
    for (size_t i = 0; version && i < sizeof(good) / sizeof(good[0]); i++)
        is_good = is_good || strcmp(version, good[i]) == 0;
    ldap_memfree(version);
    return is_good ? SUCCESS
                   : FAIL_AS(e, UNREACHABLE, "unreachable", "the server has no TLS 1.2 or later: let it offer that");
}

static RESULT check_pin(const struct directory *d, LDAP *ld, struct arena *a, struct answer *answer, struct err *e)
{
    struct berval certificate = {0};
    if (ldap_get_option(ld, LDAP_OPT_X_TLS_PEERCERT, &certificate) != LDAP_OPT_SUCCESS || !certificate.bv_val)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server showed no certificate");
    struct host_key seen = {0};
    result read = tls_pin_of((struct str){certificate.bv_val, certificate.bv_len}, a, &seen, e);
    ldap_memfree(certificate.bv_val);
    if (!is_ok(read)) {
        e->word = "unreachable";
        return read;
    }
    answer->host_key = seen;
    return tls_pin_check(&seen, d->keys, d->key_count, answer, e);
}

result session_open(struct directory *d, struct arena *a, struct answer *answer, LDAP **ret, struct err *e)
{
    int fd = -1;
    TRY(dial(&d->address, a, &fd, e));
    watchdog_guard(fd);
    LDAP *made = NULL;
    /* With it goes the descriptor; the URL is only a name for it. */
    if (ldap_init_fd(fd, LDAP_PROTO_TCP, "ldap://127.0.0.1", &made) != LDAP_SUCCESS) {
        watchdog_guard(-1);
        close(fd);
        return FAIL_AS(e, INTERNAL, "unsent", "libldap has no session");
    }
    AUTOFREE(ldap) ld = made;
    if (!configure(ld))
        return FAIL_AS(e, INTERNAL, "unsent", "libldap refused an option");
    if (d->address.port != LDAPS_PORT)
        TRY(ask_for_tls(ld, a, e));
    if (ldap_install_tls(ld) != LDAP_SUCCESS || !ldap_tls_inplace(ld)) {
        if (watchdog_has_expired())
            return FAIL_AS(e, UNREACHABLE, "unreachable", "the server did not answer in time");
        return FAIL_AS(e, UNREACHABLE, "unreachable", "no TLS 1.2 or later with this server: %s", how_to_get_tls);
    }
    TRY(check_version(ld, e));
    TRY(check_pin(d, ld, a, answer, e));
    *ret = TAKE(ld);
    return SUCCESS;
}
