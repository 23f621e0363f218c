/* ldap/connect.c: connect to a numeric address, TLS at once or by StartTLS, and trust nothing but the pinned key. */
#include <openldap.h>

#include "common/tls_pin.h"
#include "common/watchdog.h"
#include "ldap/session.h"

enum { REPLY_BYTES_MAX = 1024 * 1024 };

static const char how_to_get_tls[] =
    "give the server a certificate and let it offer StartTLS, or connect to port 636 (ldaps)";

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
    return tls_pin_check(&seen, d->target.keys, d->target.key_count, answer, e);
}

result session_open(struct directory *d, struct arena *a, struct answer *answer, LDAP **ret, struct err *e)
{
    int fd = -1;
    TRY(target_dial(&d->target.address, &(struct dial){.blocks = true}, a, &fd, e));
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
    if (d->target.address.port != LDAPS_PORT)
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
