/* base/field_decode.c: the rows refuse, coerce and report as they say. */
#include "base/field.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "check.h"

struct part {
    struct str name;
    struct secret *value;
};
struct whole {
    struct str name, note, level, raw, padded;
    int64_t count, any, id, id_text, when;
    bool flag, on;
    struct opt_int opt_int;
    struct opt_bool opt_flag;
    struct secret *password;
    struct part *owner;
    struct list parts, ints, texts;
};

static const char *plain(struct str s)
{
    return text_is_plain_name(s) ? NULL : "has special characters";
}

static const char *const levels[] = {"Low", "High", NULL};

static const struct field part_fields[] = {
    TEXT("name", struct part, name, .required = true, .max = 5, .check = plain),
    SECRET("value", struct part, value, .max = 8),
    FIELD_END,
};

static const struct field whole_fields[] = {
    TEXT("name", struct whole, name, .required = true, .min = 2, .max = 5, .check = plain, .alias = "title"),
    TEXT("note", struct whole, note, .or_text = "none"),
    TEXT("level", struct whole, level, .words = levels),
    TEXT("padded", struct whole, padded, .keeps_blanks = true, .max = 3),
    INT("count", struct whole, count, .min = 1, .max = 300, .or_int = 30),
    INT("any", struct whole, any),
    ID("id", struct whole, id),
    ID_TEXT("idText", struct whole, id_text, .once = true),
    TIME("when", struct whole, when),
    FLAG("flag", struct whole, flag),
    FLAG("on", struct whole, on, .or_flag = true),
    OPT_INT("optInt", struct whole, opt_int),
    OPT_FLAG("optFlag", struct whole, opt_flag),
    SECRET("password", struct whole, password, .min = 3, .max = 8),
    RAW("raw", struct whole, raw, .max = 20),
    OBJECT("owner", struct whole, owner, struct part, part_fields),
    LIST("parts", struct whole, parts, struct part, part_fields, .max = 10),
    INTS("ints", struct whole, ints, .max = 9),
    TEXTS("texts", struct whole, texts, .check = plain),
    INT("made", struct whole, any, .is_output = true),
    FIELD_END,
};

static result decode(struct arena *a, const char *text, unsigned flags, struct whole *into, struct err *e)
{
    struct json j;
    struct str body = arena_str(a, str_of(text)); /* writable: secrets are wiped in it */
    *into = (struct whole){0};
    json_init(&j, body, flags, a);
    TRY(fields_decode(whole_fields, &j, into, e));
    return json_end(&j, e);
}

static const char whole_body[] =
    "{\"name\":\" \\u00e4bc \",\"level\":\"hIGH\",\"padded\":\" x \",\"count\":1e2,\"any\":-5,\"id\":\"7\","
    "\"idText\":1630,\"when\":\"1970-01-01T00:00:01Z\",\"flag\":true,\"on\":false,\"optInt\":0,"
    "\"optFlag\":false,\"password\":\" pw \",\"raw\": {\"a\": [1]} ,\"owner\":{\"name\":\"o\"},"
    "\"parts\":[{\"name\":\"p1\",\"value\":\"v\"},{\"name\":\"p2\"}],\"ints\":[1,2,3,4,5,6,7,8,9],"
    "\"texts\":[\" a \",\"b\"],\"unknown\":{\"x\":[null]},\"made\":\"ignored\"}";

static void a_whole_body_is_decoded(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct whole w;
    struct err e;
    if (!is_ok(decode(a, whole_body, 0, &w, &e)))
        fail_msg("%s", e.text);
    assert_text(w.name, "äbc");
    assert_text(w.level, "High");
    assert_text(w.padded, " x ");
    assert_true(w.count == 100 && w.any == -5 && w.id == 7 && w.id_text == 1630 && w.when == SECONDS);
    assert_true(w.flag && !w.on && w.opt_int.is_set && w.opt_flag.is_set && !w.opt_flag.value);
    assert_text(secret_open(w.password), " pw ");
    assert_text(w.raw, "{\"a\": [1]}");
}

static void what_is_nested_is_decoded(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct whole w;
    assert_code(decode(a, whole_body, 0, &w, NULL), OK);
    assert_text(w.owner->name, "o");
    const struct part *parts = w.parts.at;
    assert_true(w.parts.is_set && w.parts.n == 2 && w.ints.n == 9 && w.texts.n == 2);
    assert_text(secret_open(parts[0].value), "v");
    assert_null(parts[1].value);
    assert_int_equal(((int64_t *)w.ints.at)[8], 9);
    assert_text(((struct str *)w.texts.at)[0], "a");
}

static void null_and_absent_are_the_default(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct whole w;
    static const char *const bodies[] = {
        "{\"name\":\"ab\"}", "{\"name\":\"ab\",\"note\":null,\"count\":null,\"on\":null,\"optInt\":null,\"owner\":null,"
                             "\"parts\":null,\"password\":null,\"when\":null,\"raw\":null}"};
    for (int i = 0; i < 2; i++) {
        assert_code(decode(a, bodies[i], 0, &w, NULL), OK);
        assert_text(w.note, "none");
        assert_true(w.count == 30 && w.on && !w.opt_int.is_set && !w.parts.is_set && !w.owner && !w.password);
        assert_true(!w.when && !str_is_set(w.raw) && !str_is_set(w.level));
    }
}

static const struct {
    const char *body; /* beside a good name */
    unsigned flags;
    const char *text;
} faults[] = {
    {"\"title\":\"cd\"", 0, "name: given twice"},
    {"\"note\":\"a\",\"note\":\"b\"", 0, "note: given twice"},
    {"\"note\":\"a\",\"NOTE\":\"b\"", JSON_FOLD_KEYS, "note: given twice"},
    {"\"idText\":1,\"idText\":2", JSON_LAST_WINS, "idText: given twice"},
    {"\"password\":\"abc\",\"password\":\"def\"", JSON_LAST_WINS, "password: given twice"},
    {"\"level\":\"mid\"", 0, "level: must be one of Low, High"},
    {"\"padded\":\" xx \"", 0, "padded: more than 3 characters"},
    {"\"note\":3", 0, "note: must be a string"},
    {"\"note\":true", JSON_COERCE, "note: must be a string"},
    {"\"note\":[\"a\"]", JSON_COERCE, "note: must be a string"},
    {"\"count\":0", 0, "count: must be between 1 and 300"},
    {"\"count\":301", 0, "count: must be between 1 and 300"},
    {"\"count\":1.5", 0, "count: must be a whole number"},
    {"\"count\":\"5\"", 0, "count: must be a whole number"},
    {"\"count\":\"5x\"", JSON_COERCE, "count: must be a whole number"},
    {"\"any\":9223372036854775808", 0, "any: must be a whole number"},
    {"\"any\":true", JSON_COERCE, "any: must be a whole number"},
    {"\"id\":-1", 0, "id: must be an id"},
    {"\"id\":\"x\"", 0, "id: must be an id"},
    {"\"id\":1.5", 0, "id: must be an id"},
    {"\"idText\":{}", 0, "idText: must be an id"},
    {"\"when\":\"yesterday\"", 0, "when: must be a time such as 2025-01-05T09:12:33Z"},
    {"\"when\":5", JSON_COERCE, "when: must be a time such as 2025-01-05T09:12:33Z"},
    {"\"flag\":\"true\"", 0, "flag: must be true or false"},
    {"\"flag\":1", 0, "flag: must be true or false"},
    {"\"flag\":2", JSON_COERCE, "flag: must be true or false"},
    {"\"optFlag\":\"yes\"", JSON_COERCE, "optFlag: must be true or false"},
    {"\"optInt\":\"\"", JSON_COERCE, "optInt: must be a whole number"},
    {"\"password\":\"ab\"", 0, "password: fewer than 3 bytes"},
    {"\"password\":\"ääääx\"", 0, "password: more than 8 bytes"},
    {"\"password\":123", 0, "password: must be a string"},
    {"\"password\":{\"a\":1}", JSON_COERCE, "password: must be a string"},
    {"\"raw\":[1,2,3,4,5,6,7,8,9,10]", 0, "raw: more than 20 bytes"},
    {"\"owner\":[]", 0, "owner: must be an object"},
    {"\"owner\":{}", 0, "owner.name: is required"},
    {"\"owner\":{\"name\":\"a/b\"}", 0, "owner.name: has special characters"},
    {"\"parts\":{}", 0, "parts: must be an array"},
    {"\"parts\":[{\"name\":\"a\"},3]", 0, "parts[1]: must be an object"},
    {"\"parts\":[{\"name\":\"a\"},null]", 0, "parts[1]: must be an object"},
    {"\"parts\":[{\"name\":\"a\"},{\"name\":\"b\",\"value\":\"123456789\"}]", 0, "parts[1].value: more than 8 bytes"},
    {"\"parts\":[{\"name\":\"a\",\"name\":\"b\"}]", 0, "parts[0].name: given twice"},
    {"\"ints\":[1,\"2\"]", 0, "ints[1]: must be a whole number"},
    {"\"ints\":[1,2,3,4,5,6,7,8,9,10]", 0, "ints: more than 9 elements"},
    {"\"texts\":[\"a\",\"<\",null]", 0, "texts[1]: has special characters\ntexts[2]: must be a string"},
    {"\"x\":1", JSON_REFUSE_UNKNOWN, "x: unknown field"},
    {"\"made\":1", JSON_REFUSE_UNKNOWN, "made: unknown field"},
    {"\"owner\":{\"name\":\"a\",\"x\":1}", JSON_REFUSE_UNKNOWN, "owner.x: unknown field"},
    {"\"a\\n\\u00e91234567890123456789012345678901234567890123456789\":1", JSON_REFUSE_UNKNOWN,
     "a???1234567890123456789012345678901234567890123456: unknown field"},
    {"\"count\":0,\"flag\":3,\"id\":[]", 0,
     "count: must be between 1 and 300\nflag: must be true or false\nid: must be an id"},
};

static void each_fault_has_its_line(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        struct whole w;
        struct err e = {.code = INVALID, .text = "left by somebody else"};
        struct str body = arena_printf(a, "{\"name\":\"ab\",%s}", faults[i].body);
        if (is_ok(decode(a, body.p, faults[i].flags, &w, &e)))
            fail_msg("accepted %s", faults[i].body);
        assert_string_equal(e.text, faults[i].text);
        assert_int_equal(e.code, INVALID);
    }
}

static void a_name_is_required_and_checked(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    static const char *const name_faults[][2] = {
        {"{}", "name: is required"},
        {"{\"name\":null}", "name: is required"},
        {"{\"name\":\"\"}", "name: is required"},
        {"{\"name\":\" \\u00a0 \"}", "name: is required"},
        {"{\"name\":\"a\"}", "name: fewer than 2 characters"},
        {"{\"name\":\"abcdef\"}", "name: more than 5 characters"},
        {"{\"name\":\"\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\"}", "name: more than 5 characters"},
        {"{\"name\":\"a<\"}", "name: has special characters"},
        {"{\"name\":3}", "name: must be a string"},
        {"{\"Name\":\"ab\"}", "name: is required"},
        {"[]", "not valid JSON at byte 0: an object is expected"},
        {"{\"name\":3,\"count\":0,}", "not valid JSON at byte 20: a string is expected"},
        {"{\"name\":\"ab\"} x", "not valid JSON at byte 14: more text after the value"},
    };
    for (size_t i = 0; i < sizeof(name_faults) / sizeof(*name_faults); i++) {
        struct whole w;
        struct err e;
        assert_code(decode(a, name_faults[i][0], 0, &w, &e), INVALID);
        assert_string_equal(e.text, name_faults[i][1]);
    }
    struct whole w;
    assert_code(decode(a, "{\"name\":\"\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\"}", 0, &w, NULL), OK);
    assert_code(decode(a, "{\"TITLE\":\"ab\"}", JSON_FOLD_KEYS, &w, NULL), OK);
    assert_code(decode(a, "{\"name\":3}", 0, &w, NULL), INVALID);
}

static void coercion_is_asked_for(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct whole w;
    struct err e;
    const char *body = "{'Name':12,'Count':' 5 ','ID':'','flag':'TRUE','on':0,'optInt':'7','optFlag':'False',"
                       "'password':12345,'ints':['1',2],'texts':[3]}";
    if (!is_ok(decode(a, body, JSON_COERCE | JSON_LENIENT | JSON_FOLD_KEYS, &w, &e)))
        fail_msg("%s", e.text);
    assert_text(w.name, "12");
    assert_true(w.count == 5 && w.id == 0 && w.flag && !w.on && w.opt_int.value == 7);
    assert_true(w.opt_flag.is_set && !w.opt_flag.value);
    assert_text(secret_open(w.password), "12345");
    assert_int_equal(((int64_t *)w.ints.at)[0], 1);
    assert_text(((struct str *)w.texts.at)[0], "3");
}

static void the_last_wins_where_it_may(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct whole w;
    assert_code(decode(a,
                       "{\"name\":\"\",\"name\":\"ab\",\"count\":5,\"count\":null,\"note\":\"x\",\"note\":\"y\","
                       "\"ints\":[1,2],\"ints\":[3],\"on\":false,\"on\":null}",
                       JSON_LAST_WINS, &w, NULL),
                OK);
    assert_text(w.name, "ab");
    assert_text(w.note, "y");
    assert_true(w.count == 30 && w.on && w.ints.n == 1 && *(int64_t *)w.ints.at == 3);
    struct err e;
    assert_code(decode(a, "{\"name\":\"ab\",\"name\":null}", JSON_LAST_WINS, &w, &e), INVALID);
    assert_string_equal(e.text, "name: is required");
}

static void secrets_leave_the_body_and_never_reach_the_error(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    static const char *const values[] = {"\"hunter2\"", "\"hunter2hunter2\"", "77777777"};
    for (size_t i = 0; i < 3; i++) {
        struct str body = arena_printf(a, "{\"password\":%s,\"count\":0}", values[i]);
        struct whole w = {0};
        struct err e;
        struct json j;
        json_init(&j, body, JSON_COERCE, a);
        assert_code(fields_decode(whole_fields, &j, &w, &e), INVALID);
        assert_int_equal(str_find(body, S("hunter2")), -1);
        assert_int_equal(str_find(body, S("777")), -1);
        assert_int_equal(str_find(str_of(e.text), S("hunter2")), -1);
        assert_true(str_find(str_of(e.text), S("count: must be between 1 and 300")) >= 0);
    }
}

static void forms_use_the_same_rows(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct whole w = {0};
    struct err e;
    const struct pair good[] = {{S("NAME"), S(" ab ")}, {S("count"), S("5")}, {S("flag"), S("true")},
                                {S("id"), S("")},       {S("any"), S("")},    {S("password"), S("pw12")},
                                {S("texts"), S("a")},   {S("texts"), S("b")}, {S("nobody"), S("x")},
                                {S("raw"), S("1,\"2")}};
    assert_code(fields_decode_pairs(whole_fields, good, 10, a, &w, &e), OK);
    assert_text(w.name, "ab");
    assert_true(w.count == 5 && w.flag && w.id == 0 && w.any == 0 && w.texts.n == 2);
    assert_text(secret_open(w.password), "pw12");
    assert_text(w.raw, "\"1,\\\"2\"");
    const struct pair bad[] = {{S("title"), STR_ABSENT},
                               {S("count"), S("x")},
                               {S("count"), S("1")},
                               {S("note"), S("\xFF")},
                               {S("owner"), S("{}")}};
    w = (struct whole){0};
    assert_code(fields_decode_pairs(whole_fields, bad, 5, a, &w, &e), INVALID);
    assert_string_equal(e.text, "count: must be a whole number\ncount: given twice\nnote: is not UTF-8\n"
                                "owner: cannot be given in a form\nname: is required");
}

RUN(cmocka_unit_test(a_whole_body_is_decoded), cmocka_unit_test(what_is_nested_is_decoded),
    cmocka_unit_test(null_and_absent_are_the_default), cmocka_unit_test(each_fault_has_its_line),
    cmocka_unit_test(a_name_is_required_and_checked), cmocka_unit_test(coercion_is_asked_for),
    cmocka_unit_test(the_last_wins_where_it_may), cmocka_unit_test(secrets_leave_the_body_and_never_reach_the_error),
    cmocka_unit_test(forms_use_the_same_rows))
