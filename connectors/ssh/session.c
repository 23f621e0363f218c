/* ssh/session.c: connect to a numeric address, and trust nothing but the pinned key. */
#include "ssh/session.h"

#include "base/text.h"
#include "common/watchdog.h"

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
            for (size_t k = 0; k < h->target.key_count; k++)
                is_pinned |= str_equal(h->target.keys[k].type, str_of(known[i].type));
            if (is_pinned == (is_pinned_round == 1))
                buf_printf(&list, "%s%s", list.n ? "," : "", known[i].algorithms);
        }
    return arena_cstr(a, buf_str(&list));
}

static RESULT configure(ssh_session s, const struct host *h, struct str account, int fd, struct arena *a, struct err *e)
{
    int no = 0, yes = 1;
    long timeout_s = (long)h->target.address.timeout_s;
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
    h->seen.type = arena_str(h->target.arena, str_of(ssh_key_type_to_char(ssh_key_type(key))));
    ssh_key_free(key);
    if (rc != SSH_OK)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the host's key has no fingerprint");
    struct str text = base64_encode(a, (struct str){(const char *)hash, length});
    ssh_clean_pubkey_hash(&hash);
    while (str_ends(text, S("=")))
        text.n--;
    h->seen.sha256 = arena_printf(h->target.arena, "SHA256:%.*s", STR_ARG(text));
    return SUCCESS;
}

static RESULT compare_host_key(const struct host *h, struct err *e)
{
    if (h->target.key_count == 0)
        return FAIL_AS(e, UNREACHABLE, "host_key_unknown", "no key is known for this host");
    for (size_t i = 0; i < h->target.key_count; i++)
        if (str_equal(h->target.keys[i].sha256, h->seen.sha256) && str_equal(h->target.keys[i].type, h->seen.type))
            return SUCCESS;
    return FAIL_AS(e, UNREACHABLE, "host_key_changed", "the host shows another key than the known one");
}

RESULT session_open(struct host *h, struct str account, struct arena *a, ssh_session *ret, struct err *e)
{
    h->seen = (struct host_key){0};
    int fd = -1;
    TRY(target_dial(&h->target.address, &(struct dial){0}, a, &fd, e));
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
