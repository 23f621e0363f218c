/* common/serve.c: one JSON line in, one JSON line out, until the end. */
#include "common/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "common/guess.h"
#include "common/watchdog.h"
#include "rotation/censor.h"

enum { LINE_FD = 3, LINE_BYTES_MAX = 65536, IDLE_MS = 30000, SEND_MS = 10000, REQUESTS_MAX = 1000, PROTOCOL = 1 };

struct serving {
    const char *kind;
    const struct operation *operations;
    void *state;
    struct censor *censor;
    struct buf input, output;
    int requests;
    bool has_greeted, has_ended;
};

struct envelope {
    int64_t id, protocol;
    struct str op;
};
static const struct field envelope_fields[] = {
    INT("id", struct envelope, id, .required = true, .min = 1, .max = INT64_MAX),
    TEXT("op", struct envelope, op, .required = true, .max = 32),
    INT("protocol", struct envelope, protocol),
    FIELD_END,
};

static const struct field host_key_fields[] = {
    TEXT("type", struct host_key, type),
    TEXT("sha256", struct host_key, sha256),
    FIELD_END,
};

/* Read until the input holds a whole line; its length without the line's end, or -1 when there will be none. */
static ptrdiff_t read_line(struct serving *s)
{
    int64_t deadline = clock_monotonic() + IDLE_MS * INT64_C(1000);
    for (;;) {
        ptrdiff_t length = str_find_char(buf_str(&s->input), '\n');
        if (length >= 0 || s->input.n >= LINE_BYTES_MAX)
            return length;
        struct pollfd ready = {.fd = LINE_FD, .events = POLLIN};
        int64_t left_ms = (deadline - clock_monotonic()) / 1000;
        int n = left_ms > 0 ? poll(&ready, 1, (int)left_ms) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        char chunk[4096];
        size_t room = LINE_BYTES_MAX - s->input.n;
        ssize_t got = read(LINE_FD, chunk, room < sizeof(chunk) ? room : sizeof(chunk));
        if (got <= 0)
            return -1;
        buf_add_bytes(&s->input, chunk, (size_t)got);
        wipe(chunk, sizeof(chunk));
    }
}

static bool send_all(struct str bytes)
{
    while (bytes.n > 0) {
        struct pollfd ready = {.fd = LINE_FD, .events = POLLOUT};
        int n = poll(&ready, 1, SEND_MS);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        ssize_t sent = send(LINE_FD, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (sent > 0)
            bytes = str_sub(bytes, (size_t)sent, bytes.n);
    }
    return true;
}

/* Every SECRET row of the request, nested ones too, is something that no text may repeat. */
static void remember_secrets(struct censor *censor, const struct field *fields, const void *from)
{
    for (const struct field *f = fields; f && f->name; f++) {
        const void *member = (const char *)from + f->offset;
        if (f->kind == FIELD_SECRET)
            censor_add(censor, *(struct secret *const *)member);
        else if (f->kind == FIELD_OBJECT && *(void *const *)member)
            remember_secrets(censor, f->of, *(void *const *)member);
    }
}

static result greet(struct serving *s, const struct envelope *envelope, struct answer *answer, struct err *e)
{
    if (envelope->protocol != PROTOCOL)
        return FAIL_AS(e, INVALID, "bad_request", "only protocol %d is spoken here", PROTOCOL);
    s->has_greeted = true;
    json_key(answer->writer, S("connector"));
    json_write_str(answer->writer, str_of(s->kind));
    json_key(answer->writer, S("protocol"));
    json_write_int(answer->writer, PROTOCOL);
    json_key(answer->writer, S("version"));
    json_write_str(answer->writer, S(KEYTURN_VERSION));
    return SUCCESS;
}

static result run(struct serving *s, const struct envelope *envelope, struct str line, struct arena *a,
                  struct answer *answer, struct err *e)
{
    if (str_equal(envelope->op, S("hello")))
        return greet(s, envelope, answer, e);
    if (!s->has_greeted)
        return FAIL_AS(e, INVALID, "bad_request", "say hello first");
    const struct operation *o = s->operations;
    while (o->name && !str_equal(envelope->op, str_of(o->name)))
        o++;
    if (!o->name)
        return FAIL_AS(e, INVALID, "bad_request", "no such operation");
    void *request = arena_alloc(a, o->size);
    fields_default(o->fields, request);
    struct json j;
    json_init(&j, line, 0, a);
    result decoded = fields_decode(o->fields, &j, request, e);
    remember_secrets(s->censor, o->fields, request);
    if (!is_ok(decoded)) {
        e->word = "bad_request";
        return decoded;
    }
    result ran = o->run(s->state, request, a, answer, e);
    watchdog_stop();
    return ran;
}

static void begin_answer(struct serving *s, struct json_writer *w, int64_t id, bool is_good)
{
    buf_clear(&s->output);
    *w = (struct json_writer){.out = &s->output};
    json_object_begin(w);
    json_key(w, S("id"));
    json_write_int(w, id);
    json_key(w, S("ok"));
    json_write_bool(w, is_good);
}

static void write_failure(struct serving *s, struct json_writer *w, int64_t id, const struct answer *answer,
                          const struct err *e, struct arena *a)
{
    begin_answer(s, w, id, false);
    json_key(w, S("code"));
    json_write_str(w, str_of(e->word ? e->word : "unsent"));
    json_key(w, S("text"));
    json_write_str(w, censor_text(s->censor, a, str_of(e->text)));
    if (answer->denied_as) {
        json_key(w, S("result"));
        json_write_str(w, str_of(answer->denied_as));
    }
    if (guess_is_open()) {
        json_key(w, S("guessed"));
        json_write_bool(w, true);
    }
}

static bool answer_line(struct serving *s, struct str line, struct arena *a)
{
    struct err e = {0};
    struct envelope envelope = {0};
    struct json_writer w;
    struct answer answer = {.writer = &w};
    struct json j;
    json_init(&j, line, 0, a);
    guess_forget();
    result done = fields_decode(envelope_fields, &j, &envelope, &e);
    if (is_ok(done) && str_equal(envelope.op, S("bye"))) {
        s->has_ended = true;
        return true;
    }
    begin_answer(s, &w, envelope.id, true);
    if (is_ok(done))
        done = run(s, &envelope, line, a, &answer, &e);
    else
        e.word = "bad_request";
    if (is_ok(done) && s->output.has_failed)
        done = FAIL_AS(&e, INTERNAL, "unsent", "the answer is too long");
    if (!is_ok(done))
        write_failure(s, &w, envelope.id, &answer, &e, a);
    if (guess_was_denied()) {
        json_key(&w, S("password_denied"));
        json_write_bool(&w, true);
    }
    if (str_is_set(answer.host_key.sha256)) {
        json_key(&w, S("host_key"));
        fields_encode(host_key_fields, &answer.host_key, &w, a, NULL);
    }
    json_object_end(&w);
    buf_add_char(&s->output, '\n');
    return !s->output.has_failed && send_all(buf_str(&s->output));
}

int serve(const char *kind, const struct operation *operations, void *state)
{
    struct serving s = {.kind = kind, .operations = operations, .state = state, .censor = censor_new()};
    buf_init(&s.input, LINE_BYTES_MAX);
    buf_init(&s.output, LINE_BYTES_MAX);
    bool is_good = true;
    while (is_good && !s.has_ended && s.requests < REQUESTS_MAX) {
        ptrdiff_t length = read_line(&s);
        if (length < 0)
            break;
        struct arena *a = arena_new();
        is_good = answer_line(&s, str_sub(buf_str(&s.input), 0, (size_t)length), a);
        arena_free(a);
        buf_drop_front(&s.input, (size_t)length + 1);
        s.requests++;
    }
    buf_free(&s.input);
    buf_free(&s.output);
    censor_free(s.censor);
    return is_good ? 0 : 1;
}
