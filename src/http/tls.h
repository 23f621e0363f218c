/* http/tls.h: TLS 1.2 and 1.3 for the server's side, over memory: the caller moves the bytes. OpenSSL lives here. */
#pragma once

#include "base/result.h"
#include "base/str.h"

struct tls_context; /* certificate, key and rules of one listener */

/* PEM files. INVALID when one cannot be read or they do not belong together. */
RESULT tls_context_new(const char *certificate_file, const char *key_file, struct tls_context **ret, struct err *e);
void tls_context_free(struct tls_context *context); /* NULL is fine; connections made from it go on */

struct tls; /* one connection; its loop's thread only */

enum tls_outcome {
    TLS_READ,   /* *ret_n bytes are there, at least one */
    TLS_WAITS,  /* nothing to read before more came from the network */
    TLS_CLOSED, /* the client said goodbye */
    TLS_BROKEN, /* not TLS, or an attack; an alert may be among what goes out */
};

struct tls *tls_new(struct tls_context *context);
void tls_free(struct tls *t); /* NULL is fine */
bool tls_is_established(const struct tls *t);
void tls_take(struct tls *t, struct str from_network);
/* Read clear text; drives the handshake too. Look at tls_give after each call. */
enum tls_outcome tls_read(struct tls *t, char *room, size_t n, size_t *ret_n);
/* Encrypt all of it; false when the connection cannot send any more. At most 1 MiB. */
bool tls_write(struct tls *t, struct str clear);
void tls_say_goodbye(struct tls *t);
/* Move up to n bytes that are to go to the network into room; how many. */
size_t tls_give(struct tls *t, char *room, size_t n);
