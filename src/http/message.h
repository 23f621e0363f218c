/* http/message.h: where a message's body begins and ends, by llhttp. Only message.c includes llhttp.h: its names
 * (HTTP_GET ...) are also ours. */
#pragma once

#include "base/buf.h"

enum message_state {
    MESSAGE_MORE,
    MESSAGE_COMPLETE,
    MESSAGE_TOO_LARGE, /* the body would pass its buffer's ceiling */
    MESSAGE_BROKEN,
};

struct message;

struct message *message_new(void);
void message_free(struct message *m); /* NULL is fine */

/* Begin with a whole head that framing_check let pass, and what it said about the body; the parser must agree.
 * The body goes to `body`, which outlives the message. Trailers are read over. */
enum message_state message_begin(struct message *m, struct str head, bool is_chunked, uint64_t content_length,
                                 struct buf *body);
/* Go on with what follows the head. *ret_used: how many bytes belonged to this message. */
enum message_state message_feed(struct message *m, struct str bytes, size_t *ret_used);
