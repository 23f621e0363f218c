/* http/message.c: where bodies end, in whatever portions they come. */
#include "http/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"

#define CHUNKED S("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")

DEFINE_AUTOFREE(message)

enum { LIMIT = 64 };

/* Feed `bytes` in portions of `step`. *ret_used: bytes of this message. */
static enum message_state feed(struct str bytes, size_t step, struct buf *body, size_t *ret_used)
{
    AUTOFREE(message) m = message_new();
    enum message_state state = message_begin(m, CHUNKED, true, 0, body);
    size_t at = 0, used = 0;

    while (state == MESSAGE_MORE && at < bytes.n) {
        struct str portion = str_sub(bytes, at, step);
        char *exact = malloc(portion.n);
        memcpy(exact, portion.p, portion.n);
        state = message_feed(m, (struct str){exact, portion.n}, &used);
        free(exact);
        at += used;
        if (state == MESSAGE_MORE)
            assert_int_equal(used, portion.n);
    }
    *ret_used = at;
    return state;
}

static const struct {
    enum message_state state;
    struct str bytes, body;
    size_t left; /* bytes behind the message */
} bodies[] = {
    {MESSAGE_COMPLETE, S("0\r\n\r\n"), S(""), 0},
    {MESSAGE_COMPLETE, S("5\r\nhello\r\n0\r\n\r\nGET /"), S("hello"), 5},
    {MESSAGE_COMPLETE, S("5\r\nhello\r\n00A\r\n\r\n\0\n\r:\n\r\n\r\r\n0\r\n\r\n"), S("hello\r\n\0\n\r:\n\r\n\r"), 0},
    {MESSAGE_COMPLETE, S("1;a=b\r\nx\r\n0\r\n\r\n"), S("x"), 0},
    {MESSAGE_COMPLETE, S("1\r\nx\r\n0\r\nHost: evil\r\nAuthorization: t\r\n\r\n"), S("x"), 0},
    {MESSAGE_MORE, S("5\r\nhel"), S("hel"), 0},
    {MESSAGE_MORE, S("0\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("5\r\nhelloX\r\n0\r\n\r\n"), S("hello"), 0},
    {MESSAGE_BROKEN, S("5\r\nhello0\r\n\r\n"), S("hello"), 0},
    {MESSAGE_BROKEN, S("5\r\nhello\n0\r\n\r\n"), S("hello"), 0},
    {MESSAGE_BROKEN, S("5\r\nhello\r0\r\n\r\n"), S("hello"), 0},
    {MESSAGE_BROKEN, S("5\r\nhello\r\n\r\n"), S("hello"), 0},
    {MESSAGE_BROKEN, S("5\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("5\rhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0x5\r\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("+5\r\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("-5\r\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S(" 5\r\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("5 \r\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("\r\n5\r\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("g\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("10000000000000000\r\nx"), S(""), 0},
    {MESSAGE_BROKEN, S("5;a\nb\r\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("5;a\rb\r\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("5;a=\0\r\nhello\r\n0\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\n\n"), S(""), 0},
    {MESSAGE_BROKEN, S("1\r\nx\r\n0\r\nX: a\r\n\nGET / HTTP/1.1\r\n\r\n"), S("x"), 0},
    {MESSAGE_BROKEN, S("0\r\nX: a\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\nX: a\n\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\nX: a\rY: b\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\nX: a\r\rGET / HTTP/1.1\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\n\rX"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\nX:\rY: b\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\nX: \r\r\nY: b\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\nX:\nY: b\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\nX: a\r\n b\rc\r\n\r\n"), S(""), 0},
    {MESSAGE_BROKEN, S("0\r\nX: \0\r\n\r\n"), S(""), 0},
    /* trailers say nothing about where a message ends */
    {MESSAGE_COMPLETE, S("0\r\nContent-Length: 5\r\n\r\nhello"), S(""), 5},
    {MESSAGE_BROKEN, S("0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"), S(""), 0},
    {MESSAGE_COMPLETE, S("0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nhello"), S(""), 5},
};

static void ends_a_chunked_body_where_it_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        for (size_t step = 1; step <= bodies[i].bytes.n; step++) {
            AUTOBUF body;
            size_t used;
            buf_init(&body, LIMIT);
            enum message_state got = feed(bodies[i].bytes, step, &body, &used);
            if (got != bodies[i].state)
                fail_msg("%.*s\nin portions of %zu: expected %d, got %d", STR_ARG(bodies[i].bytes), step,
                         bodies[i].state, got);
            assert_true(str_starts(bodies[i].body, buf_str(&body)));
            if (got == MESSAGE_COMPLETE) {
                assert_true(str_equal(buf_str(&body), bodies[i].body));
                assert_int_equal(used, bodies[i].bytes.n - bodies[i].left);
            }
        }
}

static void takes_no_byte_over_the_limit(void **state)
{
    (void)state;
    for (unsigned n = LIMIT; n <= LIMIT + 1; n++) {
        AUTOBUF body, bytes;
        size_t used;
        buf_init(&body, LIMIT);
        buf_init(&bytes, 1024);
        for (unsigned i = 0; i < n; i++)
            buf_add(&bytes, S("1\r\nx\r\n"));
        buf_add(&bytes, S("0\r\n\r\n"));
        assert_int_equal(feed(buf_str(&bytes), 100, &body, &used), n <= LIMIT ? MESSAGE_COMPLETE : MESSAGE_TOO_LARGE);
        assert_true(body.n <= LIMIT);
    }
}

static void endless_extensions_and_trailers_end(void **state)
{
    static const struct str beginnings[] = {S("1;a="), S("0\r\nX: "), S("0")};

    (void)state;
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        AUTOBUF body, bytes;
        size_t used;
        buf_init(&body, LIMIT);
        buf_init(&bytes, 1024 * 1024);
        buf_add(&bytes, beginnings[i]);
        while (bytes.n < 20 * 1024)
            buf_add_char(&bytes, '0');
        assert_int_equal(feed(buf_str(&bytes), 1000, &body, &used), MESSAGE_BROKEN);
    }
}

static void distrusts_a_parser_that_reads_the_head_differently(void **state)
{
    AUTOFREE(message) m = message_new();
    AUTOBUF body;

    (void)state;
    buf_init(&body, LIMIT);
    assert_int_equal(message_begin(m, CHUNKED, false, 0, &body), MESSAGE_BROKEN);
    assert_int_equal(message_begin(m, S("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), false, 6, &body),
                     MESSAGE_BROKEN);
    assert_int_equal(message_begin(m, S("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), true, 0, &body), MESSAGE_BROKEN);
    assert_int_equal(message_begin(m, S("GET / HTTP/1.1\r\nHost: a\r\n"), false, 0, &body), MESSAGE_BROKEN);
}

static void an_upgrade_is_ignored(void **state)
{
    AUTOFREE(message) m = message_new();
    AUTOBUF body;
    size_t used = 0;

    (void)state;
    buf_init(&body, LIMIT);
    assert_int_equal(message_begin(m, S("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
                                   false, 0, &body),
                     MESSAGE_COMPLETE);
    assert_int_equal(message_begin(m,
                                   S("POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
                                     "Content-Length: 3\r\n\r\n"),
                                   false, 3, &body),
                     MESSAGE_MORE);
    assert_int_equal(message_feed(m, S("abcGET"), &used), MESSAGE_COMPLETE);
    assert_int_equal(used, 3);
    assert_true(str_equal(buf_str(&body), S("abc")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_a_chunked_body_where_it_ends),
        cmocka_unit_test(takes_no_byte_over_the_limit),
        cmocka_unit_test(endless_extensions_and_trailers_end),
        cmocka_unit_test(distrusts_a_parser_that_reads_the_head_differently),
        cmocka_unit_test(an_upgrade_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
