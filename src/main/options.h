/* main/options.h: the command line: `--name VALUE`, `--flag`, and words. */
#pragma once

#include "base/field.h"

enum { LISTENS_MAX = 16 };

struct options {
    const char *data, *admin_user, *admin_password_file, *api_key_file, *key_file, *head, *tls_certificate, *tls_key,
        *user, *store, *store_password_file, *server, *from, *to, *lanes, *quiet, *account, *version;
    const char *listen[LISTENS_MAX];
    const char *api_allow[LISTENS_MAX];
    size_t listen_count, api_allow_count;
    bool allow_plain_http;
    const char *words[4]; /* what is not an option */
    size_t word_count;
};
/* INVALID names the word that is not understood. */
RESULT options_parse(int argc, char *const *argv, struct options *ret, struct err *e);
