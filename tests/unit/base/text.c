/* base/text.c: keys that compare, hostile UTF-8, encodings that have one spelling. */
#include "base/text.h"

#include "check.h"

static bool same_key(struct arena *a, const char *one, const char *other)
{
    return str_equal(text_key(a, str_of(one)), text_key(a, str_of(other)));
}

static void names_that_look_alike_have_one_key(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    assert_text(text_key(a, S("  Main Locker\t")), "main locker");
    assert_true(same_key(a, "Ärger", "ärger"));
    assert_true(same_key(a, "caf\xC3\xA9", "cafe\xCC\x81"));
    assert_true(same_key(a, "CAF\xC3\x89", "cafe\xCC\x81"));
    assert_true(same_key(a, "STRASSE", "straße"));
    assert_true(same_key(a, "ΣΊΣΥΦΟΣ", "σίσυφος"));
    assert_true(same_key(a, "\xE2\x84\xAA", "k"));                      /* Kelvin sign */
    assert_true(same_key(a, "\xC2\xA0 x\xE3\x80\x80", "X"));            /* no-break and ideographic blanks */
    assert_true(same_key(a, "α\xCD\x85\xCC\x81", "α\xCC\x81\xCD\x85")); /* marks in either order */
    assert_false(same_key(a, "a", "ä"));
    assert_false(same_key(a, "\xEF\xBC\xA1", "a")); /* fullwidth: compatibility is not wanted */
    assert_false(same_key(a, "1", "¹"));
    assert_text(text_key(a, S("")), "");
}

static struct str one_character(struct arena *a, unsigned point)
{
    if (point < 0x80)
        return arena_printf(a, "%c", point);
    if (point < 0x800)
        return arena_printf(a, "%c%c", 0xC0 | point >> 6, 0x80 | (point & 63));
    if (point < 0x10000)
        return arena_printf(a, "%c%c%c", 0xE0 | point >> 12, 0x80 | (point >> 6 & 63), 0x80 | (point & 63));
    return arena_printf(a, "%c%c%c%c", 0xF0 | point >> 18, 0x80 | (point >> 12 & 63), 0x80 | (point >> 6 & 63),
                        0x80 | (point & 63));
}

static void the_key_of_a_key_is_itself(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    for (unsigned point = 1; point < 0x20000; point++) {
        struct str s = one_character(a, point);
        bool is_surrogate = point >= 0xD800 && point <= 0xDFFF;
        assert_int_equal(text_is_utf8(s), !is_surrogate);
        struct str key = text_key(a, s);
        if (!str_equal(text_key(a, key), key))
            fail_msg("U+%04X", point);
        arena_reset(a);
    }
}

static void malformed_text_is_seen(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    static const char *const bad[] = {"\x80",
                                      "\xC3",
                                      "\xC0\xAF",
                                      "\xE0\x80\xAF",
                                      "\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF0\x80\x80\xAF",
                                      "\xFF",
                                      "\xFE",
                                      "\xF8\x88\x80\x80\x80",
                                      "a\xE2\x82",
                                      "\xE2\x28\xA1",
                                      "é\x80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct str s = str_of(bad[i]);
        assert_false(text_is_utf8(s));
        assert_false(text_is_plain_name(s));
        assert_true(text_has_control(s));
        text_key(a, s);
        text_trim(s);
        text_length(s);
    }
    assert_false(text_is_utf8(S("a\0b")));
    assert_true(text_is_utf8(S("")) && text_is_utf8(STR_ABSENT) && text_is_utf8(S("aé€😀")));
    assert_int_equal(text_length(S("aé€😀")), 4);
}

static void blanks_of_all_scripts_are_trimmed(void **state)
{
    (void)state;
    assert_text(text_trim(S(" \t\r\n\xC2\xA0\xC2\x85 a b \xE2\x80\xA8\xE3\x80\x80")), "a b");
    assert_text(text_trim(S("\xE3\x80\x80")), "");
    assert_text(text_trim(S("")), "");
    assert_false(str_is_set(text_trim(STR_ABSENT)));
    assert_text(text_trim(S("\x80 ")), "\x80");
}

static void a_start_ends_with_a_whole_character(void **state)
{
    (void)state;
    assert_text(text_start(S("abc"), 2), "ab");
    assert_text(text_start(S("abc"), 3), "abc");
    assert_text(text_start(S("aé€😀"), 99), "aé€😀");
    assert_text(text_start(S("aé€😀"), 10), "aé€😀");
    assert_text(text_start(S("aé€😀"), 9), "aé€");
    assert_text(text_start(S("aé€😀"), 6), "aé€");
    assert_text(text_start(S("aé€😀"), 5), "aé");
    assert_text(text_start(S("aé€😀"), 2), "a");
    assert_text(text_start(S("é"), 1), "");
    assert_false(str_is_set(text_start(STR_ABSENT, 1)));
}

static void plain_names(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a", "My_locker-1.2", "Schlüssel", "e\xCC\x81t\xC3\xA9", "日本語", "\xE0\xA4\x95\xE0\xA4\xBF", "\xD9\xA3"};
    static const char *const bad[] = {"",  "a/b",      "a\tb",       "a\n",       "<b>",           "a;b",   "a'b",
                                      "😀", "\xCC\x81", "a-\xCC\x81", "a\xC2\xA0", "a\xE2\x80\x8B", "a\x7f", "½"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        if (!text_is_plain_name(str_of(good[i])))
            fail_msg("refused %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (text_is_plain_name(str_of(bad[i])))
            fail_msg("accepted %s", bad[i]);
    assert_false(text_is_plain_name(S("a\0b")));
}

static void controls_and_printable(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    assert_true(text_has_control(S("a\nb")) && text_has_control(S("\x7f")) && text_has_control(S("\xC2\x9b")));
    assert_true(text_has_control(S("\0")));
    assert_false(text_has_control(S("aé 😀")));
    assert_text(text_printable(a, S("ok\x1b[31m\n\xC3\xA9."), 100), "ok?[31m???.");
    assert_text(text_printable(a, S("abcdef"), 3), "abc");
    assert_text(text_printable(a, STR_ABSENT, 3), "");
}

static void base64_has_one_spelling(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str got;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        assert_text(base64_encode(a, str_of(pairs[i][0])), pairs[i][1]);
        assert_true(base64_decode(a, str_of(pairs[i][1]), &got));
        assert_text(got, pairs[i][0]);
    }
}

static void the_two_alphabets_are_apart(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str got;
    assert_true(base64_decode(a, S("Zm8"), &got));
    assert_text(got, "fo");
    assert_text(base64url_encode(a, S("\xFB\xFF\xFE")), "-__-");
    assert_text(base64_encode(a, S("\xFB\xFF\xFE")), "+//+");
    assert_true(base64url_decode(a, S("-__-"), &got) && str_equal(got, S("\xFB\xFF\xFE")));
    static const char *const bad[] = {"Z",   "Zh==", "Zm9=",   "Zm8==", "====",    "=",
                                      "Zg=", "Z===", "Zm9v\n", "Zm 9v", "Zg==Zg=="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (base64_decode(a, str_of(bad[i]), &got))
            fail_msg("accepted %s", bad[i]);
}

static void any_bytes_survive_encoding(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str got;
    assert_false(base64url_decode(a, S("+//+"), &got) || base64url_decode(a, S("Zg=="), &got));
    assert_false(base64_decode(a, S("-__-"), &got) || base64_decode(a, S("Zg\0="), &got));
    for (size_t n = 0; n < 300; n++) {
        char bytes[300];
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(i * 37 + n);
        struct str source = {bytes, n};
        assert_true(base64_decode(a, base64_encode(a, source), &got) && str_equal(got, source));
        assert_true(base64url_decode(a, base64url_encode(a, source), &got) && str_equal(got, source));
        assert_true(hex_decode(a, hex_encode(a, source), &got) && str_equal(got, source));
    }
}

static void hex_and_percent(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str got;
    assert_text(hex_encode(a, S("\x00\xAB\xFF")), "00abff");
    assert_true(hex_decode(a, S("00aBfF"), &got) && str_equal(got, S("\x00\xAB\xFF")));
    assert_false(hex_decode(a, S("0"), &got) || hex_decode(a, S("0g"), &got) || hex_decode(a, S("0x"), &got));
    assert_true(text_is_hex(S("09afAF")));
    assert_false(text_is_hex(S("")) || text_is_hex(S("0 ")));
    assert_true(text_is_fingerprint(S("SHA256:uNiVztksCsDhcc0u9e8BrWXVUEmNQ5cpmYO3M7d3+/I")));
    assert_false(text_is_fingerprint(S("SHA256:uNiVztksCsDhcc0u9e8BrWXVUEmNQ5cpmYO3M7d3bY")));
    assert_false(text_is_fingerprint(S("SHA256:uNiVztksCsDhcc0u9e8BrWXVUEmNQ5cpmYO3M7d3bY=")));
    assert_false(text_is_fingerprint(S("sha256:uNiVztksCsDhcc0u9e8BrWXVUEmNQ5cpmYO3M7d3bYI")) ||
                 text_is_fingerprint(STR_ABSENT));
    assert_true(percent_decode(a, S("a%20b%2fc+%C3%a9"), false, &got));
    assert_text(got, "a b/c+é");
    assert_true(percent_decode(a, S("a+b%2B"), true, &got));
    assert_text(got, "a b+");
    static const char *const bad[] = {"%", "%2", "%zz", "a%0", "%00", "%%41", "% 41", "%-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(percent_decode(a, str_of(bad[i]), false, &got));
    assert_false(percent_decode(a, S("a\0b"), false, &got));
    assert_true(percent_decode(a, S("%252e"), false, &got));
    assert_text(got, "%2e");
}

RUN(cmocka_unit_test(names_that_look_alike_have_one_key), cmocka_unit_test(the_key_of_a_key_is_itself),
    cmocka_unit_test(malformed_text_is_seen), cmocka_unit_test(blanks_of_all_scripts_are_trimmed),
    cmocka_unit_test(a_start_ends_with_a_whole_character), cmocka_unit_test(plain_names),
    cmocka_unit_test(controls_and_printable), cmocka_unit_test(base64_has_one_spelling),
    cmocka_unit_test(the_two_alphabets_are_apart), cmocka_unit_test(any_bytes_survive_encoding),
    cmocka_unit_test(hex_and_percent))
