/* http/harness.h: a real server on loopback with a small handler, and clients made of raw sockets. */
#pragma once

#include "http/http.h"

/* The handler's paths:
 *   /echo    the body comes back
 *   /hello   "hello"; with ?close the handler asks for the connection's end
 *   /later   "later", from another thread, after 20 ms
 *   /large   8 MiB
 *   /lent    bytes that are lent
 *   /held    no answer before harness_answer_held
 *   /headers good and bad extra headers
 *   /empty   204
 * The body limit is 1000 bytes, on /large-body 1 MiB. */
struct harness;

struct harness *harness_start(struct http_config config); /* deadlines, loops and limits are taken from it */
struct harness *harness_start_tls(struct http_config config);
void harness_stop(struct harness *h); /* without grace, unless it was stopped before; frees */
struct str harness_lent(void);
int harness_port(const struct harness *h);
struct http_server *harness_server(struct harness *h);
unsigned harness_requests(const struct harness *h); /* how many reached the handler */
unsigned harness_idles(const struct harness *h);    /* how often a loop said that it would wait */
void harness_wait_for_requests(const struct harness *h, unsigned n);
bool harness_held_is_gone(struct harness *h);
void harness_answer_held(struct harness *h); /* all of them, from the calling thread */

int client_connect(const struct harness *h);
int client_connect_narrowly(const struct harness *h, int room_bytes); /* the kernel takes so much before it is read */
void client_send(int fd, struct str bytes);
/* All that comes until the server closes; a failure after 10 s, or when the connection is reset. */
void client_read_all(int fd, struct buf *ret);
/* Read until the text stands in what has come since the last clearing. */
void client_read_until(int fd, struct buf *into, struct str text);
/* Connect, send, read to the end, close. */
void client_exchange(const struct harness *h, struct str bytes, struct buf *ret);
unsigned count_of(const struct buf *b, struct str part);
