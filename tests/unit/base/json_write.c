/* base/json_write.c: what is written can be read, whatever went in. */
#include "base/json.h"
#include "check.h"

static void values_and_commas(void **state)
{
    (void)state;
    AUTOBUF b;
    buf_init(&b, 1000);
    struct json_writer w = {&b, false};
    json_object_begin(&w);
    json_key(&w, S("a"));
    json_array_begin(&w);
    json_write_int(&w, INT64_MIN);
    json_write_bool(&w, true);
    json_array_begin(&w);
    json_array_end(&w);
    json_object_begin(&w);
    json_object_end(&w);
    json_write_null(&w);
    json_array_end(&w);
    json_key(&w, S("b\""));
    json_write_str(&w, STR_ABSENT);
    json_key(&w, S("c"));
    json_write_raw(&w, S("{\"x\":1}"));
    json_key(&w, S("d"));
    json_write_bool(&w, false);
    json_object_end(&w);
    assert_text(buf_str(&b),
                "{\"a\":[-9223372036854775808,true,[],{},null],\"b\\\"\":null,\"c\":{\"x\":1},\"d\":false}");
}

static void texts_are_escaped(void **state)
{
    (void)state;
    AUTOBUF b;
    buf_init(&b, 1000);
    struct json_writer w = {&b, false};
    json_write_str(&w, S("a/\"\\\b\f\n\r\t\x01\x1f\x7f é😀"));
    assert_text(buf_str(&b), "\"a/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f é😀\"");
    buf_clear(&b);
    w.needs_comma = false;
    json_write_str(&w, S("x\xFF\xC3y"));
    assert_text(buf_str(&b), "\"x\xEF\xBF\xBDy\"");
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    for (unsigned seed = 1; seed < 300; seed++) {
        char text[40];
        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = (char)(1 + (seed * 31 + i * 17 + seed * i) % 127);
        AUTOBUF b;
        buf_init(&b, 1000);
        struct json_writer w = {&b, false};
        json_write_str(&w, (struct str){text, sizeof(text)});
        struct json j;
        struct str got;
        json_init(&j, buf_str(&b), 0, a);
        assert_code(json_string(&j, &got, NULL), OK);
        assert_true(str_equal(got, (struct str){text, sizeof(text)}));
    }
}

static void the_ceiling_is_the_buffers(void **state)
{
    (void)state;
    AUTOBUF b;
    buf_init(&b, 5);
    struct json_writer w = {&b, false};
    json_write_str(&w, S("abcd"));
    assert_true(b.has_failed);
}

RUN(cmocka_unit_test(values_and_commas), cmocka_unit_test(texts_are_escaped),
    cmocka_unit_test(what_is_written_is_read_back), cmocka_unit_test(the_ceiling_is_the_buffers))
