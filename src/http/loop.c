/* http/loop.c: life of a loop; its mailbox is drained as a whole, since uv_async coalesces. */
#include "http/loop.h"

#include "base/log.h"
#include "http/connection.h"
#include "http/exchange.h"
#include "http/server.h"

static _Thread_local struct loop *current_loop;

struct loop *loop_new(struct http_server *server, const struct http_config *config, unsigned index)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (!loop)
        die("out of memory");
    loop->server = server;
    loop->config = config;
    loop->index = index;
    loop->references = 1;
    loop->mail.last_reply = &loop->mail.replies;
    buf_init(&loop->date, 64);
    pthread_mutex_init(&loop->lock, NULL);
    return loop;
}

void loop_release(struct loop *loop)
{
    struct http_exchange *x;
    unsigned left;

    pthread_mutex_lock(&loop->lock);
    left = --loop->references;
    pthread_mutex_unlock(&loop->lock);
    if (left > 0)
        return;
    while ((x = loop->pool)) {
        loop->pool = x->next;
        exchange_free(x);
    }
    buf_free(&loop->date);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

bool loop_is_current(const struct loop *loop)
{
    return current_loop == loop;
}

static void drop_accepted(struct loop *loop, struct accepted *a)
{
    close(a->fd);
    server_connection_ended(loop->server);
    free(a);
}

/* Leaves the lock held when the loop is not closed. */
static bool lock_unless_closed(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    if (loop->state != LOOP_CLOSED)
        return true;
    pthread_mutex_unlock(&loop->lock);
    return false;
}

static void wake_and_unlock(struct loop *loop)
{
    if (loop->state == LOOP_OPEN)
        uv_async_send(&loop->async);
    pthread_mutex_unlock(&loop->lock);
}

void loop_post_accepted(struct loop *loop, struct accepted *a)
{
    if (!lock_unless_closed(loop)) {
        drop_accepted(loop, a);
        return;
    }
    a->next = loop->mail.accepted;
    loop->mail.accepted = a;
    wake_and_unlock(loop);
}

void loop_post_reply(struct loop *loop, struct http_exchange *x)
{
    if (!lock_unless_closed(loop)) {
        exchange_free(x);
        loop_release(loop);
        return;
    }
    x->next = NULL;
    *loop->mail.last_reply = x;
    loop->mail.last_reply = &x->next;
    wake_and_unlock(loop);
}

void loop_post_stop(struct loop *loop, unsigned grace_ms)
{
    if (!lock_unless_closed(loop))
        return;
    loop->mail.must_stop = true;
    loop->mail.grace_ms = grace_ms;
    wake_and_unlock(loop);
}

static struct mail take_mail(struct loop *loop)
{
    struct mail mail = loop->mail;

    loop->mail = (struct mail){0};
    loop->mail.last_reply = &loop->mail.replies;
    return mail;
}

static void deliver(struct loop *loop, struct mail *mail)
{
    while (mail->accepted) {
        struct accepted *a = mail->accepted;
        mail->accepted = a->next;
        connection_open(loop, a);
    }
    while (mail->replies) {
        struct http_exchange *x = mail->replies;
        mail->replies = x->next;
        connection_answer(x);
    }
}

/* Nobody can post any more; what was posted last finds no connection. Each exchange that is out holds the loop from
 * the moment that it is closed: its reply may come at once. */
static void close_mailbox(struct loop *loop)
{
    struct mail mail;
    unsigned held;

    pthread_mutex_lock(&loop->lock);
    loop->state = LOOP_CLOSED;
    mail = take_mail(loop);
    held = loop->exchanges_out;
    loop->references += held;
    pthread_mutex_unlock(&loop->lock);
    while (mail.accepted) {
        struct accepted *a = mail.accepted;
        mail.accepted = a->next;
        drop_accepted(loop, a);
    }
    deliver(loop, &mail);
    pthread_mutex_lock(&loop->lock);
    loop->references -= held - loop->exchanges_out; /* these were delivered */
    pthread_mutex_unlock(&loop->lock);
}

void loop_end_if_done(struct loop *loop)
{
    if (!loop->is_stopping || loop->connections || uv_is_closing((uv_handle_t *)&loop->async))
        return;
    close_mailbox(loop);
    uv_close((uv_handle_t *)&loop->async, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->grace, NULL);
}

static void close_connections(struct loop *loop, bool only_idle)
{
    struct connection *next;

    for (struct connection *c = loop->connections; c; c = next) {
        next = c->next;
        if (!only_idle || connection_is_idle(c))
            connection_close(c);
    }
}

static void on_grace_over(uv_timer_t *timer)
{
    close_connections(timer->data, false);
}

static void begin_stop(struct loop *loop, unsigned grace_ms)
{
    if (!loop->is_stopping && loop->index == 0)
        server_stop_accepting(loop->server);
    loop->is_stopping = true;
    close_connections(loop, true);
    if (!uv_is_active((uv_handle_t *)&loop->grace) || uv_timer_get_due_in(&loop->grace) > grace_ms)
        uv_timer_start(&loop->grace, on_grace_over, grace_ms, 0);
}

static void on_mail(uv_async_t *async)
{
    struct loop *loop = async->data;
    struct mail mail;

    pthread_mutex_lock(&loop->lock);
    mail = take_mail(loop);
    pthread_mutex_unlock(&loop->lock);
    if (mail.must_stop)
        begin_stop(loop, mail.grace_ms); /* first: replies delivered now must say that the connection ends */
    deliver(loop, &mail);
    loop_end_if_done(loop);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;

    if (loop->config->on_idle)
        loop->config->on_idle(loop->index, loop->config->context);
}

void loop_run(struct loop *loop, void (*start)(struct loop *loop))
{
    current_loop = loop;
    if (uv_loop_init(&loop->uv) != 0 || uv_async_init(&loop->uv, &loop->async, on_mail) != 0)
        die("http: no event loop; is the limit of open files too low?");
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_timer_init(&loop->uv, &loop->grace);
    loop->async.data = loop->prepare.data = loop->grace.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    if (start)
        start(loop);
    pthread_mutex_lock(&loop->lock);
    loop->state = LOOP_OPEN;
    uv_async_send(&loop->async); /* mail may be waiting since before */
    pthread_mutex_unlock(&loop->lock);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop->uv) != 0)
        die("http: a loop ended with open handles");
    current_loop = NULL;
}
