/* ldap/main.c: keyturn-connector-ldap: accounts of an LDAP directory. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/log.h"
#include "common/sandbox.h"
#include "common/watchdog.h"
#include "ldap/change.h"
#include "ldap/verifier.h"

struct secret_request {
    struct str account, dn;
    struct secret *password;
};
static const struct field secret_fields[] = {
    TEXT("account", struct secret_request, account, .required = true, .max = NAME_POINTS_MAX, .keeps_blanks = true,
         .check = account_name_check),
    TEXT("dn", struct secret_request, dn, .max = DN_POINTS_MAX, .keeps_blanks = true, .check = account_dn_check),
    SECRET("password", struct secret_request, password, .max = PASSWORD_BYTES_MAX),
    FIELD_END,
};

static RESULT begin(const struct directory *d, const struct secret_request *r, struct err *e)
{
    if (!d->target.is_set)
        return FAIL_AS(e, INVALID, "bad_request", "a check comes first");
    if (secret_length(r->password) == 0)
        return FAIL_AS(e, INVALID, "bad_request", "password: is required");
    watchdog_start(d->target.address.timeout_s);
    return SUCCESS;
}

static result login_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct directory *d = state;
    const struct secret_request *r = request;
    enum login_word word = LOGIN_DENIED;
    LDAP *opened = NULL;
    const char *dn = NULL;
    TRY(begin(d, r, e));
    TRY(session_open(d, a, answer, &opened, e));
    AUTOFREE(ldap) own = opened;
    TRY(change_own_dn(d, own, r->account, r->dn, a, &dn, e));
    TRY(session_bind(own, dn, r->password, a, &word, e));
    json_key(answer->writer, S("result"));
    json_write_str(answer->writer, str_of(login_word_text(word)));
    return SUCCESS;
}

static result compare_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e)
{
    struct directory *d = state;
    const struct secret_request *r = request;
    struct verifiers verifiers = {0};
    const char *dn = NULL;
    bool is_match = false;
    AUTO_FOUND found = {0};
    TRY(begin(d, r, e));
    TRY(directory_use_session(d, e));
    TRY(search_entry(d->session, r->account, r->dn, verifier_attributes, a, &dn, &found, e));
    verifiers_read(d->session, found.entry, a, &verifiers);
    TRY(verifiers_match(&verifiers, r->password, a, &is_match, e));
    json_key(answer->writer, S("match"));
    json_write_bool(answer->writer, is_match);
    json_key(answer->writer, S("scheme"));
    json_write_str(answer->writer, verifiers_scheme(&verifiers));
    json_key(answer->writer, S("locked"));
    json_write_bool(answer->writer, str_is_set(verifiers.locked_since));
    return SUCCESS;
}

static const struct operation operations[] = {
    {"check", check_fields, sizeof(struct check_request), check_run},
    {"change", change_fields, sizeof(struct change_request), change_run},
    {"login", secret_fields, sizeof(struct secret_request), login_run},
    {"compare", secret_fields, sizeof(struct secret_request), compare_run},
    {.name = NULL},
};

/* OpenSSL works from here on without its settings' file. libldap starts behind the sandbox, where it finds neither
 * files nor plug-ins; it would also read LDAP... of the environment. */
static void start_libraries(void)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
        EVP_Digest("", 0, hash, NULL, EVP_sha256(), NULL) != 1)
        die("OpenSSL does not work");
    setenv("LDAPNOINIT", "1", 1);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "keyturn-ldap"); /* one that was started by descriptor has a number for a name */
    start_libraries();
    sandbox_enter();
    struct directory d = {.target.arena = arena_new()};
    int status = serve("ldap", operations, &d);
    directory_forget_session(&d);
    arena_free(d.target.arena);
    fflush(NULL);
    _exit(status); /* a leak checker at exit would need what the sandbox has taken away */
}
