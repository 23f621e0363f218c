/* http/tls.c: TLS clients, and clients that speak something else to the TLS port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "harness.h"

enum { HEAD_MS = 300 };

struct client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

static int start(void **state)
{
    *state = harness_start_tls((struct http_config){.loops = 2, .head_deadline_ms = HEAD_MS});
    return 0;
}

static int stop(void **state)
{
    harness_stop(*state);
    return 0;
}

/* What SSL_connect said. */
static int open_client(struct harness *h, int version, const char *protocol, struct client *ret)
{
    int connected;

    ret->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ret->context, 0);
    SSL_CTX_set_min_proto_version(ret->context, version);
    SSL_CTX_set_max_proto_version(ret->context, version);
    ret->ssl = SSL_new(ret->context);
    if (protocol)
        SSL_set_alpn_protos(ret->ssl, (const unsigned char *)protocol, (unsigned)strlen(protocol));
    ret->fd = client_connect(h);
    SSL_set_fd(ret->ssl, ret->fd);
    connected = SSL_connect(ret->ssl);
    ERR_clear_error();
    return connected;
}

static void close_client(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
}

static void send_clear(struct client *c, struct str bytes)
{
    assert_int_equal(SSL_write(c->ssl, bytes.p, (int)bytes.n), (int)bytes.n);
}

/* Until the server says goodbye properly. */
static void read_all_clear(struct client *c, struct buf *ret)
{
    char room[16384];
    int n;

    while ((n = SSL_read(c->ssl, room, sizeof(room))) > 0)
        buf_add_bytes(ret, room, (size_t)n);
    assert_int_equal(SSL_get_error(c->ssl, n), SSL_ERROR_ZERO_RETURN);
}

static void serves_tls_1_2_and_1_3(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    for (size_t i = 0; i < 2; i++) {
        struct client c;
        AUTOBUF got;
        buf_init(&got, 65536);
        assert_int_equal(open_client(*state, versions[i], "\x02h2\x08http/1.1", &c), 1);
        const unsigned char *chosen;
        unsigned chosen_n;
        SSL_get0_alpn_selected(c.ssl, &chosen, &chosen_n);
        assert_true(str_equal((struct str){(const char *)chosen, chosen_n}, S("http/1.1")));
        send_clear(&c, S("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
                         "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                         "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        read_all_clear(&c, &got);
        assert_int_equal(count_of(&got, S("HTTP/1.1 200 OK")), 3);
        assert_int_equal(count_of(&got, S("\r\n\r\none")), 1);
        assert_int_equal(count_of(&got, S("\r\n\r\nlater")), 1);
        assert_int_equal(count_of(&got, S("\r\nStrict-Transport-Security: max-age=31536000\r\n")), 3);
        assert_true(str_ends(buf_str(&got), S("\r\n\r\nhello")));
        close_client(&c);
    }
}

static void refuses_old_versions_and_other_protocols(void **state)
{
    struct client c;

    assert_int_not_equal(open_client(*state, TLS1_1_VERSION, NULL, &c), 1);
    close_client(&c);
    assert_int_not_equal(open_client(*state, TLS1_3_VERSION, "\x02h2", &c), 1);
    close_client(&c);
    assert_int_equal(open_client(*state, TLS1_3_VERSION, NULL, &c), 1);
    close_client(&c);
}

static void no_renegotiation(void **state)
{
    struct client c;

    assert_int_equal(open_client(*state, TLS1_2_VERSION, NULL, &c), 1);
    assert_int_equal(SSL_renegotiate(c.ssl), 1);
    assert_int_not_equal(SSL_do_handshake(c.ssl), 1);
    ERR_clear_error();
    close_client(&c);
    assert_int_equal(harness_requests(*state), 0);
}

static void large_bodies_both_ways(void **state)
{
    struct client c;
    AUTOBUF sent, got;

    buf_init(&sent, 2 * 1024 * 1024);
    buf_init(&got, 16 * 1024 * 1024);
    buf_add(&sent, S("POST /large-body HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"));
    size_t head = sent.n;
    while (sent.n < head + 1048576)
        buf_add(&sent, S("fedcba9876543210"));
    assert_int_equal(open_client(*state, TLS1_3_VERSION, NULL, &c), 1);
    send_clear(&c, buf_str(&sent));
    send_clear(&c, S("GET /lent HTTP/1.1\r\nHost: a\r\n\r\n"));
    send_clear(&c, S("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    usleep(100000); /* the server has to wait for us */
    read_all_clear(&c, &got);
    assert_int_equal(count_of(&got, harness_lent()), 1);
    assert_int_equal(count_of(&got, S("fedcba9876543210")), 1048576 / 16);
    assert_int_equal(count_of(&got, S("0123456789abcdef")), 8 * 1024 * 1024 / 16);
    close_client(&c);
}

static void garbage_on_the_tls_port_ends_quickly(void **state)
{
    static const struct str garbage[] = {
        S("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
        S("\x16\x03\x01\xff\xff\x01\x00\x00\x00"),
        S("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"),
        S("\x15\x03\x01\x00\x02\x02\x28"),
        S("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        S("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    };

    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        AUTOBUF got;
        buf_init(&got, 65536);
        client_exchange(*state, garbage[i], &got);
        assert_int_equal(count_of(&got, S("HTTP/1.1")), 0);
    }
    assert_int_equal(harness_requests(*state), 0);
}

static void garbage_after_the_handshake_ends_the_connection(void **state)
{
    struct client c;
    char room[100];

    assert_int_equal(open_client(*state, TLS1_3_VERSION, NULL, &c), 1);
    send_clear(&c, S("GET /hello HTTP/1.1\r\nHo"));
    client_send(c.fd, S("\x17\x03\x03\x00\x20"
                        "0123456789abcdef0123456789abcdef"));
    assert_true(SSL_read(c.ssl, room, sizeof(room)) <= 0);
    ERR_clear_error();
    close_client(&c);
    assert_int_equal(harness_requests(*state), 0);
}

static void a_handshake_has_a_deadline(void **state)
{
    int64_t began = clock_monotonic();
    int fd = client_connect(*state);
    AUTOBUF got;

    buf_init(&got, 65536);
    client_send(fd, S("\x16\x03\x01"));
    client_read_all(fd, &got);
    close(fd);
    assert_int_equal(got.n, 0);
    assert_true(clock_monotonic() - began >= (HEAD_MS - 50) * INT64_C(1000));
    assert_true(clock_monotonic() - began < 5 * SECONDS);
}

static void a_client_that_leaves_is_noticed(void **state)
{
    for (int says_goodbye = 0; says_goodbye <= 1; says_goodbye++) {
        struct client c;
        assert_int_equal(open_client(*state, TLS1_3_VERSION, NULL, &c), 1);
        send_clear(&c, S("GET /held HTTP/1.1\r\nHost: a\r\n\r\n"));
        harness_wait_for_requests(*state, (unsigned)says_goodbye + 1);
        if (says_goodbye)
            SSL_shutdown(c.ssl);
        else
            shutdown(c.fd, SHUT_WR);
        for (int i = 0; i < 5000 && !harness_held_is_gone(*state); i++)
            usleep(1000);
        assert_true(harness_held_is_gone(*state));
        harness_answer_held(*state);
        close_client(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(serves_tls_1_2_and_1_3, start, stop),
        cmocka_unit_test_setup_teardown(refuses_old_versions_and_other_protocols, start, stop),
        cmocka_unit_test_setup_teardown(no_renegotiation, start, stop),
        cmocka_unit_test_setup_teardown(large_bodies_both_ways, start, stop),
        cmocka_unit_test_setup_teardown(garbage_on_the_tls_port_ends_quickly, start, stop),
        cmocka_unit_test_setup_teardown(garbage_after_the_handshake_ends_the_connection, start, stop),
        cmocka_unit_test_setup_teardown(a_handshake_has_a_deadline, start, stop),
        cmocka_unit_test_setup_teardown(a_client_that_leaves_is_noticed, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
