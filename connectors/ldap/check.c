/* ldap/check.c: connect, compare the server's key, sign in, and find out what the functional account may do. */
#include <string.h>

#include "base/text.h"
#include "common/check.h"
#include "common/watchdog.h"
#include "ldap/change.h"
#include "ldap/verifier.h"

enum { DN_BYTES_MAX = 2048 };

const char *account_name_check(struct str s)
{
    enum { NAME_BYTES_MAX = 246 };
    if (s.n > NAME_BYTES_MAX)
        return "too long for the name of an account";
    if (text_has_control(s) || (s.n > 0 && !str_equal(text_trim(s), s)))
        return "not a name of an account";
    return NULL;
}

const char *account_dn_check(struct str s)
{
    struct berval text = {.bv_len = s.n, .bv_val = (char *)s.p};
    LDAPDN parsed = NULL;
    if (s.n == 0)
        return NULL;
    if (s.n > DN_BYTES_MAX || text_has_control(s) || ldap_bv2dn(&text, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return "not a distinguished name";
    ldap_dnfree(parsed);
    return NULL;
}

/* The same for every spelling of a name; absent when it is none. */
static struct str dn_key(struct str s, struct arena *a)
{
    struct berval text = {.bv_len = s.n, .bv_val = (char *)s.p}, plain = {0};
    LDAPDN parsed = NULL;
    struct str key = STR_ABSENT;
    if (s.n == 0 || ldap_bv2dn(&text, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return key;
    if (ldap_dn2bv(parsed, &plain, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS)
        key = text_key(a, (struct str){plain.bv_val, plain.bv_len});
    ldap_memfree(plain.bv_val);
    ldap_dnfree(parsed);
    return key;
}

/* The functional account is named by its DN, or by a uid; no uid that anyone uses has an equals sign. */
static bool is_dn(struct str s)
{
    return str_find_char(s, '=') >= 0;
}

static const char *functional_check(struct str s)
{
    return is_dn(s) ? account_dn_check(s) : account_name_check(s);
}

static const struct field functional_fields[] = {
    TEXT("account", struct check_functional, account, .required = true, .max = DN_POINTS_MAX, .keeps_blanks = true,
         .check = functional_check),
    SECRET("password", struct check_functional, password, .max = PASSWORD_BYTES_MAX),
    FIELD_END,
};
static const struct field address_fields[] = {TARGET_ROWS(LDAP_PORT), FIELD_END};
const struct field check_fields[] = {
    CHECK_TARGET_ROWS(struct check_request, address_fields),
    OBJECT("functional", struct check_request, functional, struct check_functional, functional_fields),
    TEXT("account", struct check_request, account, .max = NAME_POINTS_MAX, .keeps_blanks = true,
         .check = account_name_check),
    TEXT("dn", struct check_request, dn, .max = DN_POINTS_MAX, .keeps_blanks = true, .check = account_dn_check),
    FLAG("again", struct check_request, is_again),
    FIELD_END,
};

void directory_forget_session(struct directory *d)
{
    if (d->session)
        session_close(d->session);
    d->session = NULL;
}

result directory_use_session(struct directory *d, struct err *e)
{
    int fd = -1;
    if (!d->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "the check named no functional account");
    if (!d->session || ldap_get_option(d->session, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "there is no functional session");
    watchdog_guard(fd);
    return SUCCESS;
}

static bool is_same_functional(const struct directory *d, const struct check_functional *f)
{
    return f && d->has_functional && str_equal(f->account, d->functional_account) &&
           secret_equal(f->password, d->functional_password);
}

/* A check replaces what an earlier one has left, but for the session of one that is asked again. */
static RESULT remember(struct directory *d, const struct check_request *r, bool *ret_is_kept, struct err *e)
{
    bool is_same = false;
    if (r->functional && secret_length(r->functional->password) == 0)
        return FAIL_AS(e, INVALID, "bad_request", "functional: a password is required");
    TRY(target_keep(&d->target, r->target, &r->host_keys, &is_same, e));
    *ret_is_kept = r->is_again && is_same && d->session && r->account.n > 0 && is_same_functional(d, r->functional);
    if (*ret_is_kept)
        return SUCCESS;
    directory_forget_session(d);
    d->has_functional = r->functional != NULL;
    if (r->functional) {
        d->functional_account = arena_str(d->target.arena, r->functional->account);
        d->functional_password = secret_copy(d->target.arena, r->functional->password);
    }
    return SUCCESS;
}

static RESULT functional_dn(const struct directory *d, LDAP *ld, struct arena *a, const char **ret,
                            struct answer *answer, struct err *e)
{
    if (is_dn(d->functional_account)) {
        *ret = arena_cstr(a, d->functional_account);
        return SUCCESS;
    }
    result found = search_account(ld, d->functional_account, a, ret, e);
    if (is_ok(found) || strcmp(e->word, "unreachable") == 0)
        return found;
    err_set(e, UNREACHABLE, NULL, "the functional account cannot be found by its uid without signing in: give its DN");
    return check_denied(answer, "refused", e);
}

static RESULT sign_in(struct directory *d, struct arena *a, struct answer *answer, struct err *e)
{
    LDAP *opened = NULL;
    const char *dn = NULL;
    enum login_word word = LOGIN_DENIED;
    TRY(session_open(d, a, answer, &opened, e));
    AUTOFREE(ldap) ld = opened;
    if (!d->has_functional)
        return SUCCESS;
    TRY(functional_dn(d, ld, a, &dn, answer, e));
    result bound = session_bind(ld, dn, d->functional_password, a, &word, e);
    if (!is_ok(bound))
        return bound.code == REFUSED ? check_denied(answer, "refused", e) : bound;
    if (word != LOGIN_ACCEPTED)
        return check_denied_by_word(answer, login_word_text(word), e);
    d->session = TAKE(ld);
    d->session_dn = arena_str(d->target.arena, str_of(dn));
    d->target.session_key = (struct host_key){arena_str(d->target.arena, answer->host_key.type),
                                              arena_str(d->target.arena, answer->host_key.sha256)};
    return SUCCESS;
}

enum { TEXT_MAX = 200 };

/* What a reader should know first comes first; only the first TEXT_MAX characters are kept. */
static struct str describe(LDAP *ld, LDAPMessage *entry, const struct verifiers *v, const char *why_not,
                           struct arena *a)
{
    struct str changed = search_value(ld, entry, "pwdChangedTime", a), end = search_value(ld, entry, "pwdEndTime", a);
    AUTOBUF text;
    buf_init(&text, 4096);
    if (str_is_set(v->locked_since))
        buf_printf(&text, "; locked since %.*s: a change unlocks it", STR_ARG(v->locked_since));
    if (str_is_set(end))
        buf_printf(&text, "; the account ends at %.*s", STR_ARG(end));
    if (str_equal_fold(search_value(ld, entry, "pwdReset", a), S("TRUE")))
        buf_add(&text, S("; it must change its password at the next login"));
    if (why_not)
        buf_printf(&text, "; %s", why_not);
    else if (v->n == 0)
        buf_add(&text, S("; the functional account may not read userPassword"));
    else if (!verifiers_are_known(v))
        buf_add(&text, S("; userPassword has a scheme that is unknown here"));
    if (str_is_set(changed))
        buf_printf(&text, "; last changed %.*s", STR_ARG(changed));
    return text.n > 2 ? arena_str(a, str_sub(buf_str(&text), 2, text.n)) : S("");
}

/* By the server's name of the entry, or by the one that both were given. */
static bool is_functional(const struct directory *d, LDAPMessage *entry, struct str given, struct arena *a)
{
    char *dn = ldap_get_dn(d->session, entry);
    struct str ours = dn_key(d->session_dn, a);
    bool is_same = str_equal(ours, dn_key(str_of(dn ? dn : ""), a)) || str_equal(ours, dn_key(given, a));
    ldap_memfree(dn);
    return str_is_set(ours) && is_same;
}

static RESULT look_at_account(struct directory *d, const struct check_request *r, struct arena *a,
                              struct findings *found, struct err *e)
{
    const char *dn = NULL, *why_not = NULL;
    struct verifiers verifiers = {0};
    AUTO_FOUND entry = {0};
    TRY(search_entry(d->session, r->account, r->dn, verifier_attributes, a, &dn, &entry, e));
    verifiers_read(d->session, entry.entry, a, &verifiers);
    TRY(change_is_allowed(d->session, dn, a, &why_not, e));
    struct str text = describe(d->session, entry.entry, &verifiers, why_not, a);
    *found = (struct findings){.can_change = !why_not,
                               .can_compare = verifiers_are_known(&verifiers),
                               .is_functional = {true, is_functional(d, entry.entry, r->dn, a)},
                               .scheme = text_printable(a, verifiers_scheme(&verifiers), TEXT_MAX),
                               .text = text_printable(a, text, TEXT_MAX)};
    return SUCCESS;
}

static RESULT look_again(void *state, const void *request, struct arena *a, struct findings *found, struct err *e)
{
    struct directory *d = state;
    TRY(directory_use_session(d, e));
    return look_at_account(d, request, a, found, e);
}

static RESULT look_first(void *state, const void *request, struct arena *a, struct answer *answer,
                         struct findings *found, struct err *e)
{
    struct directory *d = state;
    const struct check_request *r = request;
    TRY(sign_in(d, a, answer, e));
    return d->session && r->account.n > 0 ? look_at_account(d, r, a, found, e) : SUCCESS;
}

static void forget(void *state)
{
    directory_forget_session(state);
}

result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    static const struct check_way way = {look_again, look_first, forget};
    struct directory *d = state;
    struct findings found = {0};
    bool is_kept = false;
    TRY(remember(d, request, &is_kept, e));
    TRY(check_look(&way, &d->target, is_kept, d, request, a, answer, &found, e));
    findings_write(&found, answer->writer);
    return SUCCESS;
}
