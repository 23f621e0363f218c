/* main/options.c: the command line. One row per option. */
#include "main/options.h"

struct option_row {
    const char *name;
    size_t offset;
    bool is_flag;
    size_t count_offset; /* of a list, else 0 */
};
#define ONE(n, m)                                                                                                      \
    {                                                                                                                  \
        n, offsetof(struct options, m), false, 0                                                                       \
    }
#define MANY(n, m, c)                                                                                                  \
    {                                                                                                                  \
        n, offsetof(struct options, m), false, offsetof(struct options, c)                                             \
    }
static const struct option_row rows[] = {
    ONE("--data", data),
    ONE("--admin-user", admin_user),
    ONE("--admin-password-file", admin_password_file),
    ONE("--api-key-file", api_key_file),
    ONE("--key-file", key_file),
    ONE("--head", head),
    ONE("--tls-cert", tls_certificate),
    ONE("--tls-key", tls_key),
    ONE("--user", user),
    ONE("--store", store),
    ONE("--store-password-file", store_password_file),
    ONE("--server", server),
    ONE("--from", from),
    ONE("--to", to),
    ONE("--lanes", lanes),
    ONE("--quiet", quiet),
    ONE("--account", account),
    ONE("--version", version),
    MANY("--listen", listen, listen_count),
    MANY("--api-allow", api_allow, api_allow_count),
    {"--allow-plain-http", offsetof(struct options, allow_plain_http), true, 0},
};

static const struct option_row *find_row(struct str name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (str_equal(str_of(rows[i].name), name))
            return &rows[i];
    return NULL;
}

static result set_value(const struct option_row *row, const char *value, struct options *ret, struct err *e)
{
    const char **at = (const char **)(void *)((char *)ret + row->offset);
    if (!row->count_offset) {
        *at = value;
        return SUCCESS;
    }
    size_t *count = (size_t *)(void *)((char *)ret + row->count_offset);
    if (*count == LISTENS_MAX)
        return FAIL(e, INVALID, "%s: at most %d times", row->name, LISTENS_MAX);
    at[(*count)++] = value;
    return SUCCESS;
}

result options_parse(int argc, char *const *argv, struct options *ret, struct err *e)
{
    *ret = (struct options){0};
    for (int i = 0; i < argc; i++) {
        struct str word = str_of(argv[i]), name = word;
        if (!str_starts(word, S("--"))) {
            if (ret->word_count == sizeof ret->words / sizeof ret->words[0])
                return FAIL(e, INVALID, "too many words: %s", argv[i]);
            ret->words[ret->word_count++] = argv[i];
            continue;
        }
        ptrdiff_t equals = str_find_char(word, '=');
        if (equals > 0)
            name = str_sub(word, 0, (size_t)equals);
        const struct option_row *row = find_row(name);
        if (!row)
            return FAIL(e, INVALID, "%.*s: no such option; see keyturn --help", STR_ARG(name));
        if (row->is_flag && equals > 0)
            return FAIL(e, INVALID, "%s takes no value: it is given or not", row->name);
        if (row->is_flag) {
            *(bool *)((char *)ret + row->offset) = true;
            continue;
        }
        const char *value = equals > 0 ? argv[i] + equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!value || !value[0])
            return FAIL(e, INVALID, "%s needs a value", row->name);
        TRY(set_value(row, value, ret, e));
    }
    return SUCCESS;
}
