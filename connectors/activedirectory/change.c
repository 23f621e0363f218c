/* activedirectory/change.c: setting a password, as the functional account or as the account itself. */
#include "activedirectory/account.h"
#include "activedirectory/domain.h"
#include "activedirectory/kerberos.h"
#include "common/watchdog.h"

static const char *const methods[] = {"functional", "self", NULL};
const struct field change_fields[] = {
    TEXT("account", struct change_request, account, .required = true, .max = NAME_MAX_POINTS, .keeps_blanks = true,
         .check = account_name_check),
    TEXT("dn", struct change_request, dn, .max = DN_MAX_POINTS, .or_text = "", .keeps_blanks = true,
         .check = plain_text_check),
    TEXT("part", struct change_request, part, .required = true, .max = 32),
    TEXT("method", struct change_request, method, .words = methods, .or_text = "functional"),
    SECRET("password", struct change_request, password, .max = PASSWORD_MAX),
    SECRET("current", struct change_request, current, .max = PASSWORD_MAX),
    FIELD_END,
};

/* What login needs where Kerberos cannot be reached: that exactly one change, this one, came after the reading. */
static void remember(struct domain *d, const struct account *before, const struct secret *password)
{
    struct last_change *last = &d->last;
    struct arena *arena = last->arena;
    arena_reset(arena);
    *last = (struct last_change){.arena = arena};
    if (before->key_version <= 0)
        return;
    last->account = arena_str(arena, before->name);
    last->key_version = before->key_version + 1;
    last->password = secret_copy(arena, password);
}

static RESULT change_by_functional(struct domain *d, const struct change_request *r, struct arena *a, struct err *e)
{
    struct account account = {0};
    TRY(account_find(&d->session, r->account, r->dn, a, &account, e));
    TRY(account_set_password(&d->session, account.dn, NULL, r->password, a, e));
    remember(d, &account, r->password);
    struct err ignored;
    if (account.is_locked) /* where this fails the change stands, and login says that the account is locked */
        (void)!is_ok(account_unlock(&d->session, account.dn, a, &ignored));
    return SUCCESS;
}

static RESULT exchange_password(struct domain *d, struct directory *own, const struct change_request *r,
                                struct arena *a, struct err *e)
{
    enum login_word word = LOGIN_DENIED;
    struct account account = {0};
    TRY(directory_bind(own, r->dn.n > 0 ? r->dn : account_bind_name(own, r->account, a), r->current, a, &word, e));
    if (word == LOGIN_MUST_CHANGE)
        return FAIL_AS(e, REFUSED, "refused",
                       "the account must change its password first, which only a functional account can do here");
    if (word == LOGIN_DENIED)
        return FAIL_AS(e, REFUSED, account_other_password, "the account's present password is another one");
    if (word != LOGIN_ACCEPTED)
        return FAIL_AS(e, REFUSED, "refused", "the account cannot sign in with its present password: %s",
                       login_word_text(word));
    TRY(account_find(own, r->account, r->dn, a, &account, e));
    TRY(account_set_password(own, account.dn, r->current, r->password, a, e));
    remember(d, &account, r->password);
    return SUCCESS;
}

/* A change that is sent again finds that `current` is the former password, and that the new one is the present one. */
static RESULT change_by_itself(struct domain *d, const struct change_request *r, struct arena *a, struct answer *answer,
                               struct err *e)
{
    AUTO_DIRECTORY own = {0};
    enum kerberos_word word = KERBEROS_DENIED;
    struct err ignored;
    TRY(directory_open(&d->target, a, &own, answer, e));
    result done = exchange_password(d, &own, r, a, e);
    if (is_ok(done) || e->word != account_other_password)
        return done;
    if (is_ok(kerberos_login(&d->target.address, own.domain, r->account, r->password, a, &word, &ignored)) &&
        word == KERBEROS_ACCEPTED)
        return SUCCESS;
    return done;
}

result change_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct domain *d = state;
    const struct change_request *r = request;
    bool is_self = str_equal(r->method, S("self"));
    if (!d->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (!str_equal(r->part, S("password")))
        return FAIL_AS(e, INVALID, "bad_request", "part: an account of a domain has a password, and no keys");
    TRY(password_check(r->password, "password", e));
    if (is_self)
        TRY(password_check(r->current, "current", e));
    if (!is_self && !d->has_functional)
        return FAIL_AS(e, INVALID, "bad_request", "the check named no functional account");
    if (!is_self && !directory_is_open(&d->session))
        return FAIL_AS(e, UNREACHABLE, "unreachable", "the check opened no functional session");
    watchdog_start(d->target.address.timeout_s);
    return is_self ? change_by_itself(d, r, a, answer, e) : change_by_functional(d, r, a, e);
}
