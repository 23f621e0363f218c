/* http/framing.c: the table of heads that are refused, and those that are not. */
#include "http/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"

#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define END  "\r\n"

static const struct {
    int status; /* 0: passes */
    struct str head;
} heads[] = {
    /* what must pass */
    {0, S(GET HOST END)},
    {0, S("GET /a/b?c=d HTTP/1.1\r\n" HOST END)},
    {0, S("GET / HTTP/1.0\r\n\r\n")},
    {0, S("PATCH / HTTP/1.1\r\n" HOST END)}, /* the router's to refuse, with Allow */
    {0, S("OPTIONS / HTTP/1.1\r\n" HOST END)},
    {0, S("TRACE / HTTP/1.1\r\n" HOST END)},
    {0, S(GET "Host: [::1]:8443\r\n\r\n")},
    {0, S(GET "host:\tvault.example.com:443 \r\n\r\n")},
    {0, S(POST HOST "Content-Length: 0\r\n\r\n")},
    {0, S(POST HOST "Content-Length: 12\r\n\r\n")},
    {0, S(POST HOST "Transfer-Encoding: chunked\r\n\r\n")},
    {0, S(GET HOST "X-Authorization:\r\n\r\n")},
    {0, S(GET HOST "Accept: a\r\nAccept: b\r\n\r\n")},
    {0, S(GET HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")},
    {0, S(POST HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")},
    {0, S(GET HOST "X: \x80\xff\r\n\r\n")},
    /* the request line */
    {400, S("\r\n" GET HOST END)},
    {400, S(" GET / HTTP/1.1\r\n" HOST END)},
    {400, S("GET  / HTTP/1.1\r\n" HOST END)},
    {400, S("GET / HTTP/1.1 \r\n" HOST END)},
    {400, S("GET /\r\n\r\n")},
    {400, S("GET / HTTP/1.1x\r\n" HOST END)},
    {400, S("GET / http/1.1\r\n" HOST END)},
    {400, S("GET / HTTP/11\r\n" HOST END)},
    {400, S("GET\t/\tHTTP/1.1\r\n" HOST END)},
    {400, S("G@T / HTTP/1.1\r\n" HOST END)},
    {400, S(" / HTTP/1.1\r\n" HOST END)},
    {505, S("PRI * HTTP/2.0\r\n\r\n")},
    {505, S("GET / HTTP/2.0\r\n" HOST END)},
    {505, S("GET / HTTP/1.2\r\n" HOST END)},
    {505, S("GET / HTTP/0.9\r\n" HOST END)},
    {405, S("CONNECT a:443 HTTP/1.1\r\n" HOST END)},
    {400, S("OPTIONS * HTTP/1.1\r\n" HOST END)},
    {501, S("get / HTTP/1.1\r\n" HOST END)},
    {501, S("BREW / HTTP/1.1\r\n" HOST END)},
    {400, S("GET http://a/ HTTP/1.1\r\n" HOST END)},
    {400, S("GET * HTTP/1.1\r\n" HOST END)},
    {400, S("GET /#x HTTP/1.1\r\n" HOST END)},
    {400, S("GET /?a#x HTTP/1.1\r\n" HOST END)},
    {400, S("GET /\x7f HTTP/1.1\r\n" HOST END)},
    {400, S("GET /\xc3\xa4 HTTP/1.1\r\n" HOST END)},
    {400, S("GET /\x01 HTTP/1.1\r\n" HOST END)},
    /* lines */
    {400, S("GET / HTTP/1.1\n" HOST END)},
    {400, S(GET "Host: a\n\r\n")},
    {400, S(GET "Host: a\rX: b\r\n\r\n")},
    {400, S(GET "Host: a\r\n\rX: b\r\n\r\n")},
    {400, S(GET HOST "X: b\r\r\n\r\n")},
    {400, S(GET HOST "X: b\0c\r\n\r\n")},
    {400, S(GET "\0" HOST END)},
    {400, S(GET HOST " X: b\r\n\r\n")},
    {400, S(GET HOST "X: b\r\n folded\r\n\r\n")},
    {400, S(GET HOST "X: b\r\n\tfolded\r\n\r\n")},
    {400, S(POST HOST "Content-Length:\r\n 5\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding:\r\n chunked\r\n\r\n")},
    {400, S(GET HOST ": b\r\n\r\n")},
    {400, S(GET HOST "X : b\r\n\r\n")},
    {400, S(GET HOST "X\t: b\r\n\r\n")},
    {400, S(GET HOST "X b\r\n\r\n")},
    {400, S(GET HOST "X\x01: b\r\n\r\n")},
    {400, S(GET HOST "X: a\x01\r\n\r\n")},
    {400, S(GET HOST "X: a\x7f\r\n\r\n")},
    /* Host */
    {400, S(GET END)},
    {400, S(GET HOST HOST END)},
    {400, S(GET HOST "hOST: b\r\n\r\n")},
    {400, S("GET / HTTP/1.0\r\n" HOST HOST END)},
    {400, S(GET "Host:\r\n\r\n")},
    {400, S(GET "Host: \t \r\n\r\n")},
    {400, S(GET "Host: a b\r\n\r\n")},
    {400, S(GET "Host: a,b\r\n\r\n")},
    {400, S(GET "Host: a/b\r\n\r\n")},
    {400, S(GET "Host: u@a\r\n\r\n")},
    {400, S(GET "Host: a:\r\n\r\n")},
    {400, S(GET "Host: a:x\r\n\r\n")},
    {400, S(GET "Host: a:65536\r\n\r\n")},
    {400, S(GET "Host: a:1:2\r\n\r\n")},
    {400, S(GET "Host: :80\r\n\r\n")},
    {400, S(GET "Host: [::1\r\n\r\n")},
    {400, S(GET "Host: [::1]x\r\n\r\n")},
    {400, S(GET "Host: []\r\n\r\n")},
    {400, S(GET "Host: [g::1]\r\n\r\n")},
    /* where the body ends */
    {400, S(POST HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n")},
    {400, S(POST HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n")},
    {400, S(POST HOST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n")},
    {400, S(POST HOST "Content-Length: 5, 5\r\n\r\n")},
    {400, S(POST HOST "Content-Length:\r\n\r\n")},
    {400, S(POST HOST "Content-Length: +5\r\n\r\n")},
    {400, S(POST HOST "Content-Length: -5\r\n\r\n")},
    {400, S(POST HOST "Content-Length: 0x5\r\n\r\n")},
    {400, S(POST HOST "Content-Length: 05\r\n\r\n")},
    {400, S(POST HOST "Content-Length: 5 5\r\n\r\n")},
    {400, S(POST HOST "Content-Length: 5.0\r\n\r\n")},
    {400, S(POST HOST "Content-Length: 18446744073709551617\r\n\r\n")},
    {400, S(POST HOST "Content-Length: 9999999999999999\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: identity\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: gzip, chunked\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: chunked, chunked\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: chunked, identity\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: chunked;q=1\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: xchunked\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: \"chunked\"\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: \x0b"
                      "chunked\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding:\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n")},
    {400, S(POST HOST "Transfer-Encoding : chunked\r\n\r\n")},
    {400, S("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")},
    /* who calls, and what he sends */
    {400, S(GET HOST "Authorization: a\r\nauthorization: b\r\n\r\n")},
    {400, S(GET HOST "Authorization:\r\nAuthorization: b\r\n\r\n")},
    {400, S(GET HOST "X-Authorization: a\r\nX-Authorization:\r\n\r\n")},
    {400, S(GET HOST "Content-Type: a\r\nContent-Type: b\r\n\r\n")},
    {400, S(GET HOST "Cookie: a\r\nCookie: b\r\n\r\n")},
    {400, S(GET HOST "Origin: a\r\nOrigin: b\r\n\r\n")},
    {417, S(POST HOST "Expect: a-pony\r\n\r\n")},
    {417, S(POST HOST "Expect: 100-continue\r\nExpect: a-pony\r\n\r\n")},
};

/* As a connection does it, byte by byte: -1 when the end never comes. */
static int judge(struct str bytes, struct http_request *ret_request, struct framing *ret)
{
    size_t at = 0, head_bytes = 0;

    for (size_t n = 1; n <= bytes.n; n++)
        switch (framing_find_end(str_sub(bytes, 0, n), &at, &head_bytes)) {
        case FRAMING_MORE:
            break;
        case FRAMING_BROKEN:
            return 400;
        case FRAMING_COMPLETE:
            assert_int_equal(head_bytes, n);
            return framing_check(str_sub(bytes, 0, n), ret_request, ret).status;
        }
    return -1;
}

static void refuses_what_two_servers_could_read_differently(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct http_request request = {0};
        struct framing framing;
        size_t at = 0, head_bytes = 0;
        int status = judge(heads[i].head, &request, &framing);
        if (status != heads[i].status)
            fail_msg("%.*s\nexpected %d, got %d", STR_ARG(heads[i].head), heads[i].status, status);
        /* The search gives the same verdict when all comes at once. */
        if (status == 0) {
            assert_int_equal(framing_find_end(heads[i].head, &at, &head_bytes), FRAMING_COMPLETE);
            assert_int_equal(head_bytes, heads[i].head.n);
        }
    }
}

static void says_what_it_understood(void **state)
{
    struct http_request r = {0};
    struct framing f;

    (void)state;
    assert_int_equal(judge(S("PUT /a%2fb?x=1&y=?z HTTP/1.1\r\nHost: a\r\nX-Token: \t secret \r\nEmpty:\r\n"
                             "Content-Length: 70000\r\nExpect: 100-Continue\r\nConnection: foo, Close\r\n\r\n"),
                           &r, &f),
                     0);
    assert_int_equal(r.method, HTTP_PUT);
    assert_true(str_equal(r.path, S("/a%2fb")));
    assert_true(str_equal(r.query, S("x=1&y=?z")));
    assert_int_equal(r.header_count, 6);
    assert_true(str_equal(http_header_get(&r, S("x-tOKEN")), S("secret")));
    assert_true(str_is_set(http_header_get(&r, S("empty"))));
    assert_false(str_is_set(http_header_get(&r, S("x-toke"))));
    assert_int_equal(f.content_length, 70000);
    assert_true(f.expects_continue);
    assert_false(f.keeps_alive);

    assert_int_equal(judge(S("GET /? HTTP/1.0\r\nConnection: Keep-Alive\r\nExpect: 100-continue\r\n\r\n"), &r, &f), 0);
    assert_true(f.keeps_alive);
    assert_false(f.expects_continue);
    assert_true(str_is_set(r.query));
    assert_int_equal(r.query.n, 0);
    assert_int_equal(judge(S("GET / HTTP/1.0\r\n\r\n"), &r, &f), 0);
    assert_false(f.keeps_alive);
    assert_false(str_is_set(r.query));
    assert_int_equal(r.header_count, 0);

    /* What was understood of a refused head serves its refusal. */
    assert_int_equal(judge(S("POST /face/x?y HTTP/1.1\r\n\r\n"), &r, &f), 400);
    assert_true(str_equal(r.path, S("/face/x")));
    assert_int_equal(judge(S("POST x HTTP/1.1\r\n\r\n"), &r, &f), 400);
    assert_false(str_is_set(r.path));
}

static void counts_fields(void **state)
{
    struct http_request r = {0};
    struct framing f;

    (void)state;
    for (int fields = HTTP_FIELDS_MAX; fields <= HTTP_FIELDS_MAX + 1; fields++) {
        AUTOBUF head;
        buf_init(&head, HTTP_HEAD_MAX);
        buf_add(&head, S(GET HOST));
        for (int i = 1; i < fields; i++)
            buf_add(&head, S("X: y\r\n"));
        buf_add(&head, S(END));
        assert_int_equal(judge(buf_str(&head), &r, &f), fields <= HTTP_FIELDS_MAX ? 0 : 431);
        assert_int_equal(r.header_count, HTTP_FIELDS_MAX);
    }
}

static void survives_every_cut_and_every_changed_byte(void **state)
{
    static const struct str whole = S("POST /a?b HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\nX: y\r\n\r\n");
    struct http_request r = {0};
    struct framing f;

    (void)state;
    for (size_t n = 0; n < whole.n; n++) {
        char *exact = malloc(n ? n : 1); /* so that a read behind it is seen */
        memcpy(exact, whole.p, n);
        assert_int_equal(judge((struct str){exact, n}, &r, &f), -1);
        assert_int_not_equal(framing_check((struct str){exact, n}, &r, &f).status, 0);
        free(exact);
    }
    for (size_t at = 0; at < whole.n; at++)
        for (int byte = 0; byte < 256; byte++) {
            char *changed = malloc(whole.n);
            memcpy(changed, whole.p, whole.n);
            changed[at] = (char)byte;
            int status = judge((struct str){changed, whole.n}, &r, &f);
            bool is_line_end = whole.p[at] == '\r' || whole.p[at] == '\n';
            if (is_line_end && (char)byte != whole.p[at])
                assert_true(status == 400 || status == -1);
            if (byte == 0 || ((byte == '\r' || byte == '\n') && (char)byte != whole.p[at]))
                assert_int_equal(status, 400);
            free(changed);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_two_servers_could_read_differently),
        cmocka_unit_test(says_what_it_understood),
        cmocka_unit_test(counts_fields),
        cmocka_unit_test(survives_every_cut_and_every_changed_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
