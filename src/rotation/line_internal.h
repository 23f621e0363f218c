/* rotation/line_internal.h: between line.c (the exchange of lines), line_answer.c (what an answer may say) and
 * line_calls.c (the typed calls). */
#pragma once

#include "rotation/censor.h"
#include "rotation/line.h"

/* Every field that any answer has; what an answer leaves out is zero. */
struct line_reply {
    int64_t id, protocol, fence_s;
    bool ok, can_change, can_compare, can_install_keys, match, locked, encrypted, guessed, password_denied;
    struct str code, text, connector, scheme, fence, fence_token, result, public_key;
    struct opt_bool is_functional;
    struct secret *private_key;
    struct host_key *host_key;
};

/* Take a line, with its end, as the answer to the request of this id. INVALID for what makes no sense, and for fields
 * that the server keeps or shows (host_key, fence_token, scheme, public_key) which hold a secret of the censor's. */
RESULT answer_read(struct str line, int64_t id, const struct censor *c, struct arena *a, struct line_reply *ret,
                   struct err *e);

/* Begin the next request; the writer stands inside its object. Valid until line_exchange. */
struct json_writer line_begin(struct line *l, const char *op);
/* A secret on its way to the connector; from now on no text from there may show it. NULL: null. */
void line_write_secret(struct line *l, struct json_writer *w, const char *key, const struct secret *s);
void line_write_text(struct json_writer *w, const char *key, struct str s);

enum line_effect { LINE_ASKS, LINE_CHANGES };
/* Send the request and take the answer, within seconds and the line's deadline. The answer lives in the arena. Fails
 * for an answer that says no, too, with *ret filled then; the codes are those of line.h. */
RESULT line_exchange(struct line *l, struct json_writer *w, enum line_effect effect, int64_t seconds, struct arena *a,
                     struct line_reply *ret, struct err *e);

/* A copy of what the last successful check named. */
struct kept_setup;
struct kept_setup *setup_keep(const struct line_setup *setup);
bool setup_is_same(const struct kept_setup *kept, const struct line_setup *setup); /* kept may be NULL: no */
bool setup_has_session(const struct kept_setup *kept);
void setup_free(struct kept_setup *kept);                     /* NULL is fine */
void line_set_setup(struct line *l, struct kept_setup *kept); /* takes it over; NULL: none */

int64_t line_call_seconds(const struct line *l); /* the bound of a call to the target */
void line_set_timeout(struct line *l, int64_t timeout_s);
