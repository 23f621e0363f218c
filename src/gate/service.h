/* gate/service.h: what handlers need besides the store and the caller; made by main, the same for every call. */
#pragma once

#include "crypto/keyring.h"

struct tokens;
struct audit;
struct writer;
struct store;
struct rotation;
struct http_server;

struct service {
    struct keyring *keys;
    struct tokens *tokens;
    struct audit *audit;
    struct writer *writer;
    struct store *store;
    struct rotation *rotation;
    struct http_server *http;
    const char *data_directory, *web_directory; /* web_directory: swagger-ui's files */
    const char *seal_kind;                      /* what opens the vault: "keyfile" */
    int masking;                                /* enum masking of vault/value.h */
    bool v1_login_is_off, single_session, plain_http_allowed;
    int64_t started_at;
    struct str installation;
    int64_t epoch;
};
