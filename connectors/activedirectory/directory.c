/* activedirectory/directory.c: LDAPS by libldap, over our own socket, and nothing of libldap's own settings. */
#include "activedirectory/directory.h"

#include <openldap.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "activedirectory/ldap_text.h"
#include "base/log.h"
#include "base/secret_open.h"
#include "common/guess.h"
#include "common/tls_pin.h"
#include "common/watchdog.h"

enum { REPLY_BYTES_MAX = 1 << 20, MESSAGES_MAX = 64, ENTRIES_MAX = 2 };

/* Where libldap would go on its own after a broken connection: nowhere. Before TLS it wants a name to greet with. */
static const char nowhere[] = "ldapi://%2Fnonexistent", no_name[] = "ldap://domain-controller.invalid";
static const char tls_versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
static const char is_active_directory[] = "1.2.840.113556.1.4.800";

const char *login_word_text(enum login_word word)
{
    static const char *const texts[] = {
        [LOGIN_ACCEPTED] = "accepted", [LOGIN_MUST_CHANGE] = "must_change", [LOGIN_DENIED] = "denied",
        [LOGIN_LOCKED] = "locked",     [LOGIN_EXPIRED] = "expired",
    };
    return texts[word];
}

/* The certificate's names and its issuer prove nothing here: the pin does, before anything secret is sent. */
static bool set_options(LDAP *ldap)
{
    int version = LDAP_VERSION3, no_certificate = LDAP_OPT_X_TLS_NEVER, as_client = 0;
    return ldap_set_option(ldap, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ldap, LDAP_OPT_RESTART, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ldap, LDAP_OPT_X_TLS_REQUIRE_CERT, &no_certificate) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ldap, LDAP_OPT_X_TLS_CIPHER_SUITE, tls_versions) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ldap, LDAP_OPT_X_TLS_NEWCTX, &as_client) == LDAP_OPT_SUCCESS;
}

/* At its first call libldap asks the resolver for our own name and loads modules of SASL. Without a free descriptor it
 * can do neither, and goes on without. */
static LDAP *first_call(void)
{
    LDAP *ldap = NULL;
    struct rlimit files, none;
    if (setenv("LDAPNOINIT", "1", 1) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
        return NULL;
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &none) != 0)
        return NULL;
    int rc = ldap_initialize(&ldap, nowhere);
    return setrlimit(RLIMIT_NOFILE, &files) == 0 && rc == LDAP_SUCCESS ? ldap : NULL;
}

void directory_prepare_libraries(void)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    LDAP *ldap = first_call();
    if (!ldap || !set_options(ldap))
        die("libldap or its TLS does not work");
    ldap_unbind_ext(ldap, NULL, NULL);
    if (EVP_Digest("", 0, hash, &n, EVP_sha256(), NULL) != 1)
        die("OpenSSL has no SHA-256");
}

void directory_close(struct directory *d)
{
    watchdog_guard(-1);
    if (d->ldap)
        ldap_unbind_ext(d->ldap, NULL, NULL);
    *d = (struct directory){0};
}

bool directory_is_open(const struct directory *d)
{
    return d->ldap != NULL;
}

void directory_guard(const struct directory *d)
{
    int fd = -1;
    if (d->ldap && ldap_get_option(d->ldap, LDAP_OPT_DESC, &fd) == LDAP_OPT_SUCCESS)
        watchdog_guard(fd);
}

int64_t directory_now(const struct directory *d)
{
    return clock_now() + d->clock;
}

static result lost(struct directory *d, struct err *e)
{
    const char *why = watchdog_has_expired() ? "the domain controller did not answer in time"
                                             : "the connection to the domain controller broke";
    directory_close(d);
    return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", why);
}

/* One message of the answer to `id`, or NULL when there will be none. */
static LDAPMessage *next_message(struct directory *d, int id)
{
    int left_ms = watchdog_left_ms();
    struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    LDAPMessage *message = NULL;
    int type = watchdog_has_expired() ? 0 : ldap_result(d->ldap, id, LDAP_MSG_ONE, &left, &message);
    if (type > 0)
        return message;
    ldap_msgfree(message);
    return NULL;
}

/* Take the result out of `message`, which goes. False: it holds none. */
static bool read_reply(struct directory *d, LDAPMessage *message, struct arena *a, struct directory_reply *ret)
{
    char *text = NULL;
    int code = LDAP_OTHER;
    if (ldap_parse_result(d->ldap, message, &code, NULL, &text, NULL, NULL, 1) != LDAP_SUCCESS)
        return false;
    ret->code = code;
    ret->text = arena_str(a, str_of(text ? text : ""));
    ret->problem = ldap_text_problem(ret->text);
    ldap_memfree(text);
    return true;
}

/* ---- opening ---- */

static RESULT read_key(LDAP *ldap, struct arena *a, struct host_key *ret, struct err *e)
{
    struct berval certificate = {0};
    if (ldap_get_option(ldap, LDAP_OPT_X_TLS_PEERCERT, &certificate) != LDAP_OPT_SUCCESS || !certificate.bv_val)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the domain controller showed no certificate");
    result done = tls_pin_of((struct str){certificate.bv_val, certificate.bv_len}, a, ret, e);
    ber_memfree(certificate.bv_val);
    if (is_ok(done))
        return done;
    return FAIL_AS(e, UNREACHABLE, "unreachable", "the domain controller's certificate cannot be read");
}

static RESULT start_tls(struct directory *d, struct err *e)
{
    ber_len_t largest = REPLY_BYTES_MAX;
    Sockbuf *buffer = NULL;
    if (!set_options(d->ldap) || ldap_get_option(d->ldap, LDAP_OPT_SOCKBUF, &buffer) != LDAP_OPT_SUCCESS ||
        ber_sockbuf_ctrl(buffer, LBER_SB_OPT_SET_MAX_INCOMING, &largest) < 0)
        return FAIL_AS(e, INTERNAL, "unsent", "libldap refused an option");
    if (ldap_install_tls(d->ldap) == LDAP_SUCCESS &&
        ldap_set_option(d->ldap, LDAP_OPT_URI, nowhere) == LDAP_OPT_SUCCESS)
        return SUCCESS;
    if (watchdog_has_expired())
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the domain controller did not answer in time");
    return FAIL_AS(e, UNREACHABLE, "unreachable",
                   "no TLS 1.2 or later at this port: give the domain controller a certificate, and take the port of "
                   "LDAPS (636)");
}

static RESULT read_root(struct directory *d, struct arena *a, struct err *e)
{
    static const char *const attributes[] = {"defaultNamingContext", "currentTime", "supportedCapabilities", NULL};
    const struct directory_search search = {S(""), LDAP_SCOPE_BASE, S("(objectClass=*)"), attributes};
    struct directory_entry root = {0};
    TRY(directory_find(d, &search, a, &root, e));
    bool is_known =
        root.n == 1 && str_is_set(root.values[0]) && str_find(root.values[2], str_of(is_active_directory)) >= 0;
    char *domain = NULL;
    if (!is_known || ldap_dn2domain(arena_cstr(a, root.values[0]), &domain) != LDAP_SUCCESS || !domain)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "this is no domain controller of an Active Directory domain");
    d->base = root.values[0];
    d->domain = arena_str(a, str_of(domain));
    ldap_memfree(domain);
    int64_t now = ldap_text_time(root.values[1]);
    d->clock = now ? now - clock_now() : 0;
    return SUCCESS;
}

static RESULT check_domain(const struct target *t, const struct directory *d, struct err *e)
{
    struct str wanted = t->address.domain;
    if (wanted.n == 0 || str_equal_fold(wanted, d->domain))
        return SUCCESS;
    return FAIL_AS(e, UNREACHABLE, "unreachable", "this domain controller serves %.*s; the system's domain is %.*s",
                   STR_ARG(d->domain), STR_ARG(wanted));
}

RESULT directory_open(const struct target *t, struct arena *a, struct directory *ret, struct answer *answer,
                      struct err *e)
{
    int fd = -1;
    AUTO_DIRECTORY d = {0};
    struct host_key seen = {0};
    const struct dial how = {.blocks = true, .names_port = true};
    TRY(target_dial(&t->address, &how, a, &fd, e));
    watchdog_guard(fd);
    if (ldap_init_fd(fd, LDAP_PROTO_TCP, no_name, &d.ldap) != LDAP_SUCCESS) {
        watchdog_guard(-1);
        close(fd);
        return FAIL_AS(e, INTERNAL, "unsent", "libldap takes no socket");
    }
    TRY(start_tls(&d, e));
    TRY(read_key(d.ldap, a, &seen, e));
    TRY(tls_pin_check(&seen, t->keys, t->key_count, answer, e));
    answer->host_key = seen;
    TRY(read_root(&d, a, e));
    TRY(check_domain(t, &d, e));
    *ret = d;
    d.ldap = NULL; /* handed over */
    return SUCCESS;
}

/* ---- speaking ---- */

static RESULT word_of_bind(const struct directory_reply *reply, enum login_word *ret, struct err *e)
{
    static const struct {
        uint32_t data;
        enum login_word word;
    } words[] = {
        {0x525, LOGIN_DENIED},  {0x52e, LOGIN_DENIED},      {0x533, LOGIN_LOCKED},      {0x775, LOGIN_LOCKED},
        {0x701, LOGIN_EXPIRED}, {0x773, LOGIN_MUST_CHANGE}, {0x532, LOGIN_MUST_CHANGE},
    };
    uint32_t data = ldap_text_data(reply->text);
    *ret = reply->code == LDAP_SUCCESS ? LOGIN_ACCEPTED : LOGIN_DENIED;
    if (reply->code == LDAP_SUCCESS || (reply->code == LDAP_INVALID_CREDENTIALS && data == 0))
        return SUCCESS;
    for (size_t i = 0; reply->code == LDAP_INVALID_CREDENTIALS && i < sizeof(words) / sizeof(words[0]); i++)
        if (words[i].data == data) {
            *ret = words[i].word;
            return SUCCESS;
        }
    if (ldap_text_is_definite(reply->code))
        return FAIL_AS(e, REFUSED, "refused", "signing in is refused: %.*s", STR_ARG(reply->text));
    return FAIL_AS(e, UNREACHABLE, "unreachable", "signing in failed: %.*s", STR_ARG(reply->text));
}

RESULT directory_bind(struct directory *d, struct str name, const struct secret *password, struct arena *a,
                      enum login_word *ret, struct err *e)
{
    struct str bytes = secret_open(password);
    struct berval credentials = {.bv_len = bytes.n, .bv_val = (char *)bytes.p};
    struct directory_reply reply = {0};
    int id = 0;
    directory_guard(d);
    guess_sent();
    if (ldap_sasl_bind(d->ldap, arena_cstr(a, name), LDAP_SASL_SIMPLE, &credentials, NULL, NULL, &id) != LDAP_SUCCESS)
        return lost(d, e);
    LDAPMessage *message = next_message(d, id);
    if (!message || ldap_msgtype(message) != LDAP_RES_BIND || !read_reply(d, message, a, &reply))
        return lost(d, e);
    enum login_word word = LOGIN_DENIED;
    result done = word_of_bind(&reply, &word, e);
    if (done.code != UNREACHABLE)
        guess_answered();
    *ret = word;
    return done;
}

/* Values may be bytes: those of a SID are. */
static struct str joined(struct arena *a, struct str before, struct str value)
{
    if (!str_is_set(before))
        return arena_str(a, value);
    size_t n = before.n + 1 + value.n;
    char *both = arena_alloc(a, n);
    memcpy(both, before.p, before.n);
    both[before.n] = '\n';
    memcpy(both + before.n + 1, value.p, value.n);
    return (struct str){both, n};
}

static void read_entry(struct directory *d, LDAPMessage *message, const struct directory_search *search,
                       struct arena *a, struct directory_entry *ret)
{
    char *dn = ldap_get_dn(d->ldap, message);
    ret->dn = arena_str(a, str_of(dn ? dn : ""));
    ldap_memfree(dn);
    size_t n = 0;
    while (search->attributes[n])
        n++;
    ret->values = arena_array(a, struct str, n);
    for (size_t i = 0; i < n; i++) {
        struct berval **values = ldap_get_values_len(d->ldap, message, search->attributes[i]);
        for (size_t k = 0; values && values[k]; k++)
            ret->values[i] = joined(a, ret->values[i], (struct str){values[k]->bv_val, values[k]->bv_len});
        ldap_value_free_len(values);
    }
}

RESULT directory_find(struct directory *d, const struct directory_search *search, struct arena *a,
                      struct directory_entry *ret, struct err *e)
{
    struct directory_entry found = {0};
    struct directory_reply reply = {.code = -1};
    int id = 0, left_s = watchdog_left_ms() / 1000 + 1;
    struct timeval left = {.tv_sec = left_s};
    directory_guard(d);
    if (ldap_search_ext(d->ldap, arena_cstr(a, search->base), search->scope, arena_cstr(a, search->filter),
                        (char **)search->attributes, 0, NULL, NULL, &left, ENTRIES_MAX, &id) != LDAP_SUCCESS)
        return lost(d, e);
    for (int i = 0; reply.code < 0; i++) {
        LDAPMessage *message = i < MESSAGES_MAX ? next_message(d, id) : NULL;
        if (!message)
            return lost(d, e);
        int type = ldap_msgtype(message);
        if (type == LDAP_RES_SEARCH_RESULT) {
            if (!read_reply(d, message, a, &reply))
                return lost(d, e);
            continue;
        }
        if (type == LDAP_RES_SEARCH_ENTRY && found.n++ == 0)
            read_entry(d, message, search, a, &found);
        ldap_msgfree(message);
    }
    if (found.n > 1)
        return FAIL_AS(e, UNREACHABLE, "unreadable", "more than one entry has this name");
    if (reply.code != LDAP_SUCCESS && reply.code != LDAP_NO_SUCH_OBJECT && reply.code != LDAP_INVALID_DN_SYNTAX)
        return FAIL_AS(e, UNREACHABLE, ldap_text_is_definite(reply.code) ? "unreadable" : "unreachable",
                       "searching is refused: %.*s", STR_ARG(reply.text)); /* by its time limit, for one */
    *ret = found;
    return SUCCESS;
}

RESULT directory_read_sids(struct directory *d, struct arena *a, struct err *e)
{
    static const char *const attributes[] = {"tokenGroups", NULL};
    const struct directory_search search = {S(""), LDAP_SCOPE_BASE, S("(objectClass=*)"), attributes};
    struct directory_entry root = {0};
    result found = directory_find(d, &search, a, &root, e);
    if (!directory_is_open(d))
        return found;
    d->sids = is_ok(found) && root.n == 1 ? root.values[0] : STR_ABSENT;
    return SUCCESS;
}

RESULT directory_modify(struct directory *d, struct str dn, LDAPMod **changes, struct arena *a,
                        struct directory_reply *ret, struct err *e)
{
    int id = 0;
    directory_guard(d);
    if (watchdog_has_expired())
        return lost(d, e);
    int rc = ldap_modify_ext(d->ldap, arena_cstr(a, dn), changes, NULL, NULL, &id);
    if (rc == LDAP_ENCODING_ERROR || rc == LDAP_PARAM_ERROR || rc == LDAP_NO_MEMORY)
        return FAIL_AS(e, INTERNAL, "unsent", "libldap cannot write this change");
    LDAPMessage *message = rc == LDAP_SUCCESS ? next_message(d, id) : NULL;
    struct directory_reply reply = {0};
    if (!message || ldap_msgtype(message) != LDAP_RES_MODIFY || !read_reply(d, message, a, &reply)) {
        (void)!is_ok(lost(d, e));
        return FAIL_AS(e, UNCERTAIN, "unknown", "the change was sent, and no answer came");
    }
    *ret = reply;
    return SUCCESS;
}
