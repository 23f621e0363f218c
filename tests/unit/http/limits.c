/* http/limits.c: what is refused over the wire, and when patience ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness.h"

enum { HEAD_MS = 300, BODY_MS = 600, IDLE_MS = 450 };

static int start(void **state)
{
    *state = harness_start(
        (struct http_config){.loops = 1, .head_deadline_ms = HEAD_MS, .body_deadline_ms = BODY_MS, .idle_ms = IDLE_MS});
    return 0;
}

static int stop(void **state)
{
    harness_stop(*state);
    return 0;
}

static void assert_refused(const struct buf *got, int status)
{
    AUTOBUF line;

    buf_init(&line, 64);
    buf_printf(&line, "HTTP/1.1 %d ", status);
    if (!str_starts(buf_str(got), buf_str(&line)) || count_of(got, S("\r\nDate: ")) != 1 ||
        count_of(got, S("Connection: close\r\n")) != 1 || count_of(got, S("refused: ")) != 1)
        fail_msg("expected one refusal with %d, got:\n%.*s", status, STR_ARG(buf_str(got)));
}

static void bad_framing_never_reaches_the_handler(void **state)
{
    static const struct {
        int status;
        struct str bytes;
    } rows[] = {
        {400,
         S("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG")},
        {400, S("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")},
        {400, S("GET /hello HTTP/1.1\nHost: a\n\n")},
        {400, S("GET /hello HTTP/1.1\r\nHost: a\r\n\rX")},
        {400, S("GET /hello HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n")},
        {400, S("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\n\r\nhello")},
        {400, S("GET /hello HTTP/1.1\r\n\r\n")},
        {400, S("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")},
        {400, S("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
        {505, S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
        {405, S("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n")},
        {501, S("BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n")},
        {417, S("POST /hello HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n")},
        {400, S("POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloGET / HTTP/1.1\r\n")},
        {400,
         S("POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\rGET /hello HTTP/1.1")},
    };
    AUTOBUF got;

    buf_init(&got, 65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        client_exchange(*state, rows[i].bytes, &got);
        assert_refused(&got, rows[i].status);
    }
    assert_int_equal(harness_requests(*state), 0);
}

static void what_follows_a_good_request_is_judged_as_well(void **state)
{
    AUTOBUF got;

    buf_init(&got, 65536);
    client_exchange(
        *state,
        S("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nGET / HTTP/2.0\r\n\r\n"), &got);
    assert_int_equal(count_of(&got, S("HTTP/1.1 200 OK")), 1);
    assert_int_equal(count_of(&got, S("HTTP/1.1 505 ")), 1);
    assert_int_equal(harness_requests(*state), 1);
}

static void heads_end_at_their_limit(void **state)
{
    AUTOBUF sent, got;

    buf_init(&sent, 65536);
    buf_init(&got, 65536);
    for (size_t n = HTTP_HEAD_MAX - 1; n <= HTTP_HEAD_MAX + 1; n++) {
        buf_clear(&sent);
        buf_add(&sent, S("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: "));
        while (sent.n < n - 4)
            buf_add_char(&sent, 'x');
        buf_add(&sent, S("\r\n\r\n"));
        client_exchange(*state, buf_str(&sent), &got);
        if (n <= HTTP_HEAD_MAX)
            assert_true(str_starts(buf_str(&got), S("HTTP/1.1 200 ")));
        else
            assert_refused(&got, 431);
    }
    /* no end in sight */
    buf_clear(&sent);
    buf_add(&sent, S("GET /"));
    while (sent.n < 60000)
        buf_add_char(&sent, 'x');
    client_exchange(*state, buf_str(&sent), &got);
    assert_refused(&got, 431);
}

static void bodies_end_at_their_limit(void **state)
{
    AUTOBUF sent, got;

    buf_init(&sent, 4 * 1024 * 1024);
    buf_init(&got, 4 * 1024 * 1024);
    client_exchange(*state, S("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"), &got);
    assert_refused(&got, 413);
    client_exchange(*state, S("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999\r\n\r\n"), &got);
    assert_refused(&got, 413);
    client_exchange(*state, S("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"), &got);
    assert_refused(&got, 408);
    for (unsigned n = 1000; n <= 1001; n++) {
        buf_clear(&sent);
        buf_add(&sent, S("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for (unsigned i = 0; i < n; i++)
            buf_add(&sent, S("1\r\nx\r\n"));
        buf_add(&sent, S("0\r\n\r\n"));
        client_exchange(*state, buf_str(&sent), &got);
        if (n == 1000)
            assert_true(str_starts(buf_str(&got), S("HTTP/1.1 200 ")));
        else
            assert_refused(&got, 413);
    }
    /* The client is still sending when it is refused: it must see the reply, not a reset. */
    buf_clear(&sent);
    buf_add(&sent, S("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"));
    while (sent.n < 3000000)
        buf_add(&sent, S("0123456789abcdef"));
    client_exchange(*state, buf_str(&sent), &got);
    assert_refused(&got, 413);
    /* A large body where it is allowed. */
    buf_clear(&sent);
    buf_add(&sent, S("POST /large-body HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\nConnection: close\r\n\r\n"));
    size_t head = sent.n;
    while (sent.n < head + 1048576)
        buf_add(&sent, S("fedcba9876543210"));
    client_exchange(*state, buf_str(&sent), &got);
    assert_true(str_ends(buf_str(&got), str_sub(buf_str(&sent), head, sent.n)));
}

/* Send a byte every 20 ms until the server closes; the time that took. */
static int64_t drip(struct harness *h, struct str start, char drop, struct buf *got)
{
    int64_t began = clock_monotonic(), end = began + 5 * SECONDS;
    int fd = client_connect(h);

    buf_clear(got);
    client_send(fd, start);
    while (clock_monotonic() < end && harness_requests(h) == 0) {
        usleep(20000);
        client_send(fd, (struct str){&drop, 1});
        if (clock_monotonic() - began > (BODY_MS + 100) * INT64_C(1000))
            break;
    }
    client_read_all(fd, got);
    close(fd);
    return (clock_monotonic() - began) / 1000;
}

static void slow_heads_and_bodies_end_at_a_total_deadline(void **state)
{
    AUTOBUF got;
    int64_t took_ms;

    buf_init(&got, 65536);
    took_ms = drip(*state, S("GET / HTTP/1.1\r\nX: "), 'x', &got);
    assert_refused(&got, 408);
    assert_true(took_ms >= HEAD_MS);
    took_ms = drip(*state, S("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n"), 'x', &got);
    assert_refused(&got, 408);
    assert_true(took_ms >= BODY_MS);
    assert_true(count_of(&got, S("(path /echo)")) == 1);
    assert_int_equal(harness_requests(*state), 0);
}

static int64_t time_until_closed_ms(int fd, struct buf *got)
{
    int64_t began = clock_monotonic();

    client_read_all(fd, got);
    return (clock_monotonic() - began) / 1000;
}

static void silent_connections_are_closed_without_a_word(void **state)
{
    AUTOBUF got;
    int fd = client_connect(*state);
    int64_t took_ms;

    buf_init(&got, 65536);
    took_ms = time_until_closed_ms(fd, &got);
    close(fd);
    assert_int_equal(got.n, 0);
    assert_true(took_ms >= HEAD_MS - 50 && took_ms < HEAD_MS + 2000);

    fd = client_connect(*state);
    client_send(fd, S("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_read_until(fd, &got, S("\r\n\r\nhello"));
    buf_clear(&got);
    took_ms = time_until_closed_ms(fd, &got);
    close(fd);
    assert_int_equal(got.n, 0);
    assert_true(took_ms >= IDLE_MS - 50 && took_ms < IDLE_MS + 2000);
}

static void a_slow_handler_has_no_deadline(void **state)
{
    AUTOBUF got;
    int fd = client_connect(*state);

    buf_init(&got, 65536);
    client_send(fd, S("GET /held HTTP/1.1\r\nHost: a\r\n\r\n"));
    harness_wait_for_requests(*state, 1);
    usleep((BODY_MS + IDLE_MS + HEAD_MS) * 1000);
    harness_answer_held(*state);
    client_read_until(fd, &got, S("\r\n\r\nheld"));
    close(fd);
}

static void a_client_that_never_reads_is_dropped(void **state)
{
    int fd = client_connect(*state), other;
    AUTOBUF got;

    buf_init(&got, 16 * 1024 * 1024);
    client_send(fd, S("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"));
    usleep(3 * BODY_MS * 1000);
    char room[65536];
    size_t came = 0;
    ssize_t n;
    while ((n = read(fd, room, sizeof(room))) > 0)
        came += (size_t)n;
    close(fd);
    assert_true(came < 8 * 1024 * 1024);
    other = client_connect(*state);
    client_send(other, S("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_read_until(other, &got, S("\r\n\r\nhello"));
    close(other);
}

/* A little now and then: never silent for long, and never done. */
static void a_client_that_reads_slowly_is_dropped(void **state)
{
    struct harness *h = harness_start(
        (struct http_config){.loops = 1, .body_deadline_ms = 1500, .reply_bytes_per_s = 16 * 1024 * 1024});
    int fd = client_connect_narrowly(h, 16 * 1024);
    int64_t end = clock_monotonic() + 4 * SECONDS;
    char room[65536];
    size_t came = 0;
    ssize_t n;

    (void)state;
    client_send(fd, S("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (clock_monotonic() < end && (n = read(fd, room, 16 * 1024)) > 0) {
        came += (size_t)n;
        usleep(10000);
    }
    while ((n = read(fd, room, sizeof(room))) > 0)
        came += (size_t)n;
    close(fd);
    assert_true(came < 8 * 1024 * 1024);
    harness_stop(h);
}

static void bodies_and_replies_together_have_a_limit(void **state)
{
    struct harness *h = harness_start((struct http_config){.loops = 1, .held_max = 8 * 1024 * 1024});
    int reader = client_connect_narrowly(h, 16 * 1024);
    AUTOBUF sent, got;

    (void)state;
    buf_init(&sent, 2 * 1024 * 1024);
    buf_init(&got, 32 * 1024 * 1024);
    client_send(reader, S("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    harness_wait_for_requests(h, 1);
    client_exchange(h, S("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), &got);
    assert_refused(&got, 503);
    client_read_all(reader, &got);
    close(reader);
    client_exchange(h, S("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), &got);
    assert_true(str_starts(buf_str(&got), S("HTTP/1.1 200 ")));
    harness_stop(h);

    h = harness_start((struct http_config){.loops = 1, .held_max = 512 * 1024});
    buf_add(&sent, S("POST /large-body HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"));
    while (sent.n < 1048576)
        buf_add(&sent, S("fedcba9876543210"));
    client_exchange(h, buf_str(&sent), &got);
    assert_refused(&got, 503);
    assert_int_equal(harness_requests(h), 0);
    client_exchange(h, S("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), &got);
    assert_true(str_starts(buf_str(&got), S("HTTP/1.1 200 ")));
    harness_stop(h);
}

static void connections_over_the_limit_are_closed(void **state)
{
    struct harness *h = harness_start((struct http_config){.loops = 2, .connections_max = 2});
    int first = client_connect(h), second = client_connect(h), third;
    AUTOBUF got;

    (void)state;
    buf_init(&got, 65536);
    client_send(first, S("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_read_until(first, &got, S("\r\n\r\nhello"));
    third = client_connect(h);
    buf_clear(&got);
    client_read_all(third, &got);
    assert_int_equal(got.n, 0);
    close(third);
    close(first);
    for (int i = 0; i < 100 && got.n == 0; i++) {
        usleep(20000);
        third = client_connect(h);
        client_send(third, S("GET /hello HTTP/1.0\r\n\r\n"));
        char room[1024];
        ssize_t n = read(third, room, sizeof(room));
        buf_add_bytes(&got, room, n > 0 ? (size_t)n : 0);
        close(third);
    }
    assert_true(str_starts(buf_str(&got), S("HTTP/1.1 200 OK\r\n")));
    close(second);
    harness_stop(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_framing_never_reaches_the_handler, start, stop),
        cmocka_unit_test_setup_teardown(what_follows_a_good_request_is_judged_as_well, start, stop),
        cmocka_unit_test_setup_teardown(heads_end_at_their_limit, start, stop),
        cmocka_unit_test_setup_teardown(bodies_end_at_their_limit, start, stop),
        cmocka_unit_test_setup_teardown(slow_heads_and_bodies_end_at_a_total_deadline, start, stop),
        cmocka_unit_test_setup_teardown(silent_connections_are_closed_without_a_word, start, stop),
        cmocka_unit_test_setup_teardown(a_slow_handler_has_no_deadline, start, stop),
        cmocka_unit_test_setup_teardown(a_client_that_never_reads_is_dropped, start, stop),
        cmocka_unit_test(a_client_that_reads_slowly_is_dropped),
        cmocka_unit_test(bodies_and_replies_together_have_a_limit),
        cmocka_unit_test(connections_over_the_limit_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
