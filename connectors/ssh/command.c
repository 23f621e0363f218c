/* ssh/command.c: a channel, its callbacks and a loop with a deadline. */
#include "ssh/command.h"

#include <libssh/callbacks.h>

#include "base/clock.h"
#include "common/watchdog.h"

enum { WAIT_MS = 1000 };
#define REST_OF_OUTPUT (SECONDS / 2)

static inline void ssh_channel_struct_free(struct ssh_channel_struct *c)
{
    ssh_channel_free(c);
}
DEFINE_AUTOFREE(ssh_channel_struct)

static inline void ssh_event_struct_free(struct ssh_event_struct *event)
{
    ssh_event_free(event);
}
DEFINE_AUTOFREE(ssh_event_struct)

/* What the callbacks of one channel have seen. */
struct reception {
    struct buf *text, *problems;
    int status;
    bool has_ended, has_status, is_cut;
};

static int on_data(ssh_session s, ssh_channel c, void *data, uint32_t n, int is_problem, void *context)
{
    (void)s, (void)c;
    struct reception *r = context;
    if (r->text->n + r->problems->n + n > OUTPUT_BYTES_MAX)
        r->is_cut = true;
    else
        buf_add_bytes(is_problem ? r->problems : r->text, data, n);
    return (int)n;
}

static void on_end(ssh_session s, ssh_channel c, void *context)
{
    (void)s, (void)c;
    ((struct reception *)context)->has_ended = true;
}

static void on_status(ssh_session s, ssh_channel c, int status, void *context)
{
    (void)s, (void)c;
    struct reception *r = context;
    r->status = status;
    r->has_status = true;
}

static struct ssh_channel_callbacks_struct callbacks_for(struct reception *r)
{
    struct ssh_channel_callbacks_struct ret = {
        .userdata = r,
        .channel_data_function = on_data,
        .channel_eof_function = on_end,
        .channel_close_function = on_end,
        .channel_exit_status_function = on_status,
    };
    ssh_callbacks_init(&ret);
    return ret;
}

/* Let the session work until something came; false when no more will come in time. */
static bool pump(ssh_event event, ssh_session s, const struct reception *r)
{
    int left_ms = watchdog_left_ms();
    if (watchdog_has_expired() || r->is_cut || !ssh_is_connected(s))
        return false;
    return ssh_event_dopoll(event, left_ms < WAIT_MS ? left_ms + 1 : WAIT_MS) != SSH_ERROR;
}

void command_output_free(struct command_output *o)
{
    buf_free(&o->text);
    buf_free(&o->problems);
}

struct str command_text(const struct command_output *o)
{
    return buf_str(o->problems.n ? &o->problems : &o->text);
}

bool command_has_line(const struct command_output *o, struct str line)
{
    struct str text = buf_str(&o->text);
    while (str_is_set(text))
        if (str_equal(str_cut(&text, '\n'), line))
            return true;
    return false;
}

static RESULT no_status(const struct command_output *o, const struct reception *r, struct err *e)
{
    const char *why = r->is_cut                ? "the host wrote too much"
                      : watchdog_has_expired() ? "the host did not answer in time"
                                               : "the connection broke while a command ran";
    if (o->has_input)
        return FAIL_AS(e, UNCERTAIN, "unknown", "%s", why);
    return FAIL_AS(e, UNREACHABLE, "unsent", "%s", why);
}

static RESULT start(ssh_session s, ssh_channel c, const char *command, struct err *e)
{
    if (ssh_channel_open_session(c) != SSH_OK)
        return FAIL_AS(e, UNREACHABLE, "unsent", "%s",
                       ssh_is_connected(s) ? "the host refused a session" : "the session is gone");
    if (ssh_channel_request_exec(c, command) != SSH_OK)
        return FAIL_AS(e, UNREACHABLE, "unsent", "the host refused to run a command");
    return SUCCESS;
}

/* The window of a fresh channel may be smaller than the input: libssh waits for more of it, the watchdog for libssh. */
static void send_input(ssh_channel c, struct str input, struct command_output *o)
{
    while (input.n > 0) {
        o->has_input = true;
        int n = ssh_channel_write(c, input.p, (uint32_t)input.n);
        if (n <= 0)
            return;
        input = str_sub(input, (size_t)n, input.n);
    }
    ssh_channel_send_eof(c);
}

/* A daemon that keeps the outputs of the command that started it would be waited for until it ends. */
static bool has_all(const struct reception *r, bool may_leave_daemons, int64_t *enough_at)
{
    if (!r->has_status)
        return false;
    if (*enough_at == 0)
        *enough_at = clock_monotonic() + REST_OF_OUTPUT;
    return r->has_ended || (may_leave_daemons && clock_monotonic() >= *enough_at);
}

RESULT command_run(ssh_session s, const char *command, struct str input, struct command_output *ret, struct err *e)
{
    command_output_free(ret);
    *ret = (struct command_output){.status = NO_STATUS, .is_action = ret->is_action};
    buf_init(&ret->text, OUTPUT_BYTES_MAX);
    buf_init(&ret->problems, OUTPUT_BYTES_MAX);
    struct reception r = {.text = &ret->text, .problems = &ret->problems};
    struct ssh_channel_callbacks_struct callbacks = callbacks_for(&r);
    AUTOFREE(ssh_event_struct) event = ssh_event_new();
    AUTOFREE(ssh_channel_struct) c = ssh_channel_new(s);
    if (!event || !c || ssh_add_channel_callbacks(c, &callbacks) != SSH_OK || ssh_event_add_session(event, s) != SSH_OK)
        return FAIL_AS(e, UNREACHABLE, "unsent", "the session is gone");
    result started = start(s, c, command, e);
    if (is_ok(started)) {
        ret->has_input = ret->is_action;
        send_input(c, input, ret);
        int64_t enough_at = 0;
        while (!has_all(&r, ret->is_action, &enough_at) && pump(event, s, &r))
            ;
    }
    ssh_remove_channel_callbacks(c, &callbacks);
    ssh_event_remove_session(event, s);
    TRY(started);
    if (!r.has_status || r.is_cut)
        return no_status(ret, &r, e);
    ret->status = r.status;
    return SUCCESS;
}

struct dialogue {
    ssh_session session;
    ssh_event event;
    ssh_channel channel;
    struct reception seen;
    struct ssh_channel_callbacks_struct callbacks;
    struct buf text, problems;
    size_t recent; /* where the output since the last send begins */
};

struct dialogue *dialogue_new(struct arena *a, ssh_session s)
{
    struct dialogue *d = arena_new_of(a, struct dialogue);
    d->session = s;
    d->event = ssh_event_new();
    d->channel = ssh_channel_new(s);
    buf_init(&d->text, OUTPUT_BYTES_MAX);
    buf_init(&d->problems, OUTPUT_BYTES_MAX);
    d->seen = (struct reception){.text = &d->text, .problems = &d->problems, .status = NO_STATUS};
    d->callbacks = callbacks_for(&d->seen);
    return d;
}

void dialogue_free(struct dialogue *d)
{
    if (d->channel) {
        ssh_remove_channel_callbacks(d->channel, &d->callbacks);
        ssh_channel_free(d->channel);
    }
    if (d->event) {
        ssh_event_remove_session(d->event, d->session);
        ssh_event_free(d->event);
    }
    buf_free(&d->text);
    buf_free(&d->problems);
}

RESULT dialogue_start(struct dialogue *d, const char *command, struct err *e)
{
    if (!d->event || !d->channel || ssh_add_channel_callbacks(d->channel, &d->callbacks) != SSH_OK ||
        ssh_event_add_session(d->event, d->session) != SSH_OK || ssh_channel_open_session(d->channel) != SSH_OK)
        return FAIL_AS(e, UNREACHABLE, "unsent", "the host refused a session");
    if (ssh_channel_request_pty(d->channel) != SSH_OK || ssh_channel_request_exec(d->channel, command) != SSH_OK)
        return FAIL_AS(e, UNREACHABLE, "unsent", "the host refused a terminal");
    return SUCCESS;
}

/* The output may hold what a terminal echoes, so it stays here, in lower case. */
static void fold(struct buf *text, size_t from)
{
    for (size_t i = from; i < text->n; i++)
        if (text->p[i] >= 'A' && text->p[i] <= 'Z')
            text->p[i] = (char)(text->p[i] + ('a' - 'A'));
}

RESULT dialogue_wait(struct dialogue *d, const char *const *words, int *ret_word, struct err *e)
{
    for (;;) {
        fold(&d->text, d->recent);
        struct str recent = dialogue_recent(d);
        for (int i = 0; words[i]; i++)
            if (str_find(recent, str_of(words[i])) >= 0) {
                *ret_word = i;
                return SUCCESS;
            }
        if (d->seen.has_status && d->seen.has_ended) {
            *ret_word = -1;
            return SUCCESS;
        }
        if (!pump(d->event, d->session, &d->seen))
            return FAIL_AS(e, UNREACHABLE, "unsent", "the host stopped in the middle of the dialogue");
    }
}

RESULT dialogue_send(struct dialogue *d, struct str line, struct err *e)
{
    d->recent = d->text.n;
    if (ssh_channel_write(d->channel, line.p, (uint32_t)line.n) != (int)line.n ||
        ssh_channel_write(d->channel, "\n", 1) != 1)
        return FAIL_AS(e, UNREACHABLE, "unsent", "the connection broke in the middle of the dialogue");
    return SUCCESS;
}

bool dialogue_says(const struct dialogue *d, struct str lower_case_part)
{
    return str_find(buf_str(&d->text), lower_case_part) >= 0;
}

struct str dialogue_recent(const struct dialogue *d)
{
    return str_sub(buf_str(&d->text), d->recent, d->text.n);
}

int dialogue_status(const struct dialogue *d)
{
    return d->seen.has_status ? d->seen.status : NO_STATUS;
}
