/* rotation/line.c: one JSON line out, one JSON line in, within a bound, whatever the process at the other end does. */
#include "rotation/line.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "rotation/censor.h"
#include "rotation/launcher.h"
#include "rotation/line_internal.h"

enum { LINE_BYTES_MAX = 65536, PROBLEM_LINES_MAX = 10, PROBLEM_BYTES_MAX = 1024, HELLO_S = 5, BYE_MS = 300 };
enum { CALL_MARGIN_S = 15, TIMEOUT_DEFAULT_S = 30, PROTOCOL = 1 };
/* Of a line that may serve another job: well below what the connector (1,000 requests) and the launcher (ten minutes)
 * allow. */
enum { REQUESTS_MAX = 500 };
#define AGE_MAX (4 * MINUTES)

struct line {
    struct launcher *launcher;
    const char *kind;
    pid_t pid;
    int socket, problems;                          /* problems: the connector's standard error; -1 when it has ended */
    int64_t last_id, timeout_s, deadline, started; /* started: monotonic */
    bool is_broken, has_failed;                    /* has_failed: some call has */
    bool has_guessed, was_denied;
    struct kept_setup *setup;
    struct censor *censor;
    struct buf request, reply, problem;
    int problem_lines;
};

static const struct {
    const char *word;
    enum code code;
} codes[] = {
    {"unreachable", UNREACHABLE},
    {"host_key_unknown", UNREACHABLE},
    {"host_key_changed", UNREACHABLE},
    {"functional_denied", UNREACHABLE},
    {"elevation_denied", UNREACHABLE},
    {"unsent", UNREACHABLE},
    {"unreadable", UNREACHABLE},
    {"no_account", REFUSED},
    {"policy", REFUSED},
    {"refused", REFUSED},
    {"bad_request", INVALID},
    {"bad_key", INVALID},
    {"wrong_passphrase", INVALID},
    {"passphrase_required", INVALID},
};

/* The log shows the first lines only, and never a secret; the rest is read and dropped. */
static void take_problem_byte(struct line *l, char c)
{
    if (c != '\n' && l->problem.n < PROBLEM_BYTES_MAX) {
        buf_add_char(&l->problem, c);
        return;
    }
    if (c != '\n')
        return;
    if (l->problem_lines < PROBLEM_LINES_MAX && l->problem.n > 0) {
        struct arena *a = arena_new();
        struct str text = censor_text(l->censor, a, buf_str(&l->problem));
        log_debug("connector %s %d: %.*s", l->kind, (int)l->pid, STR_ARG(text));
        arena_free(a);
        l->problem_lines++;
    }
    buf_clear(&l->problem);
}

static void read_problems(struct line *l)
{
    char chunk[4096];
    ssize_t got = read(l->problems, chunk, sizeof(chunk));
    if (got == 0) {
        close(l->problems);
        l->problems = -1;
    }
    for (ssize_t i = 0; i < got; i++)
        take_problem_byte(l, chunk[i]);
}

static result lost(struct line *l, enum line_effect effect, bool has_sent, const char *why, struct err *e)
{
    l->is_broken = true;
    if (effect == LINE_CHANGES && has_sent)
        return FAIL_AS(e, UNCERTAIN, "unknown", "%s", why);
    return FAIL_AS(e, UNREACHABLE, "unsent", "%s", why);
}

/* False: the other end is gone, or said more than a line may hold. */
static bool read_reply(struct line *l)
{
    char chunk[4096];
    ssize_t got = recv(l->socket, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    buf_add_bytes(&l->reply, chunk, (size_t)got);
    wipe(chunk, sizeof(chunk));
    return got > 0 && !l->reply.has_failed;
}

static bool send_some(struct line *l, struct str *rest)
{
    ssize_t sent = send(l->socket, rest->p, rest->n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    *rest = str_sub(*rest, (size_t)sent, rest->n);
    return true;
}

/* Move bytes until the reply has its line end. Standard error is drained meanwhile, so that nobody waits on it. */
static RESULT move(struct line *l, enum line_effect effect, int64_t deadline, struct err *e)
{
    struct str rest = buf_str(&l->request);
    size_t all = rest.n;
    while (str_find_char(buf_str(&l->reply), '\n') < 0) {
        int64_t left_ms = (deadline - clock_monotonic() + 999) / 1000;
        if (left_ms <= 0)
            return lost(l, effect, rest.n < all, "the connector did not answer in time", e);
        struct pollfd ready[2] = {{.fd = l->socket, .events = rest.n > 0 ? POLLOUT : POLLIN},
                                  {.fd = l->problems, .events = POLLIN}};
        if (poll(ready, 2, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms) <= 0)
            continue;
        if (ready[1].revents)
            read_problems(l);
        if (ready[0].revents && !(rest.n > 0 ? send_some(l, &rest) : read_reply(l)))
            return lost(l, effect, rest.n < all, "the connector ended or answered too much", e);
    }
    return SUCCESS;
}

/* A code that is not in the list says nothing about what the target has seen. */
static result refusal(struct line *l, enum line_effect effect, const struct line_reply *reply, struct err *e)
{
    struct str text = reply->text;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (str_equal(reply->code, str_of(codes[i].word)))
            return FAIL_AS(e, codes[i].code, codes[i].word, "%.*s", STR_ARG(text));
    l->is_broken = true;
    if (effect == LINE_CHANGES)
        return FAIL_AS(e, UNCERTAIN, "unknown", "%.*s", STR_ARG(text));
    return FAIL_AS(e, UNREACHABLE, "unsent", "%.*s", STR_ARG(text));
}

/* Nothing may wait to be read before a request: it would be taken for its answer. */
static bool is_quiet(struct line *l)
{
    struct pollfd ready = {.fd = l->socket, .events = POLLIN};
    return poll(&ready, 1, 0) == 0;
}

RESULT line_exchange(struct line *l, struct json_writer *w, enum line_effect effect, int64_t seconds, struct arena *a,
                     struct line_reply *ret, struct err *e)
{
    json_object_end(w);
    buf_add_char(&l->request, '\n');
    if (l->request.has_failed)
        return FAIL(e, INVALID, "the request is too long for a connector");
    if (l->is_broken || !is_quiet(l))
        return lost(l, effect, false, "the connector is gone", e);
    l->has_guessed = false;
    int64_t deadline = clock_monotonic() + seconds * SECONDS;
    if (l->deadline != 0 && l->deadline < deadline)
        deadline = l->deadline;
    buf_clear(&l->reply);
    result moved = move(l, effect, deadline, e);
    buf_clear(&l->request);
    TRY(moved);
    bool is_read = is_ok(answer_read(buf_str(&l->reply), l->last_id, l->censor, a, ret, NULL));
    buf_clear(&l->reply);
    if (!is_read)
        return lost(l, effect, true, "the connector's answer is out of step", e);
    l->has_failed = l->has_failed || !ret->ok;
    l->has_guessed = ret->guessed;
    l->was_denied = l->was_denied || ret->password_denied;
    return ret->ok ? SUCCESS : refusal(l, effect, ret, e);
}

struct json_writer line_begin(struct line *l, const char *op)
{
    buf_clear(&l->request);
    struct json_writer w = {.out = &l->request};
    json_object_begin(&w);
    json_key(&w, S("id"));
    json_write_int(&w, ++l->last_id);
    line_write_text(&w, "op", str_of(op));
    return w;
}

void line_write_secret(struct line *l, struct json_writer *w, const char *key, const struct secret *s)
{
    censor_add(l->censor, s);
    json_key(w, str_of(key));
    if (s)
        json_write_str(w, secret_open(s));
    else
        json_write_null(w);
}

void line_write_text(struct json_writer *w, const char *key, struct str s)
{
    json_key(w, str_of(key));
    json_write_str(w, s);
}

static RESULT greet(struct line *l, struct err *e)
{
    struct arena *a = arena_new();
    struct json_writer w = line_begin(l, "hello");
    json_key(&w, S("protocol"));
    json_write_int(&w, PROTOCOL);
    struct line_reply reply = {0};
    struct err why;
    result done = line_exchange(l, &w, LINE_ASKS, HELLO_S, a, &reply, &why);
    if (is_ok(done) && (reply.protocol != PROTOCOL || !str_equal(reply.connector, str_of(l->kind))))
        done = FAIL_AS(e, UNREACHABLE, NO_CONNECTOR, "the connector \"%s\" speaks another protocol", l->kind);
    else if (!is_ok(done))
        done = FAIL_AS(e, UNREACHABLE, NO_CONNECTOR, "the connector \"%s\" does not start: %s", l->kind, why.text);
    arena_free(a);
    return done;
}

RESULT line_open(struct launcher *launcher, const char *kind, struct line **ret, struct err *e)
{
    struct line opened = {
        .launcher = launcher, .kind = kind, .timeout_s = TIMEOUT_DEFAULT_S, .started = clock_monotonic()};
    TRY(launcher_spawn(launcher, kind, &opened.socket, &opened.problems, &opened.pid, e));
    struct line *l = calloc(1, sizeof(*l));
    if (!l)
        die("out of memory");
    *l = opened;
    l->censor = censor_new();
    buf_init(&l->request, LINE_BYTES_MAX);
    buf_init(&l->reply, LINE_BYTES_MAX);
    buf_init(&l->problem, PROBLEM_BYTES_MAX);
    result greeted = greet(l, e);
    if (is_ok(greeted))
        *ret = l;
    else
        line_close(l);
    return greeted;
}

/* A connector that goes by itself signs off at its target. */
static void say_bye(struct line *l)
{
    struct json_writer w = line_begin(l, "bye");
    json_object_end(&w);
    buf_add_char(&l->request, '\n');
    struct str rest = buf_str(&l->request);
    struct pollfd gone = {.fd = l->socket, .events = POLLIN};
    if (send_some(l, &rest) && rest.n == 0)
        poll(&gone, 1, BYE_MS);
}

void line_close(struct line *l)
{
    if (!l)
        return;
    if (!l->is_broken && is_quiet(l))
        say_bye(l);
    if (l->problems >= 0)
        close(l->problems);
    close(l->socket);
    launcher_kill(l->launcher, l->pid);
    buf_free(&l->request);
    buf_free(&l->reply);
    buf_free(&l->problem);
    setup_free(l->setup);
    censor_free(l->censor);
    free(l);
}

bool line_is_broken(const struct line *l)
{
    return l->is_broken;
}

bool line_has_guessed(const struct line *l)
{
    return l->has_guessed;
}

bool line_take_denied(struct line *l)
{
    bool was_denied = l->was_denied;
    l->was_denied = false;
    return was_denied;
}

bool line_may_serve_again(struct line *l)
{
    bool is_young = l->last_id < REQUESTS_MAX && clock_monotonic() - l->started < AGE_MAX;
    return is_young && censor_has_room(l->censor) && !l->is_broken && !l->has_failed && setup_has_session(l->setup) &&
           is_quiet(l);
}

bool line_was_set_up(const struct line *l, const struct line_setup *setup)
{
    return setup_is_same(l->setup, setup);
}

void line_set_setup(struct line *l, struct kept_setup *kept)
{
    setup_free(l->setup);
    l->setup = kept;
}

void line_set_deadline(struct line *l, int64_t monotonic)
{
    l->deadline = monotonic;
}

int64_t line_call_seconds(const struct line *l)
{
    return l->timeout_s + CALL_MARGIN_S;
}

void line_set_timeout(struct line *l, int64_t timeout_s)
{
    l->timeout_s = timeout_s;
}
