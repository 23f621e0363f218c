/* activedirectory/check.c: connect, compare the key, sign in, and find out what the functional account may do. */
#include "common/check.h"
#include "activedirectory/account.h"
#include "activedirectory/domain.h"

static const struct field functional_fields[] = {
    TEXT("account", struct check_functional, account, .required = true, .max = DN_MAX_POINTS, .keeps_blanks = true,
         .check = plain_text_check),
    SECRET("password", struct check_functional, password, .max = PASSWORD_MAX),
    FIELD_END,
};
static const struct field address_fields[] = {
    TARGET_ROWS(636),
    TEXT("domain", struct target_address, domain, .max = 255, .or_text = ""),
    FIELD_END,
};
const struct field check_fields[] = {
    CHECK_TARGET_ROWS(struct check_request, address_fields),
    OBJECT("functional", struct check_request, functional, struct check_functional, functional_fields),
    TEXT("account", struct check_request, account, .max = NAME_MAX_POINTS, .or_text = "", .keeps_blanks = true,
         .check = account_name_check),
    TEXT("dn", struct check_request, dn, .max = DN_MAX_POINTS, .or_text = "", .keeps_blanks = true,
         .check = plain_text_check),
    FLAG("again", struct check_request, is_again),
    FIELD_END,
};

static bool is_same_functional(const struct domain *d, const struct check_functional *f)
{
    return f && d->has_functional && str_equal(f->account, d->functional.account) &&
           secret_equal(f->password, d->functional.password);
}

static void remember_functional(struct domain *d, const struct check_functional *f)
{
    d->has_functional = f != NULL;
    if (f)
        d->functional = (struct check_functional){arena_str(d->target.arena, f->account),
                                                  secret_copy(d->target.arena, f->password)};
}

/* A check replaces what an earlier one has left, but for the session of one that is asked again. */
static RESULT remember(struct domain *d, const struct check_request *r, bool *ret_is_kept, struct err *e)
{
    bool is_same = false;
    if (r->functional)
        TRY(password_check(r->functional->password, "functional.password", e));
    TRY(target_keep(&d->target, r->target, &r->host_keys, &is_same, e));
    *ret_is_kept = r->is_again && is_same && directory_is_open(&d->session) && r->account.n > 0 &&
                   is_same_functional(d, r->functional);
    if (*ret_is_kept)
        return SUCCESS;
    directory_close(&d->session);
    remember_functional(d, r->functional);
    return SUCCESS;
}

/* A distinguished name, DOMAIN\name and name@domain are taken as they are. */
static struct str functional_name(const struct directory *directory, struct str account, struct arena *a)
{
    bool is_whole =
        str_find_char(account, '@') >= 0 || str_find_char(account, '\\') >= 0 || str_find_char(account, '=') >= 0;
    return is_whole ? account : account_bind_name(directory, account, a);
}

static RESULT sign_in(struct domain *d, struct directory *directory, struct arena *a, struct answer *answer,
                      struct err *e)
{
    enum login_word word = LOGIN_DENIED;
    struct str name = functional_name(directory, d->functional.account, a);
    result done = directory_bind(directory, name, d->functional.password, a, &word, e);
    if (done.code == REFUSED)
        return check_denied(answer, "refused", e);
    TRY(done);
    if (word != LOGIN_ACCEPTED)
        return check_denied_by_word(answer, login_word_text(word), e);
    return SUCCESS;
}

static struct str describe(const struct account *account, bool can_change, struct arena *a)
{
    const char *state = "";
    if (account->is_disabled)
        state = "the account is disabled; ";
    else if (account->is_expired)
        state = "the account has expired; ";
    else if (account->is_locked)
        state = "the account is locked, and a change unlocks it; ";
    const char *right = can_change ? "" : "the functional account may not reset the password; ";
    if (account->must_change)
        return arena_printf(a, "%s%sthe password must be changed at the next sign-in", right, state);
    if (account->changed_at == 0)
        return arena_printf(a, "%s%swhen the password was last changed cannot be read", right, state);
    struct str when = time_format(a, account->changed_at, TIME_Z_SECOND);
    return arena_printf(a, "%s%sthe password was last changed %.*s", right, state, STR_ARG(when));
}

static RESULT look_at_account(struct domain *d, const struct check_request *r, struct arena *a, struct findings *found,
                              struct err *e)
{
    struct account account = {0};
    TRY(account_find(&d->session, r->account, r->dn, a, &account, e));
    TRY(account_may_set_password(&d->session, account.dn, a, &found->can_change, e));
    if (account.sid.n && d->session.sids.n)
        found->is_functional = (struct opt_bool){true, str_find(d->session.sids, account.sid) >= 0};
    found->text = describe(&account, found->can_change, a);
    return SUCCESS;
}

static RESULT look_again(void *state, const void *request, struct arena *a, struct findings *found, struct err *e)
{
    return look_at_account(state, request, a, found, e);
}

static RESULT look_first(void *state, const void *request, struct arena *a, struct answer *answer,
                         struct findings *found, struct err *e)
{
    struct domain *d = state;
    const struct check_request *r = request;
    AUTO_DIRECTORY directory = {0};
    TRY(directory_open(&d->target, d->target.arena, &directory, answer, e));
    if (!d->has_functional)
        return SUCCESS;
    TRY(sign_in(d, &directory, a, answer, e));
    TRY(directory_read_sids(&directory, d->target.arena, e));
    d->session = directory;
    d->target.session_key = answer->host_key;
    directory = (struct directory){0};
    return r->account.n > 0 ? look_at_account(d, r, a, found, e) : SUCCESS;
}

static void forget(void *state)
{
    struct domain *d = state;
    directory_close(&d->session);
}

result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    static const struct check_way way = {look_again, look_first, forget};
    struct domain *d = state;
    struct findings found = {0};
    bool is_kept = false;
    TRY(remember(d, request, &is_kept, e));
    TRY(check_look(&way, &d->target, is_kept, d, request, a, answer, &found, e));
    findings_write(&found, answer->writer);
    return SUCCESS;
}
