/* http/server.c: exchanges with a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness.h"

#define LAST       "Connection: close\r\n"
#define HELLO      "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST_HELLO "GET /hello HTTP/1.1\r\nHost: a\r\n" LAST "\r\n"

static void assert_has(const struct buf *got, struct str part)
{
    if (str_find(buf_str(got), part) < 0)
        fail_msg("\"%.*s\" is not in:\n%.*s", STR_ARG(part), STR_ARG(buf_str(got)));
}

static void assert_lacks(const struct buf *got, struct str part)
{
    if (str_find(buf_str(got), part) >= 0)
        fail_msg("\"%.*s\" is in:\n%.*s", STR_ARG(part), STR_ARG(buf_str(got)));
}

static int start(void **state)
{
    *state = harness_start((struct http_config){.loops = 2});
    return 0;
}

static int stop(void **state)
{
    harness_stop(*state);
    return 0;
}

static void answers_with_the_headers_promised(void **state)
{
    AUTOBUF got;

    buf_init(&got, 65536);
    client_exchange(*state, S(LAST_HELLO), &got);
    assert_true(str_starts(buf_str(&got), S("HTTP/1.1 200 OK\r\n")));
    assert_true(str_ends(buf_str(&got), S("\r\n\r\nhello")));
    assert_has(&got, S("\r\nContent-Length: 5\r\n"));
    assert_has(&got, S("\r\nContent-Type: text/plain\r\n"));
    assert_has(&got, S("\r\nCache-Control: no-store\r\n"));
    assert_has(&got, S("\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_has(&got, S("\r\nConnection: close\r\n"));
    assert_has(&got, S("\r\nDate: "));
    assert_has(&got, S(" GMT\r\n"));
    assert_lacks(&got, S("Strict-Transport-Security"));
    assert_true(harness_idles(*state) > 0);

    client_exchange(*state, S("GET /headers HTTP/1.1\r\nHost: a\r\n" LAST "\r\n"), &got);
    assert_has(&got, S("\r\nX-Good: good\r\n"));
    assert_lacks(&got, S("evil"));
    client_exchange(*state, S("GET /peer HTTP/1.1\r\nHost: a\r\n" LAST "\r\n"), &got);
    assert_has(&got, S("\r\n\r\n127.0.0.1"));
    client_exchange(*state, S("GET /empty HTTP/1.1\r\nHost: a\r\n" LAST "\r\n"), &got);
    assert_true(str_starts(buf_str(&got), S("HTTP/1.1 204 No Content\r\n")));
    assert_lacks(&got, S("Content-Length"));
}

static void head_is_answered_without_a_body(void **state)
{
    AUTOBUF got;

    buf_init(&got, 65536);
    client_exchange(*state, S("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" LAST_HELLO), &got);
    assert_int_equal(count_of(&got, S("Content-Length: 5\r\n")), 2);
    assert_int_equal(count_of(&got, S("hello")), 1);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    AUTOBUF got;

    buf_init(&got, 65536);
    client_exchange(
        *state,
        S("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
          "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
          "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\nHost: b\r\n\r\n"
          "GET /later HTTP/1.1\r\nHost: a\r\n\r\n" LAST_HELLO "GET /never HTTP/1.1\r\nHost: a\r\n\r\n"),
        &got);
    assert_int_equal(count_of(&got, S("HTTP/1.1 200 OK")), 5);
    struct str rest = buf_str(&got);
    static const struct str order[] = {S("one"), S("later"), S("three"), S("later"), S("hello")};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        ptrdiff_t at = str_find(rest, S("\r\n\r\n"));
        assert_true(at >= 0);
        rest = str_sub(rest, (size_t)at + 4, rest.n);
        assert_true(str_starts(rest, order[i]));
    }
    assert_int_equal(harness_requests(*state), 5);
}

static void many_pipelined_requests_wait_for_a_slow_one(void **state)
{
    enum { COUNT = 3000 };
    AUTOBUF sent, got;
    int fd = client_connect(*state);

    buf_init(&sent, 1024 * 1024);
    buf_init(&got, 4 * 1024 * 1024);
    buf_add(&sent, S("GET /held HTTP/1.1\r\nHost: a\r\n\r\n"));
    for (int i = 1; i < COUNT - 1; i++)
        buf_add(&sent, S(HELLO));
    buf_add(&sent, S(LAST_HELLO));
    client_send(fd, buf_str(&sent));
    harness_wait_for_requests(*state, 1);
    usleep(50000);
    assert_int_equal(harness_requests(*state), 1);
    harness_answer_held(*state);
    client_read_all(fd, &got);
    close(fd);
    assert_int_equal(count_of(&got, S("HTTP/1.1 200 OK")), COUNT);
    assert_int_equal(harness_requests(*state), COUNT);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    static const struct str request = S("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                                        "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" LAST_HELLO);
    AUTOBUF got;
    int fd = client_connect(*state);

    buf_init(&got, 65536);
    for (size_t i = 0; i < request.n; i++) {
        client_send(fd, str_sub(request, i, 1));
        usleep(200);
    }
    client_read_all(fd, &got);
    close(fd);
    assert_has(&got, S("\r\n\r\nabcde"));
    assert_int_equal(count_of(&got, S("HTTP/1.1 200 OK")), 2);
}

static void old_clients_are_closed_unless_they_ask(void **state)
{
    AUTOBUF got;
    int fd = client_connect(*state);

    buf_init(&got, 65536);
    client_exchange(*state, S("GET /hello HTTP/1.0\r\n\r\n"), &got);
    assert_has(&got, S("Connection: close\r\n"));
    client_send(fd, S("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    buf_clear(&got);
    client_read_until(fd, &got, S("\r\n\r\nhello"));
    assert_has(&got, S("Connection: keep-alive\r\n"));
    client_send(fd, S("GET /hello?close HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_read_all(fd, &got);
    close(fd);
    assert_has(&got, S("Connection: close\r\n"));
    assert_int_equal(harness_requests(*state), 3);
}

static void says_continue_only_when_it_is_asked(void **state)
{
    AUTOBUF got;
    int fd = client_connect(*state);

    buf_init(&got, 65536);
    client_send(fd, S("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n" LAST "\r\n"));
    client_read_until(fd, &got, S("HTTP/1.1 100 Continue\r\n\r\n"));
    client_send(fd, S("body"));
    client_read_all(fd, &got);
    close(fd);
    assert_true(str_ends(buf_str(&got), S("\r\n\r\nbody")));
    client_exchange(
        *state, S("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n" LAST "\r\nbody"),
        &got);
    assert_lacks(&got, S("100 Continue"));
    client_exchange(*state, S("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n"),
                    &got);
    assert_true(str_starts(buf_str(&got), S("HTTP/1.1 413 ")));
}

static void a_large_reply_reaches_a_slow_reader(void **state)
{
    AUTOBUF got;
    int fd = client_connect(*state);

    buf_init(&got, 16 * 1024 * 1024);
    client_send(fd, S("GET /large HTTP/1.1\r\nHost: a\r\n\r\n" LAST_HELLO));
    usleep(100000);
    assert_int_equal(harness_requests(*state), 1);
    client_read_all(fd, &got);
    close(fd);
    assert_int_equal(count_of(&got, S("0123456789abcdef")), 8 * 1024 * 1024 / 16);
    assert_true(str_ends(buf_str(&got), S("\r\n\r\nhello")));
}

static void lent_bytes_are_sent_as_they_are(void **state)
{
    AUTOBUF got;
    struct str lent = harness_lent();

    buf_init(&got, 4 * 1024 * 1024);
    client_exchange(*state, S("GET /lent HTTP/1.1\r\nHost: a\r\n" LAST "\r\n"), &got);
    assert_has(&got, S("Content-Length: 300000\r\n"));
    assert_true(str_ends(buf_str(&got), lent));
    client_exchange(*state, S("HEAD /lent HTTP/1.1\r\nHost: a\r\n\r\nGET /lent HTTP/1.1\r\nHost: a\r\n\r\n" LAST_HELLO),
                    &got);
    assert_int_equal(count_of(&got, S("Content-Length: 300000\r\n")), 2);
    assert_int_equal(count_of(&got, lent), 1);
    assert_true(str_ends(buf_str(&got), S("\r\n\r\nhello")));
}

static void a_client_that_leaves_is_noticed_and_its_reply_forgotten(void **state)
{
    /* More often than there are loops: what one client did is not held against the next. */
    for (unsigned turn = 0; turn < 6; turn++) {
        int fd = client_connect(*state);
        client_send(fd, S("GET /held HTTP/1.1\r\nHost: a\r\n\r\n"));
        harness_wait_for_requests(*state, turn + 1);
        assert_false(harness_held_is_gone(*state));
        if (turn >= 3)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
        close(fd);
        for (int i = 0; i < 5000 && !harness_held_is_gone(*state); i++)
            usleep(1000);
        assert_true(harness_held_is_gone(*state));
        harness_answer_held(*state);
    }
}

static void a_client_that_only_shuts_its_side_is_answered(void **state)
{
    AUTOBUF got;
    int fd = client_connect(*state);

    buf_init(&got, 65536);
    client_send(fd, S(HELLO "GET /later HTTP/1.1\r\nHost: a\r\n\r\n" HELLO));
    shutdown(fd, SHUT_WR);
    client_read_all(fd, &got);
    close(fd);
    assert_int_equal(count_of(&got, S("HTTP/1.1 200 OK")), 3);
}

static void many_clients_at_once(void **state)
{
    enum { CLIENTS = 100, ROUNDS = 20 };
    int fds[CLIENTS];
    AUTOBUF got;

    buf_init(&got, 65536);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client_connect(*state);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            client_send(fds[i], i % 10 == 0 ? S("GET /later HTTP/1.1\r\nHost: a\r\n\r\n") : S(HELLO));
        for (int i = 0; i < CLIENTS; i++) {
            buf_clear(&got);
            client_read_until(fds[i], &got, i % 10 == 0 ? S("\r\n\r\nlater") : S("\r\n\r\nhello"));
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    assert_int_equal(harness_requests(*state), CLIENTS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_with_the_headers_promised, start, stop),
        cmocka_unit_test_setup_teardown(head_is_answered_without_a_body, start, stop),
        cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, start, stop),
        cmocka_unit_test_setup_teardown(many_pipelined_requests_wait_for_a_slow_one, start, stop),
        cmocka_unit_test_setup_teardown(a_request_may_come_byte_by_byte, start, stop),
        cmocka_unit_test_setup_teardown(old_clients_are_closed_unless_they_ask, start, stop),
        cmocka_unit_test_setup_teardown(says_continue_only_when_it_is_asked, start, stop),
        cmocka_unit_test_setup_teardown(a_large_reply_reaches_a_slow_reader, start, stop),
        cmocka_unit_test_setup_teardown(lent_bytes_are_sent_as_they_are, start, stop),
        cmocka_unit_test_setup_teardown(a_client_that_leaves_is_noticed_and_its_reply_forgotten, start, stop),
        cmocka_unit_test_setup_teardown(a_client_that_only_shuts_its_side_is_answered, start, stop),
        cmocka_unit_test_setup_teardown(many_clients_at_once, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
