/* http/url.c: listen URLs. */
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void refuses_all_but_scheme_address_and_port(void **state)
{
    static const struct str wrong[] = {
        S(""),
        S("127.0.0.1:80"),
        S("ftp://127.0.0.1:80"),
        S("HTTP://127.0.0.1:80"),
        S("http://"),
        S("http://:80"),
        S("http://127.0.0.1"),
        S("http://127.0.0.1:"),
        S("http://127.0.0.1:65536"),
        S("http://127.0.0.1:-1"),
        S("http://127.0.0.1:80/"),
        S("http://127.0.0.1:80 "),
        S("http://127.0.0.1 :80"),
        S("http://127.0.0.1\0:80"),
        S("http://127.1:80"),
        S("http://0x7f.0.0.1:80"),
        S("http://256.0.0.1:80"),
        S("http://u@127.0.0.1:80"),
        S("http://example.com:80"),
        S("http://::1:80"),
        S("http://[::1:80"),
        S("http://[::1]80"),
        S("http://[]:80"),
        S("http://[127.0.0.1]:80"),
        S("http://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:80"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct http_url url = {.port = -7};
        struct err e = {0};
        if (http_url_parse(wrong[i], &url, &e).code != INVALID)
            fail_msg("%.*s was taken", STR_ARG(wrong[i]));
        assert_int_equal(url.port, -7);
    }
}

static void reads_what_is_right(void **state)
{
    static const struct {
        struct str url, host;
        int port;
        bool is_tls, is_loopback;
    } right[] = {
        {S("http://127.0.0.1:8080"), S("127.0.0.1"), 8080, false, true},
        {S("https://127.9.9.9:0"), S("127.9.9.9"), 0, true, true},
        {S("http://localhost:1"), S("127.0.0.1"), 1, false, true},
        {S("http://0.0.0.0:80"), S("0.0.0.0"), 80, false, false},
        {S("https://[::1]:8443"), S("::1"), 8443, true, true},
        {S("https://[::]:65535"), S("::"), 65535, true, false},
        {S("http://128.0.0.1:80"), S("128.0.0.1"), 80, false, false},
        {S("http://[::ffff:127.0.0.1]:80"), S("::ffff:127.0.0.1"), 80, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        struct http_url url;
        struct err e = {0};
        if (!is_ok(http_url_parse(right[i].url, &url, &e)))
            fail_msg("%.*s: %s", STR_ARG(right[i].url), e.text);
        assert_true(str_equal(url.host, right[i].host));
        assert_int_equal(url.port, right[i].port);
        assert_int_equal(url.is_tls, right[i].is_tls);
        assert_int_equal(url.is_loopback, right[i].is_loopback);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_all_but_scheme_address_and_port),
        cmocka_unit_test(reads_what_is_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
