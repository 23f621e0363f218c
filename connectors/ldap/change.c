/* ldap/change.c: the password modify operation (RFC 3062): the server hashes, checks and stores. */
#include "ldap/change.h"

#include <sys/random.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "common/watchdog.h"
#include "ldap/search.h"

static const char *const parts[] = {"password", "add_key", "remove_key", NULL};
static const char *const methods[] = {"functional", "self", NULL};
const struct field change_fields[] = {
    TEXT("account", struct change_request, account, .required = true, .max = NAME_POINTS_MAX, .keeps_blanks = true,
         .check = account_name_check),
    TEXT("dn", struct change_request, dn, .max = DN_POINTS_MAX, .keeps_blanks = true, .check = account_dn_check),
    TEXT("part", struct change_request, part, .required = true, .words = parts),
    TEXT("method", struct change_request, method, .words = methods, .or_text = "functional"),
    SECRET("password", struct change_request, password, .max = PASSWORD_BYTES_MAX),
    SECRET("current", struct change_request, current, .max = PASSWORD_BYTES_MAX),
    FIELD_END,
};

/* ---- may it? ---- */

static const char *why_not(const struct reply *r, struct arena *a)
{
    switch (r->code) {
    case LDAP_INSUFFICIENT_ACCESS:
        return "the functional account may not set this account's password";
    case LDAP_REFERRAL:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_CONFIDENTIALITY_REQUIRED:
    case LDAP_UNAVAILABLE_CRITICAL_EXTENSION:
        return arena_printf(a, "the server takes no changes: %s", reply_text(r, a)).p;
    default:
        return NULL;
    }
}

result change_is_allowed(LDAP *ld, const char *dn, struct arena *a, const char **ret_why, struct err *e)
{
    static char attribute[] = "userPassword";
    unsigned char random[32];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return FAIL_AS(e, INTERNAL, "unsent", "no random bytes");
    struct str text = hex_encode(a, (struct str){(const char *)random, sizeof(random)});
    struct berval value = {.bv_len = text.n, .bv_val = (char *)text.p};
    struct berval *values[] = {&value, NULL};
    LDAPMod removal = {
        .mod_op = LDAP_MOD_DELETE | LDAP_MOD_BVALUES, .mod_type = attribute, .mod_vals.modv_bvals = values};
    LDAPMod *changes[] = {&removal, NULL};
    int operation = 0;
    LDAPMessage *message = NULL;
    struct reply reply = {0};
    if (ldap_modify_ext(ld, dn, changes, NULL, NULL, &operation) != LDAP_SUCCESS)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the connection broke");
    TRY(session_wait(ld, operation, &message, e));
    TRY(session_read_reply(ld, message, a, &reply, e));
    *ret_why = why_not(&reply, a);
    return SUCCESS;
}

/* ---- the change ---- */

/* The code of a definite refusal; NULL when the server may have failed half-way. */
static const char *refusal(const struct reply *r, bool is_self)
{
    switch (r->code) {
    case LDAP_CONSTRAINT_VIOLATION:
        /* Also what an earlier attempt that did arrive looks like: not a verdict on this password. */
        return str_find(r->text, S("not being changed")) >= 0 ? "refused" : "policy";
    case LDAP_INSUFFICIENT_ACCESS:
        return is_self ? "refused" : "elevation_denied";
    case LDAP_NO_SUCH_OBJECT:
        return "no_account";
    case LDAP_PROTOCOL_ERROR:
    case LDAP_AUTH_METHOD_NOT_SUPPORTED:
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_REFERRAL:
    case LDAP_UNAVAILABLE_CRITICAL_EXTENSION:
    case LDAP_CONFIDENTIALITY_REQUIRED:
    case LDAP_NO_SUCH_ATTRIBUTE:
    case LDAP_UNDEFINED_TYPE:
    case LDAP_INVALID_SYNTAX:
    case LDAP_INVALID_DN_SYNTAX:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_OBJECT_CLASS_VIOLATION:
        return r->has_policy && r->policy >= PP_insufficientPasswordQuality ? "policy" : "refused";
    default:
        return NULL;
    }
}

static result explain(const struct reply *r, bool is_self, struct arena *a, struct err *e)
{
    const char *word = refusal(r, is_self);
    if (!word)
        return FAIL_AS(e, UNCERTAIN, "unknown", "the server failed: %s", reply_text(r, a));
    if (r->code == LDAP_PROTOCOL_ERROR)
        return FAIL_AS(e, REFUSED, word, "the server does not know the password modify operation (RFC 3062): %s",
                       reply_text(r, a));
    if (r->code == LDAP_REFERRAL)
        return FAIL_AS(e, REFUSED, word,
                       "this server is a copy that takes no changes: make the one it copies the target");
    return FAIL_AS(e, REFUSED, word, "%s", reply_text(r, a));
}

static struct berval as_berval(const struct secret *s)
{
    struct str opened = secret_open(s);
    return (struct berval){.bv_len = opened.n, .bv_val = (char *)opened.p};
}

/* From ldap_passwd on the server may have changed the password unless it says that it did not. */
static RESULT send_change(LDAP *ld, const char *dn, const struct secret *current, const struct secret *password,
                          struct arena *a, struct err *e)
{
    struct berval user = {.bv_len = strlen(dn), .bv_val = (char *)dn};
    struct berval old = current ? as_berval(current) : (struct berval){0}, new = as_berval(password);
    int operation = 0;
    LDAPMessage *message = NULL;
    struct reply reply = {0};
    if (watchdog_has_expired())
        return FAIL_AS(e, UNREACHABLE, "unreachable", "no time was left for the change");
    LDAPControl *policy = session_policy_request(ld);
    LDAPControl *controls[] = {policy, NULL};
    int rc = ldap_passwd(ld, &user, current ? &old : NULL, &new, controls, NULL, &operation);
    ldap_control_free(policy);
    if (rc == LDAP_ENCODING_ERROR || rc == LDAP_PARAM_ERROR || rc == LDAP_NO_MEMORY)
        return FAIL_AS(e, INTERNAL, "unsent", "the change cannot be said");
    if (rc != LDAP_SUCCESS)
        return FAIL_AS(e, UNCERTAIN, "unknown", "the connection broke while the password was sent");
    if (!is_ok(session_wait(ld, operation, &message, e)) || !is_ok(session_read_reply(ld, message, a, &reply, e))) {
        e->word = "unknown";
        e->code = UNCERTAIN;
        return (result){UNCERTAIN};
    }
    return reply.code == LDAP_SUCCESS ? SUCCESS : explain(&reply, current != NULL, a, e);
}

static RESULT change_by_functional(struct directory *d, const struct change_request *r, struct arena *a, struct err *e)
{
    const char *dn = NULL;
    AUTO_FOUND found = {0};
    TRY(directory_use_session(d, e));
    TRY(search_entry(d->session, r->account, r->dn, NULL, a, &dn, &found, e));
    result changed = send_change(d->session, dn, NULL, r->password, a, e);
    if (changed.code == UNCERTAIN)
        directory_forget_session(d);
    return changed;
}

result change_own_dn(struct directory *d, LDAP *own, struct str account, struct str dn, struct arena *a,
                     const char **ret, struct err *e)
{
    int own_socket = -1;
    if (dn.n > 0) {
        *ret = arena_cstr(a, dn);
        return SUCCESS;
    }
    if (!d->session)
        return search_account(own, account, a, ret, e);
    ldap_get_option(own, LDAP_OPT_DESC, &own_socket);
    TRY(directory_use_session(d, e));
    TRY(search_account(d->session, account, a, ret, e));
    watchdog_guard(own_socket);
    return SUCCESS;
}

static RESULT change_by_itself(struct directory *d, const struct change_request *r, struct arena *a,
                               struct answer *answer, struct err *e)
{
    LDAP *opened = NULL;
    const char *dn = NULL;
    enum login_word word = LOGIN_DENIED;
    TRY(session_open(d, a, answer, &opened, e));
    AUTOFREE(ldap) own = opened;
    TRY(change_own_dn(d, own, r->account, r->dn, a, &dn, e));
    TRY(session_bind(own, dn, r->current, a, &word, e));
    if (word != LOGIN_ACCEPTED && word != LOGIN_MUST_CHANGE)
        return FAIL_AS(e, REFUSED, "refused", "the account cannot sign in with its present password: %s",
                       login_word_text(word));
    return send_change(own, dn, r->current, r->password, a, e);
}

result change_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct directory *d = state;
    const struct change_request *r = request;
    bool is_self = str_equal(r->method, S("self"));
    if (!d->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (!str_equal(r->part, S("password")))
        return FAIL_AS(e, INVALID, "bad_request", "part: accounts of a directory have a password only");
    if (secret_length(r->password) == 0)
        return FAIL_AS(e, INVALID, "bad_request", "password: is required");
    if (is_self && secret_length(r->current) == 0)
        return FAIL_AS(e, INVALID, "bad_request", "current: is required");
    watchdog_start(d->target.address.timeout_s);
    return is_self ? change_by_itself(d, r, a, answer, e) : change_by_functional(d, r, a, e);
}
