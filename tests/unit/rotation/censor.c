/* unit/rotation/censor.c: whatever the other side makes of a secret on its way back, nobody reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "rotation/censor.h"

DEFINE_AUTOFREE(arena)

#define SECRET "Grün-Secret-42-zzz!"

static struct str seen(struct arena *a, const char *secret, struct str text)
{
    AUTOFREE(censor) c = censor_new();
    censor_add(c, secret_new(a, secret, strlen(secret)));
    return censor_text(c, a, text);
}

static void assert_left_out(struct arena *a, const char *secret, struct str text)
{
    struct str got = seen(a, secret, text);
    if (!str_equal(got, S("(left out)")))
        fail_msg("shown: %.*s", STR_ARG(got));
}

static void assert_shown(struct arena *a, const char *secret, struct str text, const char *as)
{
    struct str got = seen(a, secret, text);
    if (!str_equal(got, str_of(as)))
        fail_msg("\"%s\" is shown as \"%.*s\"", as, STR_ARG(got));
}

static void a_secret_is_left_out_as_it_is_and_as_it_would_be_shown(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    struct str raw = S("the value " SECRET " is not allowed");
    assert_left_out(a, SECRET, raw);
    assert_left_out(a, SECRET, text_printable(a, raw, raw.n));
    assert_left_out(a, "one line\nand another", S("so? one line?and another"));
    assert_left_out(a, "a\nb\nc\nd", S("it said a?b?c?d"));
    assert_left_out(a, "short\nZeile-für-Zeile\n", S("it said Zeile-f??r-Zeile"));
    assert_shown(a, SECRET, S("the value is not allowed, größer"), "the value is not allowed, gr????er");
    assert_shown(a, SECRET, S("Grün-Secret-43"), "Gr??n-Secret-43");
    assert_shown(a, SECRET, S(""), "");
}

/* 1,990 blanks before it, as long a text as an err holds, and whatever of it was left. */
static void a_beginning_at_a_cut_is_left_out(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    size_t whole = strlen(SECRET);
    for (size_t n = 4; n < whole; n++) {
        struct str text = arena_printf(a, "%1980s%.*s", ": ", (int)n, SECRET);
        assert_left_out(a, SECRET, text);
        assert_left_out(a, SECRET, text_printable(a, text, text.n));
    }
    assert_shown(a, SECRET, arena_printf(a, "%1980s%.*s", ": ", 3, SECRET), ": Gr?");
    assert_left_out(a, arena_printf(a, "%0300d", 7).p, arena_printf(a, "%0200d", 0)); /* nothing but a beginning */
}

static void a_short_text_was_not_cut(void **state)
{
    (void)state;
    AUTOFREE(arena) a = arena_new();
    assert_shown(a, "password1", S("no such password"), "no such password");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_left_out_as_it_is_and_as_it_would_be_shown),
        cmocka_unit_test(a_beginning_at_a_cut_is_left_out),
        cmocka_unit_test(a_short_text_was_not_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
