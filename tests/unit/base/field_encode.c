/* base/field_encode.c, field_schema.c: replies and the schema come from the same rows. */
#include "base/field.h"
#include "base/secret_open.h"
#include "check.h"

struct part {
    struct str name;
    int64_t id;
};
struct whole {
    struct str text, note, raw, only_input;
    int64_t number, id, id_text, id_none, when, never, maybe;
    bool flag;
    struct opt_int opt_int, no_int;
    struct opt_bool opt_flag, no_flag;
    struct secret *secret;
    struct part *part, *no_part;
    struct list parts, ints, texts;
};

static const char *const words[] = {"Low", "High", NULL};

static const struct field part_fields[] = {TEXT("name", struct part, name, .required = true, .max = 50),
                                           ID("id", struct part, id, .is_output = true), FIELD_END};

static const struct field whole_fields[] = {
    TEXT("text", struct whole, text, .words = words, .doc = "How \"much\"", .example = "Low"),
    TEXT("note", struct whole, note, .null_when_empty = true, .max = 255, .or_text = "none"),
    RAW("raw", struct whole, raw),
    TEXT("onlyInput", struct whole, only_input, .is_input = true, .required = true),
    INT("number", struct whole, number, .min = 1, .max = 300, .or_int = 30, .example = "60"),
    ID("id", struct whole, id),
    ID_TEXT("idText", struct whole, id_text),
    ID_TEXT("idNone", struct whole, id_none),
    INT("maybe", struct whole, maybe, .null_when_empty = true),
    TIME("when", struct whole, when, .format = TIME_BARE),
    TIME("never", struct whole, never, .format = TIME_Z_MILLI),
    FLAG("flag", struct whole, flag),
    OPT_INT("optInt", struct whole, opt_int),
    OPT_INT("noInt", struct whole, no_int),
    OPT_FLAG("optFlag", struct whole, opt_flag),
    OPT_FLAG("noFlag", struct whole, no_flag),
    SECRET("secret", struct whole, secret, .required = true, .max = 100),
    OBJECT("part", struct whole, part, struct part, part_fields),
    OBJECT("noPart", struct whole, no_part, struct part, part_fields),
    LIST("parts", struct whole, parts, struct part, part_fields, .max = 50),
    INTS("ints", struct whole, ints),
    TEXTS("texts", struct whole, texts),
    FIELD_END};

static struct str encoded(struct arena *a, const struct whole *w, field_reveal reveal)
{
    AUTOBUF b;
    buf_init(&b, 10000);
    struct json_writer writer = {&b, false};
    fields_encode(whole_fields, w, &writer, a, reveal);
    assert_false(b.has_failed);
    return arena_str(a, buf_str(&b));
}

static void reveal_openly(struct json_writer *w, const struct secret *s)
{
    json_write_str(w, secret_open(s));
}

static void every_kind_is_written(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct part parts[] = {{S("one"), 1}, {S("two"), 2}};
    int64_t ints[] = {3, -4};
    struct str texts[] = {S("x"), S("")};
    struct whole w = {.text = S("High"),
                      .note = S(""),
                      .raw = S("[1]"),
                      .only_input = S("hidden"),
                      .number = 5,
                      .id = 7,
                      .id_text = 1630,
                      .when = 1500 * SECONDS / 1000,
                      .flag = true,
                      .opt_int = {true, 0},
                      .opt_flag = {true, false},
                      .secret = secret_new(a, "hunter2", 7),
                      .part = &parts[0],
                      .parts = {parts, 2, true},
                      .ints = {ints, 2, true},
                      .texts = {texts, 2, true}};
    const char *start =
        "{\"text\":\"High\",\"note\":null,\"raw\":[1],\"number\":5,\"id\":7,\"idText\":\"1630\","
        "\"idNone\":\"\",\"maybe\":null,\"when\":\"1970-01-01T00:00:01.5\",\"never\":null,\"flag\":true,"
        "\"optInt\":0,\"noInt\":null,\"optFlag\":false,\"noFlag\":null,\"secret\":";
    const char *end = ",\"part\":{\"name\":\"one\",\"id\":1},\"noPart\":null,\"parts\":[{\"name\":\"one\",\"id\":1},"
                      "{\"name\":\"two\",\"id\":2}],\"ints\":[3,-4],\"texts\":[\"x\",\"\"]}";
    assert_text(encoded(a, &w, NULL), arena_printf(a, "%snull%s", start, end).p);
    assert_text(encoded(a, &w, reveal_openly), arena_printf(a, "%s\"hunter2\"%s", start, end).p);
    w = (struct whole){0};
    struct str empty = encoded(a, &w, reveal_openly);
    assert_true(str_find(empty, S("\"secret\":null")) > 0 && str_find(empty, S("\"parts\":[]")) > 0);
    assert_true(str_find(empty, S("\"text\":null")) > 0 && str_find(empty, S("\"raw\":null")) > 0);
}

static struct str schema(struct arena *a, const struct field *fields, bool for_input)
{
    AUTOBUF b;
    buf_init(&b, 20000);
    struct json_writer w = {&b, false};
    fields_schema(fields, for_input, &w);
    assert_false(b.has_failed);
    struct json j;
    json_init(&j, buf_str(&b), 0, a);
    assert_code(json_skip(&j, NULL), OK);
    assert_code(json_end(&j, NULL), OK);
    return arena_str(a, buf_str(&b));
}

static void the_schema_follows_the_rows(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    assert_text(schema(a, part_fields, true), "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":"
                                              "{\"type\":\"string\",\"minLength\":1,\"maxLength\":50}}}");
    assert_text(
        schema(a, part_fields, false),
        "{\"type\":\"object\",\"required\":[\"name\",\"id\"],\"properties\":{\"name\":{\"type\":\"string\","
        "\"maxLength\":50,\"nullable\":true},\"id\":{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":0}}}");
    struct str input = schema(a, whole_fields, true), output = schema(a, whole_fields, false);
    static const char *const in_input[] = {
        "\"required\":[\"onlyInput\",\"secret\"]",
        "\"enum\":[\"Low\",\"High\",null],\"nullable\":true,\"description\":\"How \\\"much\\\"\",\"example\":\"Low\"}",
        "\"maxLength\":255,\"nullable\":true,\"default\":\"none\"",
        "\"minimum\":1,\"maximum\":300,\"nullable\":true,\"default\":30,\"example\":60",
        "\"secret\":{\"type\":\"string\",\"format\":\"password\",\"minLength\":1,\"maxLength\":100}",
        "\"parts\":{\"type\":\"array\",\"maxItems\":50,\"items\":{\"type\":\"object\"",
        "\"never\":{\"type\":\"string\",\"format\":\"date-time\",\"nullable\":true}",
    };
    for (size_t i = 0; i < sizeof(in_input) / sizeof(*in_input); i++)
        if (str_find(input, str_of(in_input[i])) < 0)
            fail_msg("%s is not in %s", in_input[i], input.p);
    assert_int_equal(str_find(output, S("onlyInput")), -1);
    assert_int_equal(str_find(output, S("default")), -1);
    assert_true(str_find(output, S("\"when\":{\"type\":\"string\",\"nullable\":true}")) > 0);
    static const struct field nothing[] = {FIELD_END};
    assert_text(schema(a, nothing, true), "{\"type\":\"object\",\"properties\":{}}");
}

RUN(cmocka_unit_test(every_kind_is_written), cmocka_unit_test(the_schema_follows_the_rows))
