/* controlroom/far.h: the one Control Room that this process serves, how it is called, and who is signed in there. */
#pragma once

#include <inttypes.h>

#include <curl/curl.h>

#include "common/target.h"

/* One connection to it, kept between calls. */
struct line_to {
    CURL *curl;
    struct curl_slist *resolved; /* the name's address: nobody is asked for it */
    const struct target_address *target;
    int fd; /* of the connection; -1: none */
};

struct far {
    struct target target;
    bool has_functional;
    struct str functional_account;
    const struct secret *functional_secret;
    struct line_to *session;    /* of the functional account; NULL: none */
    const struct secret *token; /* its session there */
};

enum { NAME_POINTS_MAX = 255, SECRET_BYTES_MAX = 16384 };

/* ---- http.c ---- */

RESULT line_to_open(const struct far *f, struct line_to **ret, struct err *e);
void line_to_free(struct line_to *l); /* NULL is fine */
DEFINE_AUTOFREE(line_to)

struct http_call {
    const char *method, *path;
    const struct buf *body;     /* JSON; NULL: none */
    const struct secret *token; /* NULL: nobody is signed in */
};
struct http_reply {
    long status;
    struct buf body; /* to be freed by the caller; wiped with it */
};
static inline void http_reply_autofree_(struct http_reply *r)
{
    buf_free(&r->body);
}
#define AUTO_REPLY __attribute__((cleanup(http_reply_autofree_))) struct http_reply

/* One request and its whole answer, within the watchdog's time. The key is compared after each handshake, before any
 * byte of a request. *ret_sent: some of the request may have reached the target. Codes: unreachable, host_key_unknown,
 * host_key_changed. */
RESULT http_exchange(const struct far *f, struct line_to *l, const struct http_call *call, struct arena *a,
                     struct answer *answer, struct http_reply *ret, bool *ret_sent, struct err *e);
/* "409 conflict: This value follows …": what the far side says of a refusal, as it came: whoever answers with it
 * censors it, then cuts it. */
struct str http_refusal(const struct http_reply *r, struct arena *a);

/* ---- session.c ---- */

enum sign_in_word { SIGN_IN_ACCEPTED, SIGN_IN_DENIED };
/* Ask for a token. At most one guess is spent; `is_api_key` says what the secret is sent as. Any other answer than
 * these two: refused (a definite no of another kind) or unreachable. */
RESULT session_sign_in(const struct far *f, struct line_to *l, struct str account, const struct secret *secret,
                       bool is_api_key, struct arena *a, struct answer *answer, enum sign_in_word *ret,
                       const struct secret **ret_token, struct err *e);
/* 40 characters of an API key's alphabet. */
bool session_is_api_key(const struct secret *secret);
void far_forget_session(struct far *f);

/* ---- the operations of the protocol ---- */

extern const struct field check_fields[], push_fields[];
struct check_functional {
    struct str account;
    struct secret *password;
};
struct check_request {
    struct target_address *target;
    struct list host_keys;
    struct check_functional *functional;
    struct str account;
    bool is_again;
};
result check_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);

struct push_end {
    struct str user, login_name;      /* an auto-login, or */
    struct str credential, attribute; /* an attribute's value */
};
struct push_request {
    struct push_end *end;
    struct secret *value;
};
result push_run(void *state, void *request, struct arena *a, struct answer *answer, struct err *e);
