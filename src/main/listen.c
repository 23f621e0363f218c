/* main/listen.c: which URLs are served, with which certificate, as which user. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "main/server.h"

static result make_certificate(struct server *s, struct str host, const char *certificate, const char *key,
                               struct err *e)
{
    char own_name[256] = "localhost";
    (void)!gethostname(own_name, sizeof own_name - 1);
    struct str names[] = {host, str_of(own_name), S("localhost"), S("127.0.0.1"), S("::1")};
    TRY(certificate_make(certificate, key, names, sizeof names / sizeof names[0], e));
    log_info("made a self-signed certificate in %s", certificate);
    (void)s;
    return SUCCESS;
}

/* Given ones as they are; else DIR/tls.crt, made on first use and never silently replaced. */
static result find_certificate(struct server *s, struct str host, const char **ret_certificate, const char **ret_key,
                               struct err *e)
{
    const struct options *o = s->options;
    if (!o->tls_certificate != !o->tls_key)
        return FAIL(e, INVALID, "--tls-cert and --tls-key go together");
    *ret_certificate = o->tls_certificate;
    *ret_key = o->tls_key;
    if (!*ret_certificate) {
        *ret_certificate = arena_printf(s->arena, "%s/tls.crt", o->data).p;
        *ret_key = arena_printf(s->arena, "%s/tls.key", o->data).p;
        if (access(*ret_certificate, F_OK) != 0)
            TRY(make_certificate(s, host, *ret_certificate, *ret_key, e));
    }
    int64_t ends_at;
    struct str fingerprint;
    TRY(certificate_read(*ret_certificate, s->arena, &ends_at, &fingerprint, e));
    log_info("certificate %s, SHA-256 %.*s, ends %.*s", *ret_certificate, STR_ARG(fingerprint),
             STR_ARG(time_format(s->arena, ends_at, TIME_Z_SECOND)));
    return SUCCESS;
}

result server_listen(struct server *s, struct str url, struct err *e)
{
    struct http_url parsed;
    const char *certificate = NULL, *key = NULL;
    TRY(http_url_parse(url, &parsed, e));
    if (parsed.is_tls)
        TRY(find_certificate(s, parsed.host, &certificate, &key, e));
    else if (!parsed.is_loopback && !s->options->allow_plain_http)
        return FAIL(e, INVALID,
                    "%.*s: plain http:// is served on loopback addresses only; use https://, or --allow-plain-http "
                    "behind a proxy that encrypts",
                    STR_ARG(url));
    else if (!parsed.is_loopback)
        log_warning("%.*s: passwords travel in clear text on this address (--allow-plain-http)", STR_ARG(url));
    if (s->uid && seteuid(0) != 0)
        return FAIL(e, INTERNAL, "cannot bind as root: %s", strerror(errno));
    result bound = http_server_listen(s->http, url, certificate, key, s->arena, &s->urls[s->url_count], e);
    if (s->uid && seteuid(s->uid) != 0)
        die("cannot give up root after binding");
    TRY(bound);
    s->url_count++;
    return SUCCESS;
}

/* passwordsafe-api 8.5: loopback only where every listener is there; ourselves and our database never. */
struct dial_rules server_dial_rules(struct server *s)
{
    struct store_address *of_store;
    size_t n = store_addresses(s->store, s->arena, &of_store);
    struct own_place *own = arena_array(s->arena, struct own_place, s->url_count + n);
    for (size_t i = 0; i < s->url_count; i++) {
        struct http_url url;
        struct err e;
        if (!is_ok(http_url_parse(s->urls[i], &url, &e)))
            die("a URL that is served cannot be read");
        own[i] = (struct own_place){.host = url.host, .port = url.port};
    }
    for (size_t i = 0; i < n; i++)
        own[s->url_count + i] =
            (struct own_place){.host = of_store[i].host, .port = of_store[i].port, .is_store = true};
    return (struct dial_rules){
        .loopback_allowed = http_server_is_loopback_only(s->http), .own = own, .own_count = s->url_count + n};
}

void server_announce(const struct server *s)
{
    for (size_t i = 0; i < s->url_count; i++)
        printf("listening on %.*s\n", STR_ARG(s->urls[i]));
    fflush(stdout);
}

/* As root: everything is made as the server's own user, if there is one; only binding a port is done as root. The
 * launcher stays root: it starts connectors as theirs. */
result server_become_user(struct server *s, struct err *e)
{
    if (geteuid() != 0) {
        log_info("not started as root: the connectors run as this same user (docs/threat-model.md)");
        return SUCCESS;
    }
    const char *name = s->options->user ? s->options->user : "keyturn";
    const struct passwd *user = getpwnam(name);
    if (!user && s->options->user)
        return FAIL(e, INVALID, "--user %s: no such user", name);
    if (!user) {
        log_warning("running as root: make a user `keyturn` that owns the data directory, or give --user");
        return SUCCESS;
    }
    s->uid = user->pw_uid;
    s->gid = user->pw_gid;
    if (setgroups(0, NULL) != 0 || setegid(s->gid) != 0 || seteuid(s->uid) != 0)
        return FAIL(e, INTERNAL, "cannot become user %s: %s", name, strerror(errno));
    return SUCCESS;
}

result server_drop_user(struct server *s, struct err *e)
{
    if (!s->uid)
        return SUCCESS;
    if (seteuid(0) != 0 || setresgid(s->gid, s->gid, s->gid) != 0 || setresuid(s->uid, s->uid, s->uid) != 0)
        return FAIL(e, INTERNAL, "cannot become user %u: %s", s->uid, strerror(errno));
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        log_warning("cannot forbid core dumps: %s", strerror(errno));
    return SUCCESS;
}
