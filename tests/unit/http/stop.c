/* http/stop.c: listening and the end of a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness.h"

static void what_is_under_way_is_answered_within_the_grace(void **state)
{
    struct harness *h = harness_start((struct http_config){.loops = 2});
    int idle = client_connect(h), waiting = client_connect(h), halfway = client_connect(h);
    AUTOBUF got;

    (void)state;
    buf_init(&got, 65536);
    client_send(idle, S("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_read_until(idle, &got, S("\r\n\r\nhello"));
    client_send(halfway, S("GET /hello HTTP/1.1\r\nHo"));
    client_send(waiting, S("GET /held HTTP/1.1\r\nHost: a\r\n\r\n"));
    harness_wait_for_requests(h, 2);
    usleep(20000);
    http_server_stop(harness_server(h), 10000);
    buf_clear(&got);
    client_read_all(idle, &got);
    assert_int_equal(got.n, 0);
    client_send(halfway, S("st: a\r\n\r\n"));
    client_read_all(halfway, &got);
    assert_true(str_ends(buf_str(&got), S("\r\n\r\nhello")));
    assert_int_equal(count_of(&got, S("Connection: close\r\n")), 1);
    harness_answer_held(h);
    buf_clear(&got);
    client_read_all(waiting, &got);
    assert_true(str_ends(buf_str(&got), S("\r\n\r\nheld")));
    assert_int_equal(count_of(&got, S("Connection: close\r\n")), 1);
    close(idle);
    close(waiting);
    close(halfway);
    harness_stop(h);
}

static void nobody_is_accepted_after_the_stop(void **state)
{
    struct harness *h = harness_start((struct http_config){.loops = 2});
    int waiting = client_connect(h), late;
    struct err e = {0};
    AUTOBUF got, url;
    struct http_server *other = NULL;
    struct arena *a = arena_new();
    struct str real;

    (void)state;
    buf_init(&got, 65536);
    buf_init(&url, 100);
    client_send(waiting, S("GET /held HTTP/1.1\r\nHost: a\r\n\r\n"));
    harness_wait_for_requests(h, 1);
    http_server_stop(harness_server(h), 10000);
    /* The port is free again although the old server is not done. */
    struct http_config config = {.loops = 1,
                                 .on_request = (void (*)(struct http_exchange *, void *))abort,
                                 .body_limit = (size_t(*)(const struct http_request *, void *))abort,
                                 .on_refusal =
                                     (void (*)(struct str, int, const char *, struct http_reply *, void *))abort};
    assert_true(is_ok(http_server_new(&config, &other, &e)));
    buf_printf(&url, "http://127.0.0.1:%d", harness_port(h));
    bool is_listening = false;
    for (int i = 0; i < 500 && !is_listening; i++) {
        usleep(10000);
        is_listening = is_ok(http_server_listen(other, buf_str(&url), NULL, NULL, a, &real, &e));
    }
    assert_true(is_listening);
    assert_true(str_equal(real, buf_str(&url)));
    late = client_connect(h);
    http_server_free(other);
    close(late);
    close(waiting);
    harness_stop(h);
    arena_free(a);
}

static void the_grace_ends(void **state)
{
    struct harness *h = harness_start((struct http_config){.loops = 2});
    int waiting = client_connect(h), halfway = client_connect(h);
    int64_t began;
    AUTOBUF got;

    (void)state;
    buf_init(&got, 65536);
    client_send(halfway, S("GET /hello HTTP/1.1\r\nHo"));
    client_send(waiting, S("GET /held HTTP/1.1\r\nHost: a\r\n\r\n"));
    harness_wait_for_requests(h, 1);
    usleep(20000);
    began = clock_monotonic();
    http_server_stop(harness_server(h), 200);
    client_read_all(waiting, &got);
    client_read_all(halfway, &got);
    assert_int_equal(got.n, 0);
    assert_true(clock_monotonic() - began >= 190000);
    assert_true(clock_monotonic() - began < 5 * SECONDS);
    close(waiting);
    close(halfway);
    /* Frees the server first, and answers what was held only then. */
    harness_stop(h);
}

static void replies_race_with_the_end(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct harness *h = harness_start((struct http_config){.loops = 2});
        int fds[8];
        for (int i = 0; i < 8; i++) {
            fds[i] = client_connect(h);
            client_send(fds[i], i % 2 ? S("GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
                                      : S("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
        harness_wait_for_requests(h, 8);
        http_server_stop(harness_server(h), round % 2 ? 1 : 10000);
        harness_answer_held(h);
        for (int i = 0; i < 8; i++)
            close(fds[i]);
        harness_stop(h);
    }
}

static void a_stop_before_the_run_ends_the_run(void **state)
{
    struct http_config config = {.loops = 2,
                                 .on_request = (void (*)(struct http_exchange *, void *))abort,
                                 .body_limit = (size_t(*)(const struct http_request *, void *))abort,
                                 .on_refusal =
                                     (void (*)(struct str, int, const char *, struct http_reply *, void *))abort};
    struct http_server *s = NULL;
    struct arena *a = arena_new();
    struct str url;
    struct err e = {0};

    (void)state;
    assert_true(is_ok(http_server_new(&config, &s, &e)));
    assert_true(is_ok(http_server_listen(s, S("http://127.0.0.1:0"), NULL, NULL, a, &url, &e)));
    http_server_stop(s, 60000);
    http_server_run(s);
    http_server_stop(s, 0);
    http_server_free(s);
    http_server_free(NULL);
    arena_free(a);
}

static void a_taken_port_and_bad_files_are_refused(void **state)
{
    struct harness *h = harness_start((struct http_config){.loops = 1});
    struct http_config config = {.on_request = (void (*)(struct http_exchange *, void *))abort,
                                 .body_limit = (size_t(*)(const struct http_request *, void *))abort,
                                 .on_refusal =
                                     (void (*)(struct str, int, const char *, struct http_reply *, void *))abort};
    struct http_server *s = NULL;
    struct arena *a = arena_new();
    struct str real = S("untouched");
    struct err e = {0};
    AUTOBUF url;

    (void)state;
    buf_init(&url, 100);
    buf_printf(&url, "http://127.0.0.1:%d", harness_port(h));
    assert_true(is_ok(http_server_new(&config, &s, &e)));
    assert_int_equal(http_server_listen(s, buf_str(&url), NULL, NULL, a, &real, &e).code, CONFLICT);
    assert_int_equal(http_server_listen(s, S("http://192.0.2.1:0"), NULL, NULL, a, &real, &e).code, INVALID);
    assert_int_equal(http_server_listen(s, S("https://127.0.0.1:0"), NULL, NULL, a, &real, &e).code, INVALID);
    assert_int_equal(http_server_listen(s, S("https://127.0.0.1:0"), "/dev/null", "/dev/null", a, &real, &e).code,
                     INVALID);
    assert_int_equal(http_server_listen(s, S("https://127.0.0.1:0"), "/nowhere", "/nowhere", a, &real, &e).code,
                     INVALID);
    assert_true(str_equal(real, S("untouched")));
    assert_true(http_server_is_loopback_only(s));
    assert_true(is_ok(http_server_listen(s, S("http://[::1]:0"), NULL, NULL, a, &real, &e)));
    assert_true(str_starts(real, S("http://[::1]:")));
    assert_false(str_equal(real, S("http://[::1]:0")));
    assert_true(http_server_is_loopback_only(s));
    assert_true(is_ok(http_server_listen(s, S("http://0.0.0.0:0"), NULL, NULL, a, &real, &e)));
    assert_false(http_server_is_loopback_only(s));
    http_server_free(s);
    arena_free(a);
    harness_stop(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_under_way_is_answered_within_the_grace),
        cmocka_unit_test(nobody_is_accepted_after_the_stop),
        cmocka_unit_test(the_grace_ends),
        cmocka_unit_test(replies_race_with_the_end),
        cmocka_unit_test(a_stop_before_the_run_ends_the_run),
        cmocka_unit_test(a_taken_port_and_bad_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
