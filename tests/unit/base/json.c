/* base/json.c: hostile texts, exact numbers, secrets wiped at the source. */
#include "base/json.h"

#include "base/secret_open.h"
#include "check.h"

static result skim(struct arena *a, struct str text, unsigned flags, struct err *e)
{
    struct json j;
    /* A copy of exactly this size on the heap: ASan sees a read past its end. */
    char *copy = malloc(text.n + !text.n);
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    json_init(&j, (struct str){copy, text.n}, flags, a);
    result r = json_skip(&j, e);
    if (is_ok(r))
        r = json_end(&j, e);
    free(copy);
    return r;
}

static const char *const hostile[] = {
    "",
    " ",
    "{",
    "}",
    "[",
    "]",
    "{]",
    "[}",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1,,2]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\" 1}",
    "{,}",
    "{\"a\":1,}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1}}",
    "1 2",
    "nul",
    "nulll",
    "tru",
    "True",
    "None",
    "NaN",
    "Infinity",
    "-Infinity",
    "undefined",
    "01",
    "-",
    "-01",
    "+1",
    ".5",
    "1.",
    "1.e2",
    "1e",
    "1e+",
    "0x10",
    "1_000",
    "--1",
    "\"",
    "\"a",
    "\"\\",
    "\"\\\"",
    "\"\\x41\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\uD800\"",
    "\"\\uDC00\"",
    "\"\\uD800\\uD800\"",
    "\"\\uD800x\"",
    "\"\\uD800\\n\"",
    "\"\\uD800\\u\"",
    "\"\\u0000\"",
    "\"\n\"",
    "\"\t\"",
    "\"\x1f\"",
    "\"\x80\"",
    "\"\xC3\"",
    "\"\xC0\x80\"",
    "\"\xED\xA0\x80\"",
    "\"\xF4\x90\x80\x80\"",
    "{\"\xFF\":1}",
    "'a'",
    "{'a':1}",
    "// c\n1",
    "/* c */1",
    "\xEF\xBB\xBF{}",
    "[1]x",
    "\"a\"\"b\"",
    "\v1",
    "\xC2\xA0[]",
    "{\"a\":1,\"b\"",
    "[[[",
    "[\"a\",",
    "{\"a\":\"\\'\"}",
    "[1}",
    "{\"a\":1]",
};

static void hostile_texts_are_refused(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
        struct err e = {0};
        if (is_ok(skim(a, str_of(hostile[i]), 0, &e)))
            fail_msg("accepted %s", hostile[i]);
        assert_int_equal(e.code, INVALID);
        assert_true(str_starts(str_of(e.text), S("not valid JSON at byte ")));
    }
    assert_code(skim(a, S("\"a\0b\""), 0, NULL), INVALID);
    assert_code(skim(a, S("1\0"), 0, NULL), INVALID);
}

static void good_texts_are_taken(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    static const char *const good[] = {
        "{}",
        "[]",
        " \t\r\n[ ] ",
        "0",
        "-0",
        "-0.0e-10",
        "1e999",
        "123456789012345678901234567890",
        "\"\"",
        "null",
        "[true,false,null]",
        "{\"a\":{\"b\":[1,{\"c\":\"d\"}]},\"e\":[]}",
        "{ \"a\" : 1 , \"b\" : [ 1 , 2 ] }",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
        "\"é😀\x7f\"",
        "{\"a\":1,\"a\":2}",
        "[[],[[]],{}]",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct err e = {0};
        if (!is_ok(skim(a, str_of(good[i]), 0, &e)))
            fail_msg("refused %s: %s", good[i], e.text);
    }
}

static void every_prefix_of_a_good_text_is_refused(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str whole = S("{\"a\":[1.5e3,true,null,\"\\ud83d\\ude00é\",{\"b\":{}}],\"c\":\"x\\n\"}");
    assert_code(skim(a, whole, 0, NULL), OK);
    for (size_t n = 0; n < whole.n; n++)
        assert_code(skim(a, str_sub(whole, 0, n), 0, NULL), INVALID);
}

static struct str nested(struct arena *a, size_t depth, const char *open, const char *close)
{
    AUTOBUF b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < depth; i++)
        buf_add(&b, str_of(open));
    buf_add(&b, S("1"));
    for (size_t i = 0; i < depth; i++)
        buf_add(&b, str_of(close));
    return arena_str(a, buf_str(&b));
}

static void depth_is_bounded(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    assert_code(skim(a, nested(a, 32, "[", "]"), 0, NULL), OK);
    assert_code(skim(a, nested(a, 33, "[", "]"), 0, NULL), INVALID);
    assert_code(skim(a, nested(a, 32, "{\"k\":", "}"), 0, NULL), OK);
    assert_code(skim(a, nested(a, 33, "{\"k\":", "}"), 0, NULL), INVALID);
    assert_code(skim(a, nested(a, 100000, "[", "]"), 0, NULL), INVALID);
    /* What was entered before the skip counts, what was left again does not. */
    struct json j;
    struct str text = nested(a, 33, "[", "]");
    json_init(&j, text, 0, a);
    assert_code(json_enter(&j, '[', NULL), OK);
    assert_code(json_skip(&j, NULL), INVALID);
    AUTOBUF wide;
    buf_init(&wide, 10000);
    buf_add(&wide, S("[[]"));
    for (int i = 0; i < 100; i++)
        buf_add(&wide, S(",[{}]"));
    buf_add(&wide, S("]"));
    assert_code(skim(a, buf_str(&wide), 0, NULL), OK);
}

static void errors_name_the_byte_and_not_the_content(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct err e;
    assert_code(skim(a, S("{\"password\":\"hunter2\",\"x\":hunter2}"), 0, &e), INVALID);
    assert_string_equal(e.text, "not valid JSON at byte 26: a value is expected");
    assert_code(skim(a, S("[\"hunter2\\ud800\"]"), 0, &e), INVALID);
    assert_string_equal(e.text, "not valid JSON at byte 9: a surrogate stands alone");
    assert_code(skim(a, S("[1 2]"), 0, &e), INVALID);
    assert_string_equal(e.text, "not valid JSON at byte 3: a comma or ']' is expected");
}

static bool int_of(struct arena *a, const char *text, int64_t *ret)
{
    struct json j;
    json_init(&j, str_of(text), 0, a);
    return is_ok(json_int(&j, ret, NULL)) && is_ok(json_end(&j, NULL));
}

static void whole_numbers_are_exact(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"7", 7},
                {"1.0", 1},
                {"1e2", 100},
                {"1.5e1", 15},
                {"100e-2", 1},
                {"-12.340e2", -1234},
                {"0e999999999999999999999", 0},
                {"0.000e-5", 0},
                {"9007199254740993", 9007199254740993},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"9.223372036854775807e18", INT64_MAX},
                {"9223372036854775807000e-3", INT64_MAX}};
    static const char *const bad[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "1.5",
                                      "1e-1",
                                      "0.1",
                                      "1e19",
                                      "1e999999999999999999999",
                                      "1e-999999999999999999999",
                                      "123456789012345678901",
                                      "1.0000000000000000000001",
                                      "\"1\"",
                                      "true",
                                      "null",
                                      "",
                                      "-"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        int64_t value = 0;
        if (!int_of(a, good[i].text, &value))
            fail_msg("refused %s", good[i].text);
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int64_t value = 77;
        if (int_of(a, bad[i], &value))
            fail_msg("accepted %s", bad[i]);
        assert_int_equal(value, 77);
    }
}

static void strings_are_decoded(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct json j;
    struct str got;
    json_init(&j, S(" \"a\\u00e9\\u20ac\\ud83d\\ude00\\n\\/\\\"\\u0041\""), 0, a);
    assert_code(json_string(&j, &got, NULL), OK);
    assert_text(got, "aé€😀\n/\"A");
    assert_int_equal(got.p[got.n], 0);
    json_init(&j, S("\"\""), 0, a);
    assert_code(json_string(&j, &got, NULL), OK);
    assert_text(got, "");
}

static void keys_and_items_are_walked(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct json j;
    struct str key;
    bool more, flag;
    int64_t value;
    enum json_type type;
    json_init(&j, S("{\"a\\u0062\":[1, 2 ],\"c\":{},\"d\":false}"), 0, a);
    assert_code(json_enter(&j, '[', NULL), INVALID);
    assert_code(json_enter(&j, '{', NULL), OK);
    assert_true(is_ok(json_next_key(&j, &key, &more, NULL)) && more);
    assert_text(key, "ab");
    assert_code(json_enter(&j, '[', NULL), OK);
    for (int64_t i = 1; i <= 2; i++) {
        assert_true(is_ok(json_next_item(&j, &more, NULL)) && more);
        assert_code(json_int(&j, &value, NULL), OK);
        assert_int_equal(value, i);
    }
    assert_true(is_ok(json_next_item(&j, &more, NULL)) && !more);
    assert_true(is_ok(json_next_key(&j, &key, &more, NULL)) && more);
    assert_true(is_ok(json_peek(&j, &type, NULL)) && type == JSON_OBJECT);
    assert_code(json_enter(&j, '{', NULL), OK);
    assert_true(is_ok(json_next_key(&j, &key, &more, NULL)) && !more);
    assert_true(is_ok(json_next_key(&j, &key, &more, NULL)) && more);
    assert_true(is_ok(json_bool(&j, &flag, NULL)) && !flag);
    assert_true(is_ok(json_next_key(&j, &key, &more, NULL)) && !more);
    assert_code(json_end(&j, NULL), OK);
}

static void a_secret_is_wiped_at_its_source(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    char body[] = "{\"p\":\"hunter2\\u00e9\",\"q\":1}";
    size_t n = strlen(body);
    struct json j;
    struct str key;
    bool more;
    struct secret *s;
    json_init(&j, (struct str){body, n}, 0, a);
    assert_code(json_enter(&j, '{', NULL), OK);
    assert_code(json_next_key(&j, &key, &more, NULL), OK);
    assert_code(json_secret(&j, &s, NULL), OK);
    assert_text(secret_open(s), "hunter2é");
    assert_memory_equal(body, "{\"p\":\"\0\0\0\0\0\0\0\0\0\0\0\0\0\",\"q\":1}", n);
    assert_true(is_ok(json_next_key(&j, &key, &more, NULL)) && more);
    assert_text(key, "q");
}

static void leniency_is_asked_for(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    static const char *const good[] = {"{'Reason': 'x'}",        "'a\"b'",      "'it\\'s'",
                                       "[True,False,None,true]", "{\"a\":'b'}", "\"it's\""};
    static const char *const bad[] = {"'a\"", "\"a'", "{a:1}", "TRUE", "[1,]", "'\n'", "nONE", "''''"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_code(skim(a, str_of(good[i]), JSON_LENIENT, NULL), OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_code(skim(a, str_of(bad[i]), JSON_LENIENT, NULL), INVALID);
    struct json j;
    struct str got;
    json_init(&j, S("'it\\'s \"x\"'"), JSON_LENIENT, a);
    assert_code(json_string(&j, &got, NULL), OK);
    assert_text(got, "it's \"x\"");
}

RUN(cmocka_unit_test(hostile_texts_are_refused), cmocka_unit_test(good_texts_are_taken),
    cmocka_unit_test(every_prefix_of_a_good_text_is_refused), cmocka_unit_test(depth_is_bounded),
    cmocka_unit_test(errors_name_the_byte_and_not_the_content), cmocka_unit_test(whole_numbers_are_exact),
    cmocka_unit_test(strings_are_decoded), cmocka_unit_test(keys_and_items_are_walked),
    cmocka_unit_test(a_secret_is_wiped_at_its_source), cmocka_unit_test(leniency_is_asked_for))
