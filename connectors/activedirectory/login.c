/* activedirectory/login.c: is this the account's present password? By Kerberos; else as far as the directory tells. */
#include "activedirectory/account.h"
#include "activedirectory/domain.h"
#include "activedirectory/kerberos.h"
#include "base/text.h"
#include "common/watchdog.h"

/* The password before the present one is let in for so long (OldPasswordAllowedPeriod, 60 minutes unless set). */
#define FORMER_IS_ACCEPTED (2 * HOURS)

const struct field login_fields[] = {
    TEXT("account", struct login_request, account, .required = true, .max = NAME_MAX_POINTS, .keeps_blanks = true,
         .check = account_name_check),
    TEXT("dn", struct login_request, dn, .max = DN_MAX_POINTS, .or_text = "", .keeps_blanks = true,
         .check = plain_text_check),
    SECRET("password", struct login_request, password, .max = PASSWORD_MAX),
    SECRET("private_key", struct login_request, private_key, .max = 16384),
    FIELD_END,
};

/* Kerberos has one word for locked, disabled and expired; the functional session tells them apart where there is one.
 */
static enum login_word word_of_revoked(struct domain *d, const struct login_request *r, struct arena *a)
{
    struct account account = {0};
    struct err ignored;
    bool is_known =
        directory_is_open(&d->session) && is_ok(account_find(&d->session, r->account, r->dn, a, &account, &ignored));
    return is_known && account.is_expired && !account.is_disabled ? LOGIN_EXPIRED : LOGIN_LOCKED;
}

/* Is it certain that the password which was just let in is not the one before the present one? */
static bool is_present(struct domain *d, struct directory *own, const struct account *account,
                       const struct secret *password, struct arena *a)
{
    const struct last_change *last = &d->last;
    if (account->changed_at && account->changed_at + FORMER_IS_ACCEPTED <= directory_now(own))
        return true;
    return last->key_version && last->key_version == account->key_version &&
           str_equal(text_key(a, last->account), text_key(a, account->name)) && secret_equal(last->password, password);
}

/* A simple bind, and then the account's own look at when its password was changed. */
static RESULT login_by_directory(struct domain *d, struct directory *own, const struct login_request *r,
                                 struct arena *a, enum login_word *ret, struct err *e)
{
    struct str name = r->dn.n > 0 ? r->dn : account_bind_name(own, r->account, a);
    TRY(directory_bind(own, name, r->password, a, ret, e));
    struct account account = {0};
    struct err ignored;
    bool is_right = *ret == LOGIN_ACCEPTED || *ret == LOGIN_MUST_CHANGE;
    if (!is_right)
        return SUCCESS;
    bool is_read = *ret == LOGIN_ACCEPTED && is_ok(account_find(own, r->account, r->dn, a, &account, &ignored));
    if (is_read && is_present(d, own, &account, r->password, a))
        return SUCCESS;
    return FAIL_AS(
        e, REFUSED, "refused",
        "port 88 (Kerberos) is closed, and the directory lets the former password in for an hour: this proves "
        "nothing");
}

static RESULT login(struct domain *d, struct directory *own, const struct login_request *r, struct arena *a,
                    enum login_word *ret, struct err *e)
{
    enum kerberos_word word = KERBEROS_DENIED;
    TRY(kerberos_login(&d->target.address, own->domain, r->account, r->password, a, &word, e));
    switch (word) {
    case KERBEROS_ACCEPTED:
        *ret = LOGIN_ACCEPTED;
        return SUCCESS;
    case KERBEROS_MUST_CHANGE:
        *ret = LOGIN_MUST_CHANGE;
        return SUCCESS;
    case KERBEROS_EXPIRED:
        *ret = LOGIN_EXPIRED;
        return SUCCESS;
    case KERBEROS_REVOKED:
        *ret = word_of_revoked(d, r, a);
        return SUCCESS;
    case KERBEROS_CLOSED:
        return login_by_directory(d, own, r, a, ret, e);
    case KERBEROS_DENIED:
        break;
    }
    *ret = LOGIN_DENIED;
    return SUCCESS;
}

result login_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct domain *d = state;
    const struct login_request *r = request;
    if (!d->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (r->private_key)
        return FAIL_AS(e, INVALID, "bad_request", "private_key: an account of a domain has a password, and no keys");
    TRY(password_check(r->password, "password", e));
    watchdog_start(d->target.address.timeout_s);
    AUTO_DIRECTORY own = {0};
    enum login_word word = LOGIN_DENIED;
    TRY(directory_open(&d->target, a, &own, answer, e));
    TRY(login(d, &own, r, a, &word, e));
    json_key(answer->writer, S("result"));
    json_write_str(answer->writer, str_of(login_word_text(word)));
    return SUCCESS;
}
