/* ldap/session.c: replies, each within the deadline; a simple bind and what the password policy says of it. */
#include "ldap/session.h"

#include <sys/socket.h>

#include "base/secret_open.h"
#include "common/guess.h"
#include "common/watchdog.h"

void session_close(LDAP *ld)
{
    ldap_unbind_ext(ld, NULL, NULL);
    watchdog_guard(-1);
}

result session_wait(LDAP *ld, int operation, LDAPMessage **ret, struct err *e)
{
    int left_ms = watchdog_left_ms();
    struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    LDAPMessage *message = NULL;
    int kind = ldap_result(ld, operation, LDAP_MSG_ONE, &left, &message);
    if (kind > 0) {
        *ret = message;
        return SUCCESS;
    }
    if (kind == 0 || watchdog_has_expired())
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server did not answer in time");
    return FAIL_AS(e, UNREACHABLE, "unreachable", "the connection broke, or the answer made no sense");
}

LDAPControl *session_policy_request(LDAP *ld)
{
    LDAPControl *made = NULL;
    if (ldap_create_passwordpolicy_control(ld, &made) != LDAP_SUCCESS)
        return NULL;
    return made;
}

static void read_policy(LDAP *ld, LDAPControl **controls, struct reply *reply)
{
    LDAPControl *control = ldap_control_find(LDAP_CONTROL_PASSWORDPOLICYRESPONSE, controls, NULL);
    ber_int_t expires_s = -1, grace = -1;
    LDAPPasswordPolicyError policy = PP_noError;
    if (!control || ldap_parse_passwordpolicy_control(ld, control, &expires_s, &grace, &policy) != LDAP_SUCCESS)
        return;
    reply->has_policy = policy != PP_noError;
    reply->policy = policy;
    reply->grace = grace;
}

result session_read_reply(LDAP *ld, LDAPMessage *message, struct arena *a, struct reply *ret, struct err *e)
{
    char *text = NULL;
    LDAPControl **controls = NULL;
    struct reply reply = {.grace = -1, .policy = PP_noError, .text = S("")};
    int rc = ldap_parse_result(ld, message, &reply.code, NULL, &text, NULL, &controls, 1);
    if (rc == LDAP_SUCCESS && text)
        reply.text = arena_str(a, str_of(text));
    if (rc == LDAP_SUCCESS && controls)
        read_policy(ld, controls, &reply);
    ldap_memfree(text);
    ldap_controls_free(controls);
    if (rc != LDAP_SUCCESS)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server's answer made no sense");
    *ret = reply;
    return SUCCESS;
}

const char *reply_text(const struct reply *r, struct arena *a)
{
    if (r->text.n > 0)
        return arena_cstr(a, r->text);
    return r->has_policy ? ldap_passwordpolicy_err2txt(r->policy) : ldap_err2string(r->code);
}

bool reply_is_failure(const struct reply *r)
{
    switch (r->code) {
    case LDAP_OPERATIONS_ERROR:
    case LDAP_TIMELIMIT_EXCEEDED:
    case LDAP_ADMINLIMIT_EXCEEDED:
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE:
    case LDAP_OTHER:
        return true;
    default:
        return r->code < 0;
    }
}

const char *login_word_text(enum login_word word)
{
    static const char *const words[] = {[LOGIN_ACCEPTED] = "accepted",
                                        [LOGIN_MUST_CHANGE] = "must_change",
                                        [LOGIN_DENIED] = "denied",
                                        [LOGIN_LOCKED] = "locked",
                                        [LOGIN_EXPIRED] = "expired"};
    return words[word];
}

/* A password that has run out and is not let in any more is no proof of itself, so its word is not must_change. */
static RESULT word_of_bind(const struct reply *r, struct arena *a, enum login_word *ret, struct err *e)
{
    bool has_run_out = r->has_policy && r->policy == PP_passwordExpired;
    if (r->code == LDAP_SUCCESS) {
        bool is_forced = has_run_out || r->grace >= 0 || (r->has_policy && r->policy == PP_changeAfterReset);
        *ret = is_forced ? LOGIN_MUST_CHANGE : LOGIN_ACCEPTED;
        return SUCCESS;
    }
    if (reply_is_failure(r))
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the server cannot say: %s", reply_text(r, a));
    if (r->has_policy && r->policy == PP_accountLocked)
        *ret = LOGIN_LOCKED;
    else if (has_run_out)
        *ret = LOGIN_EXPIRED;
    else if (r->code == LDAP_INVALID_CREDENTIALS)
        *ret = LOGIN_DENIED;
    else
        return FAIL_AS(e, REFUSED, "refused", "the server takes no such sign-in: %s", reply_text(r, a));
    return SUCCESS;
}

result session_bind(LDAP *ld, const char *dn, const struct secret *password, struct arena *a, enum login_word *ret,
                    struct err *e)
{
    if (!dn[0] || secret_length(password) == 0)
        return FAIL_AS(e, INVALID, "bad_request", "a sign-in without a name or a password proves nothing");
    struct str opened = secret_open(password);
    struct berval credential = {.bv_len = opened.n, .bv_val = (char *)opened.p};
    LDAPControl *policy = session_policy_request(ld);
    LDAPControl *controls[] = {policy, NULL};
    int operation = 0;
    guess_sent();
    int rc = ldap_sasl_bind(ld, dn, LDAP_SASL_SIMPLE, &credential, controls, NULL, &operation);
    ldap_control_free(policy);
    if (rc != LDAP_SUCCESS)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the connection broke while signing in");
    LDAPMessage *message = NULL;
    struct reply reply = {0};
    TRY(session_wait(ld, operation, &message, e));
    TRY(session_read_reply(ld, message, a, &reply, e));
    if (!reply_is_failure(&reply))
        guess_answered();
    return word_of_bind(&reply, a, ret, e);
}
