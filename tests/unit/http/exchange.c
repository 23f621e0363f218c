/* http/exchange.c: nothing of a request stays in memory once it is over. */
#include "http/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/loop.h"

#define FIRST  "GET / HTTP/1.1\r\nX-Authorization: canary-token\r\n\r\n"
#define SECOND "GET /next HTT"

static void put(struct http_exchange *x, struct str bytes)
{
    memcpy(x->input, bytes.p, bytes.n);
    x->input_n = bytes.n;
}

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static void only_the_next_request_stays(void **state)
{
    struct http_config config = {.loops = 1};
    struct loop *loop = loop_new(NULL, &config, 0);
    struct http_exchange *x = exchange_take(loop);
    struct str second = S(SECOND);

    (void)state;
    put(x, S(FIRST SECOND));
    x->used = x->input_n - second.n;
    exchange_begin_next(x);
    assert_int_equal(x->input_n, second.n);
    assert_memory_equal(x->input, second.p, second.n);
    assert_true(is_zero(x->input + x->input_n, sizeof(x->input) - x->input_n));
    assert_int_equal(x->scanned, 0);
    assert_false(str_is_set(x->request.path));
    exchange_give_back(x);
    assert_true(is_zero(x->input, sizeof(x->input)));
    assert_ptr_equal(exchange_take(loop), x);
    assert_int_equal(x->input_n, 0);
    exchange_free(x);
    loop_release(loop);
}

static void replies_and_bodies_go_as_well(void **state)
{
    struct http_config config = {.loops = 1};
    struct loop *loop = loop_new(NULL, &config, 0);
    struct http_exchange *x = exchange_take(loop);
    struct http_reply reply = {.status = 200, .extra = {{S("Set-Cookie"), S("canary")}}, .extra_count = 1};

    (void)state;
    buf_init(&x->request.body, 100);
    buf_add(&x->request.body, S("canary"));
    buf_init(&reply.body, 100000);
    while (reply.body.n < 50000)
        buf_add(&reply.body, S("canary"));
    exchange_write_reply(x, &reply);
    assert_null(reply.body.p); /* handed over */
    exchange_finish_reply(x);
    assert_true(x->reply_body.n >= 50000);
    assert_true(str_find(buf_str(&x->reply), S("\r\nSet-Cookie: canary\r\n")) > 0);
    const char *head = x->reply.p;
    size_t head_n = x->reply.n;
    exchange_give_back(x);
    assert_ptr_equal(x->reply.p, head); /* the room is kept */
    assert_true(is_zero(head, head_n));
    assert_null(x->reply_body.p);
    assert_null(x->request.body.p);
    loop_release(loop);
}

static void the_pool_is_bounded(void **state)
{
    enum { COUNT = 200 };
    struct http_config config = {.loops = 1};
    struct loop *loop = loop_new(NULL, &config, 0);
    struct http_exchange *all[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++)
        all[i] = exchange_take(loop);
    for (int i = 0; i < COUNT; i++)
        exchange_give_back(all[i]);
    assert_true(loop->pool_count > 0 && loop->pool_count < COUNT);
    loop_release(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_next_request_stays),
        cmocka_unit_test(replies_and_bodies_go_as_well),
        cmocka_unit_test(the_pool_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
