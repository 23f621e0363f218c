/* http/message.c: llhttp, fenced in: it sees a checked head, is paused after each message, and the bytes around a
 * chunked body's data are checked once more. */
#include "http/message.h"

#include <llhttp.h>

#include "base/log.h"
#include "base/secret.h"

enum { AROUND_BODY_MAX = 16 * 1024 }; /* chunk sizes, extensions and trailers, beyond eight bytes per byte of data */

struct message {
    llhttp_t parser;
    struct buf *body;
    bool is_chunked, head_is_done, is_done;
    bool after_cr;           /* state of the check of what surrounds the data */
    uint64_t content_length; /* as framing_check read it */
    size_t around_bytes;
    const char *cursor; /* what follows it was not looked at yet; valid during message_feed */
};

/* llhttp takes a lone LF for the end of the trailers, and bounds neither them nor chunk extensions. */
static bool check_around(struct message *m, const char *to)
{
    struct str gap = {m->cursor, (size_t)(to - m->cursor)};

    m->cursor = to;
    m->around_bytes += gap.n;
    if (!m->is_chunked)
        return gap.n == 0;
    for (size_t i = 0; i < gap.n; i++) {
        char c = gap.p[i];
        if (c == 0 || (c == '\n') != m->after_cr)
            return false;
        m->after_cr = c == '\r';
    }
    return m->around_bytes <= AROUND_BODY_MAX + 8 * m->body->n;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct message *m = parser->data;
    bool is_chunked = parser->flags & F_CHUNKED;

    parser->upgrade = 0;
    if (is_chunked != m->is_chunked || (!is_chunked && parser->content_length != m->content_length))
        return HPE_USER;
    m->head_is_done = true;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
    struct message *m = parser->data;

    if (!check_around(m, at))
        return HPE_USER;
    m->cursor = at + n;
    buf_add_bytes(m->body, at, n);
    return m->body->has_failed ? HPE_USER : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct message *m = parser->data;

    m->is_done = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

struct message *message_new(void)
{
    struct message *m = calloc(1, sizeof(*m));

    if (!m)
        die("out of memory");
    return m;
}

void message_free(struct message *m)
{
    if (m)
        wipe(m, sizeof(*m));
    free(m);
}

enum message_state message_begin(struct message *m, struct str head, bool is_chunked, uint64_t content_length,
                                 struct buf *body)
{
    llhttp_errno_t errno_of_head;

    *m = (struct message){.body = body, .is_chunked = is_chunked, .content_length = content_length};
    llhttp_init(&m->parser, HTTP_REQUEST, &settings);
    m->parser.data = m;
    m->cursor = head.p + head.n;
    errno_of_head = llhttp_execute(&m->parser, head.p, head.n);
    if (!m->head_is_done)
        return MESSAGE_BROKEN;
    if (m->is_done)
        return llhttp_get_error_pos(&m->parser) == head.p + head.n ? MESSAGE_COMPLETE : MESSAGE_BROKEN;
    return errno_of_head == HPE_OK ? MESSAGE_MORE : MESSAGE_BROKEN;
}

enum message_state message_feed(struct message *m, struct str bytes, size_t *ret_used)
{
    llhttp_errno_t outcome;
    const char *end = bytes.p + bytes.n;

    m->cursor = bytes.p;
    outcome = llhttp_execute(&m->parser, bytes.p, bytes.n);
    if (m->body->has_failed)
        return MESSAGE_TOO_LARGE;
    if (m->is_done && outcome == HPE_PAUSED)
        end = llhttp_get_error_pos(&m->parser);
    else if (outcome != HPE_OK)
        return MESSAGE_BROKEN;
    if (!check_around(m, end))
        return MESSAGE_BROKEN;
    *ret_used = (size_t)(end - bytes.p);
    return m->is_done ? MESSAGE_COMPLETE : MESSAGE_MORE;
}
