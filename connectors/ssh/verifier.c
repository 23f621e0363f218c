/* ssh/verifier.c: crypt(3) on our side, so that the clear text of a password never travels. */
#include "ssh/verifier.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret_open.h"

static const struct scheme {
    const char *prefix, *name_in_login_defs;
} schemes[] = {
    {"$y$", "YESCRYPT"}, {"$6$", "SHA512"}, {"$5$", "SHA256"}, {"$2b$", "BCRYPT"}, {"$gy$", NULL}, {"$7$", NULL},
};
enum { SCHEMES = sizeof(schemes) / sizeof(schemes[0]) };

bool verifier_is_locked(struct str field)
{
    return str_starts(field, S("!")) || str_starts(field, S("*"));
}

static struct str without_lock(struct str field)
{
    return str_starts(field, S("!")) ? str_sub(field, 1, field.n) : field;
}

struct str verifier_prefix(struct str field)
{
    for (size_t i = 0; i < SCHEMES; i++)
        if (str_starts(without_lock(field), str_of(schemes[i].prefix)))
            return str_of(schemes[i].prefix);
    return STR_ABSENT;
}

/* "NAME:HASH:..." on a line of its own; anything else that the host says is passed over. */
static struct str field_of(struct str text, struct str account)
{
    while (str_is_set(text)) {
        struct str line = str_cut(&text, '\n');
        if (str_equal(str_cut(&line, ':'), account) && str_is_set(line))
            return str_cut(&line, ':');
    }
    return STR_ABSENT;
}

/* Without rights on the shadow file its reader says "not found" as well; the public file tells the two apart. */
static RESULT explain_absence(struct host *h, struct str account, struct arena *a, struct err *e)
{
    AUTO_COMMAND_OUTPUT output = {0};
    const char *command = arena_printf(a, "env LC_ALL=C getent passwd '%.*s'", STR_ARG(account)).p;
    if (!is_ok(command_run(h->session, command, STR_ABSENT, &output, e)))
        return as_unreachable(e);
    if (output.status == 2)
        return FAIL_AS(e, REFUSED, "no_account", "the host does not know the account");
    return FAIL_AS(e, UNREACHABLE, "unreadable", "the functional account may not read the password's hash");
}

RESULT verifier_read(struct host *h, struct str account, struct arena *a, struct str *ret_field, struct err *e)
{
    AUTO_COMMAND_OUTPUT output = {0};
    const char *command = arena_printf(a, "/usr/bin/getent shadow '%.*s'", STR_ARG(account)).p;
    result ran = elevate(h, &h->read_elevation, NULL, command, STR_ABSENT, a, &output, e);
    if (!is_ok(ran) && strcmp(e->word, "elevation_denied") != 0)
        return as_unreachable(e);
    struct str field = is_ok(ran) && output.status == 0 ? field_of(buf_str(&output.text), account) : STR_ABSENT;
    if (!str_is_set(field))
        return explain_absence(h, account, a, e);
    *ret_field = arena_str(a, field);
    return SUCCESS;
}

static struct str scheme_of_login_defs(struct str text)
{
    while (str_is_set(text)) {
        struct str value = str_trim(str_cut(&text, '\n'));
        if (!str_starts(value, S("ENCRYPT_METHOD")))
            continue;
        value = str_trim(str_sub(value, S("ENCRYPT_METHOD").n, value.n));
        for (size_t i = 0; i < SCHEMES; i++)
            if (str_equal(value, str_of(schemes[i].name_in_login_defs)))
                return str_of(schemes[i].prefix);
    }
    return S("$6$");
}

struct str verifier_scheme(struct host *h, struct str field)
{
    struct str present = verifier_prefix(field);
    if (str_is_set(present))
        return present;
    AUTO_COMMAND_OUTPUT output = {0};
    const char *command = "env LC_ALL=C grep ENCRYPT_METHOD /etc/login.defs";
    if (str_is_set(h->default_scheme))
        return h->default_scheme;
    if (!is_ok(command_run(h->session, command, STR_ABSENT, &output, NULL)))
        return S("$6$");
    h->default_scheme = output.status == 0 ? scheme_of_login_defs(buf_str(&output.text)) : S("$6$");
    return h->default_scheme;
}

/* Hash with a setting (a salt with its scheme, or a whole hash); absent when libcrypt cannot. */
static struct str hash(const struct secret *password, const char *setting, struct arena *a)
{
    struct crypt_data *data = arena_new_of(a, struct crypt_data);
    const char *made = crypt_r(arena_cstr(a, secret_open(password)), setting, data);
    struct str ret = made && made[0] != '*' ? arena_str(a, str_of(made)) : STR_ABSENT;
    wipe(data, sizeof(*data));
    return ret;
}

RESULT verifier_matches(struct str field, const struct secret *password, struct arena *a, bool *ret, struct err *e)
{
    struct str present = without_lock(field);
    *ret = false;
    if (present.n < 2 || secret_length(password) > PASSWORD_BYTES_MAX)
        return SUCCESS;
    struct str made = hash(password, arena_cstr(a, present), a);
    if (!str_is_set(made))
        return FAIL_AS(e, UNREACHABLE, "unreadable", "the host's hash has a scheme that is unknown here");
    *ret = made.n == present.n && equal_constant_time(made.p, present.p, made.n);
    return SUCCESS;
}

RESULT verifier_make(struct str scheme, const struct secret *password, struct arena *a, struct str *ret, struct err *e)
{
    char *salt = crypt_gensalt_ra(arena_cstr(a, scheme), 0, NULL, 0);
    struct str made = salt ? hash(password, salt, a) : STR_ABSENT;
    free(salt);
    if (!str_is_set(made))
        return FAIL_AS(e, INTERNAL, "unsent", "the hash could not be made");
    *ret = made;
    return SUCCESS;
}
