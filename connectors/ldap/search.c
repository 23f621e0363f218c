/* ldap/search.c: one message at a time, so that a server that never stops cannot fill our memory. */
#include "ldap/search.h"

#include "common/watchdog.h"

enum { WANTED = 2, MESSAGES_MAX = 64, CONTEXTS_MAX = 16 };

static char any_entry[] = "(objectClass=*)";
static char *no_attributes[] = {LDAP_NO_ATTRS, NULL};

void found_free(struct found *f)
{
    ldap_msgfree(f->entry); /* NULL is fine */
    f->entry = NULL;
}

static RESULT judge(const struct reply *r, struct arena *a, struct found *found, struct err *e)
{
    switch (r->code) {
    case LDAP_SUCCESS:
    case LDAP_NO_SUCH_OBJECT:
        return SUCCESS;
    case LDAP_SIZELIMIT_EXCEEDED:
        found->count = WANTED;
        return SUCCESS;
    case LDAP_INSUFFICIENT_ACCESS:
        return FAIL_AS(e, UNREACHABLE, "elevation_denied", "no right to look for accounts: %s", reply_text(r, a));
    default:
        return FAIL_AS(e, UNREACHABLE, "unsent", "the account cannot be looked for: %s", reply_text(r, a));
    }
}

static RESULT collect(LDAP *ld, int operation, struct arena *a, struct found *found, struct err *e)
{
    for (int i = 0; i < MESSAGES_MAX; i++) {
        LDAPMessage *message = NULL;
        struct reply reply = {0};
        TRY(session_wait(ld, operation, &message, e));
        int kind = ldap_msgtype(message);
        if (kind == LDAP_RES_SEARCH_RESULT) {
            TRY(session_read_reply(ld, message, a, &reply, e));
            return judge(&reply, a, found, e);
        }
        if (kind == LDAP_RES_SEARCH_ENTRY && found->count < WANTED)
            found->count++;
        if (kind == LDAP_RES_SEARCH_ENTRY && !found->entry)
            found->entry = message;
        else
            ldap_msgfree(message);
    }
    return FAIL_AS(e, UNREACHABLE, "unreachable", "the server's answer has no end");
}

result search_run(LDAP *ld, const struct search *s, struct arena *a, struct found *ret, struct err *e)
{
    int operation = 0;
    struct timeval left = {.tv_sec = watchdog_left_ms() / 1000 + 1};
    AUTO_FOUND found = {0};
    int rc = ldap_search_ext(ld, s->base, s->scope, s->filter ? s->filter : any_entry, s->attributes, 0, NULL, NULL,
                             &left, WANTED, &operation);
    if (rc == LDAP_FILTER_ERROR || rc == LDAP_PARAM_ERROR || rc == LDAP_ENCODING_ERROR)
        return FAIL_AS(e, INTERNAL, "unsent", "the search cannot be said");
    if (rc != LDAP_SUCCESS)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the connection broke");
    TRY(collect(ld, operation, a, &found, e));
    *ret = (struct found){TAKE(found.entry), found.count};
    return SUCCESS;
}

struct str search_value(LDAP *ld, LDAPMessage *entry, const char *attribute, struct arena *a)
{
    struct berval **values = ldap_get_values_len(ld, entry, attribute);
    struct str ret = STR_ABSENT;
    if (values && values[0])
        ret = arena_str(a, (struct str){values[0]->bv_val ? values[0]->bv_val : "", values[0]->bv_len});
    ldap_value_free_len(values);
    return ret;
}

static const char *dn_of(LDAP *ld, LDAPMessage *entry, struct arena *a)
{
    char *dn = ldap_get_dn(ld, entry);
    const char *ret = arena_cstr(a, str_of(dn ? dn : ""));
    ldap_memfree(dn);
    return ret;
}

static RESULT read_contexts(LDAP *ld, struct arena *a, const char *ret[CONTEXTS_MAX], size_t *ret_n, struct err *e)
{
    static char naming_contexts[] = "namingContexts";
    char *wanted[] = {naming_contexts, NULL};
    const struct search root = {.base = "", .scope = LDAP_SCOPE_BASE, .attributes = wanted};
    AUTO_FOUND found = {0};
    size_t n = 0;
    TRY(search_run(ld, &root, a, &found, e));
    struct berval **values = found.entry ? ldap_get_values_len(ld, found.entry, naming_contexts) : NULL;
    for (; values && values[n] && n < CONTEXTS_MAX; n++)
        ret[n] = arena_cstr(a, (struct str){values[n]->bv_val, values[n]->bv_len});
    bool has_more = values && values[n];
    ldap_value_free_len(values);
    if (has_more)
        return FAIL_AS(e, UNREACHABLE, "unsent", "the server has too many naming contexts: give the account's DN");
    *ret_n = n;
    return SUCCESS;
}

/* Every byte that is no letter and no digit as \xx (RFC 4515): nothing in a name can end the filter. */
static const char *uid_filter(struct str account, struct arena *a)
{
    AUTOBUF text;
    buf_init(&text, 16 + 3 * account.n);
    buf_add(&text, S("(uid="));
    for (size_t i = 0; i < account.n; i++) {
        char c = account.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
            buf_add_char(&text, c);
        else
            buf_printf(&text, "\\%02x", (unsigned)(unsigned char)c);
    }
    buf_add_char(&text, ')');
    return arena_cstr(a, buf_str(&text));
}

/* The one entry with this uid; *ret holds what was asked for of it. One context may lie within another. */
static RESULT find_account(LDAP *ld, struct str account, char **attributes, struct arena *a, const char **ret_dn,
                           struct found *ret, struct err *e)
{
    const char *contexts[CONTEXTS_MAX] = {0};
    const char *dn = NULL;
    size_t n = 0, hits = 0;
    AUTO_FOUND kept = {0};
    TRY(read_contexts(ld, a, contexts, &n, e));
    struct search s = {.filter = uid_filter(account, a), .scope = LDAP_SCOPE_SUBTREE, .attributes = attributes};
    for (size_t i = 0; i < n; i++) {
        AUTO_FOUND found = {0};
        s.base = contexts[i];
        TRY(search_run(ld, &s, a, &found, e));
        const char *here = found.entry ? dn_of(ld, found.entry, a) : NULL;
        bool is_same = here && dn && strcmp(here, dn) == 0;
        hits += is_same && found.count == 1 ? 0 : found.count;
        if (!here)
            continue;
        dn = here;
        found_free(&kept);
        kept = (struct found){TAKE(found.entry), 1};
    }
    if (hits > 1)
        return FAIL_AS(e, REFUSED, "no_account", "more than one entry has this uid: give the account's DN");
    if (hits == 0 || !dn || !dn[0])
        return FAIL_AS(e, REFUSED, "no_account", "no entry that can be seen here has this uid");
    *ret_dn = dn;
    *ret = (struct found){TAKE(kept.entry), 1};
    return SUCCESS;
}

result search_account(LDAP *ld, struct str account, struct arena *a, const char **ret_dn, struct err *e)
{
    AUTO_FOUND found = {0};
    return find_account(ld, account, no_attributes, a, ret_dn, &found, e);
}

result search_entry(LDAP *ld, struct str account, struct str dn, char **attributes, struct arena *a,
                    const char **ret_dn, struct found *ret, struct err *e)
{
    char **wanted = attributes ? attributes : no_attributes;
    if (dn.n == 0)
        return find_account(ld, account, wanted, a, ret_dn, ret, e);
    const struct search s = {.base = arena_cstr(a, dn), .scope = LDAP_SCOPE_BASE, .attributes = wanted};
    AUTO_FOUND found = {0};
    TRY(search_run(ld, &s, a, &found, e));
    if (!found.entry)
        return FAIL_AS(e, REFUSED, "no_account", "the server does not know the account, or does not show it");
    *ret_dn = s.base;
    *ret = (struct found){TAKE(found.entry), found.count};
    return SUCCESS;
}
