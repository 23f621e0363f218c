/* crypto/generate.c: rules at their extremes, and whether each password made keeps its rule. */
#include "check.h"

#include "base/secret_open.h"
#include "crypto/generate.h"
#include "crypto/random.h"

static const struct str letters_npr[] = {{"N", 1}, {"P", 1}, {"R", 1}}, letters_cna[] = {{"C", 1}, {"N", 1}, {"A", 1}};

static struct password_rule rule_of(int64_t min, int64_t max, const char *first, const char *four)
{
    return (struct password_rule){.min_length = min,
                                  .max_length = max,
                                  .first = str_of(first),
                                  .lowercase = {four, 1},
                                  .uppercase = {four + 1, 1},
                                  .numeric = {four + 2, 1},
                                  .symbol = {four + 3, 1}};
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Apart from password_satisfies, so that each can find the other's fault. Only for rules with the usual sets. */
static bool keeps(const struct password_rule *rule, struct str text)
{
    if ((int64_t)text.n < rule->min_length || (int64_t)text.n > rule->max_length)
        return false;
    bool seen[4] = {false};
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        size_t class = is_one_of(c, LOWER) ? 0 : is_one_of(c, UPPER) ? 1 : is_one_of(c, DIGITS) ? 2 : 3;
        if (i == 0 && ((rule->first.p[0] == 'C' && class > 1) || (rule->first.p[0] == 'N' && class > 2)))
            return false;
        if (class == 3 && (c <= ' ' || c > '~' || is_one_of(c, "\"'\\:$`")))
            return false;
        seen[class] = true;
    }
    const struct str needs[4] = {rule->lowercase, rule->uppercase, rule->numeric, rule->symbol};
    for (size_t i = 0; i < 4; i++)
        if ((needs[i].p[0] == 'R' && !seen[i]) || (needs[i].p[0] == 'N' && seen[i]))
            return false;
    return true;
}

/* All 243 combinations of letters at five pairs of lengths: accepted exactly when they can be kept, and then kept. */
static void keeps_every_rule(void **state)
{
    (void)state;
    static const int64_t lengths[][2] = {{4, 4}, {4, 5}, {12, 20}, {255, 255}, {4, 255}};
    struct arena *a = arena_new();
    int accepted = 0;
    for (int code = 0; code < 243 * 5; code++) {
        int digits = code % 243;
        struct password_rule rule = {.min_length = lengths[code / 243][0], .max_length = lengths[code / 243][1]};
        rule.first = letters_cna[digits % 3];
        rule.lowercase = letters_npr[digits / 3 % 3];
        rule.uppercase = letters_npr[digits / 9 % 3];
        rule.numeric = letters_npr[digits / 27 % 3];
        rule.symbol = letters_npr[digits / 81 % 3];
        bool has_letters = rule.lowercase.p[0] != 'N' || rule.uppercase.p[0] != 'N';
        bool has_alphanumerics = has_letters || rule.numeric.p[0] != 'N';
        bool can_begin = rule.first.p[0] == 'C'   ? has_letters
                         : rule.first.p[0] == 'N' ? has_alphanumerics
                                                  : has_alphanumerics || rule.symbol.p[0] != 'N';
        assert_int_equal(is_ok(password_rule_check(&rule, NULL)), can_begin);
        struct secret *made = NULL;
        if (!can_begin) {
            assert_code(password_generate(&rule, NULL, a, &made, NULL), INVALID);
            assert_null(made);
            continue;
        }
        accepted++;
        for (int i = 0; i < 40; i++) {
            assert_success(password_generate(&rule, NULL, a, &made, NULL));
            assert_true(keeps(&rule, secret_open(made)));
            assert_true(password_satisfies(&rule, made));
        }
        arena_reset(a);
    }
    assert_true(accepted > 800);
    arena_free(a);
}

static void refuses_what_cannot_be_kept_and_names_the_field(void **state)
{
    (void)state;
    const struct {
        struct password_rule rule;
        const char *field;
    } table[] = {
        {rule_of(3, 20, "C", "RRRR"), "minimumLength"},
        {rule_of(0, 0, "C", "RRRR"), "minimumLength"},
        {rule_of(-1, 20, "C", "RRRR"), "minimumLength"},
        {rule_of(INT64_MIN, INT64_MAX, "C", "RRRR"), "minimumLength"},
        {rule_of(12, 256, "C", "RRRR"), "maximumLength"},
        {rule_of(12, INT64_MAX, "C", "RRRR"), "maximumLength"},
        {rule_of(12, 3, "C", "RRRR"), "maximumLength"},
        {rule_of(12, 11, "C", "RRRR"), "minimumLength"},
        {rule_of(12, 20, "C", "NNNN"), "lowercaseRequirement"},
        {rule_of(12, 20, "A", "NNNN"), "lowercaseRequirement"},
        {rule_of(12, 20, "C", "NNRR"), "firstCharacterRequirement"},
        {rule_of(12, 20, "N", "NNNR"), "firstCharacterRequirement"},
        {rule_of(12, 20, "X", "RRRR"), "firstCharacterRequirement"},
        {rule_of(12, 20, "", "RRRR"), "firstCharacterRequirement"},
        {rule_of(12, 20, "c", "RRRR"), "firstCharacterRequirement"},
        {rule_of(12, 20, "CC", "RRRR"), "firstCharacterRequirement"},
        {rule_of(12, 20, NULL, "RRRR"), "firstCharacterRequirement"},
        {rule_of(12, 20, "C", "XRRR"), "lowercaseRequirement"},
        {rule_of(12, 20, "C", "RrRR"), "uppercaseRequirement"},
        {rule_of(12, 20, "C", "RR1R"), "numericRequirement"},
        {rule_of(12, 20, "C", "RRR "), "symbolRequirement"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct err e = {0};
        assert_code(password_rule_check(&table[i].rule, &e), INVALID);
        assert_true(str_starts(str_of(e.text), str_of(table[i].field)));
    }
}

static void refuses_sets_of_another_class(void **state)
{
    (void)state;
    const struct {
        struct str lower, upper, symbols;
        const char *requirements, *field;
    } table[] = {
        {S("abC"), STR_ABSENT, STR_ABSENT, "RRRR", "validLowercaseCharacters"},
        {S("a1"), STR_ABSENT, STR_ABSENT, "RRRR", "validLowercaseCharacters"},
        {S("a\0"), STR_ABSENT, STR_ABSENT, "RRRR", "validLowercaseCharacters"},
        {S("\xc3\xa4"), STR_ABSENT, STR_ABSENT, "RRRR", "validLowercaseCharacters"},
        {S(""), STR_ABSENT, STR_ABSENT, "RRRR", "validLowercaseCharacters"},
        {STR_ABSENT, S("a"), STR_ABSENT, "RRRR", "validUppercaseCharacters"},
        {STR_ABSENT, S("a"), STR_ABSENT, "RNRR", "validUppercaseCharacters"},
        {STR_ABSENT, S(""), STR_ABSENT, "RRRR", "validUppercaseCharacters"},
        {STR_ABSENT, STR_ABSENT, S("!a"), "RRRR", "validSymbols"},
        {STR_ABSENT, STR_ABSENT, S("!\n"), "RRRR", "validSymbols"},
        {STR_ABSENT, STR_ABSENT, S("!\x7f"), "RRRR", "validSymbols"},
        {STR_ABSENT, STR_ABSENT, S("!\xff"), "RRRR", "validSymbols"},
        {STR_ABSENT, STR_ABSENT, S(""), "RRRR", "validSymbols"},
        {S(""), S(""), S(""), "PPNP", "lowercaseRequirement"},
        {S(""), S(""), STR_ABSENT, "PPRR", "firstCharacterRequirement"},
        {S("a"), STR_ABSENT, STR_ABSENT, "RNNN", "maximumLength"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct password_rule rule = rule_of(12, 12, "C", table[i].requirements);
        rule.lowercase_set = table[i].lower;
        rule.uppercase_set = table[i].upper;
        rule.symbol_set = table[i].symbols;
        struct err e = {0};
        assert_code(password_rule_check(&rule, &e), INVALID);
        assert_true(str_starts(str_of(e.text), str_of(table[i].field)));
    }
}

/* One character a class, four places, all required: 2 * 3! orders begin with a letter, and all of them must turn up. */
static void reaches_every_order_of_a_tight_rule(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct password_rule rule = rule_of(4, 4, "C", "RRRR");
    rule.lowercase_set = S("a");
    rule.uppercase_set = S("B");
    rule.symbol_set = S("!");
    int seen[256] = {0}, orders = 0;
    for (int i = 0; i < 5000; i++) {
        struct secret *made;
        assert_success(password_generate(&rule, NULL, a, &made, NULL));
        struct str text = secret_open(made);
        int order = 0;
        for (int j = 0; j < 4; j++)
            order = order * 4 + (text.p[j] == 'a' ? 0 : text.p[j] == 'B' ? 1 : text.p[j] == '!' ? 3 : 2);
        orders += seen[order]++ == 0;
        arena_reset(a);
    }
    assert_int_equal(orders, 12);
    arena_free(a);
}

static void never_gives_the_current_one(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct password_rule rule = rule_of(4, 5, "A", "RNNN");
    rule.lowercase_set = S("aaaa");
    for (int i = 0; i < 300; i++) {
        struct secret *made;
        assert_success(password_generate(&rule, secret_of(a, "aaaa"), a, &made, NULL));
        assert_true(secret_equal(made, secret_of(a, "aaaaa")));
        assert_success(password_generate(&rule, secret_of(a, "aaaaa"), a, &made, NULL));
        assert_true(secret_equal(made, secret_of(a, "aaaa")));
    }
    rule.max_length = 4;
    assert_code(password_rule_check(&rule, NULL), INVALID);
    arena_free(a);
}

/* Mean of the statistic: one below the number of classes; deviation: root of twice that. Ten deviations are no luck. */
static void assert_even(const int *counts, size_t n, int draws)
{
    double expected = (double)draws / (double)n, statistic = 0;
    for (size_t i = 0; i < n; i++)
        statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
    double excess = statistic - (double)n;
    assert_true(excess < 0 || excess * excess < 100 * 2 * (double)n);
}

static void draws_lengths_and_characters_evenly(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct password_rule rule = rule_of(8, 15, "C", "PPPN");
    rule.lowercase_set = S("abcabcabc");
    int lengths[8] = {0}, rest[39] = {0}, first[29] = {0}, total = 0;
    const char *all = "abc" UPPER DIGITS;
    for (int i = 0; i < 8000; i++) {
        struct secret *made;
        assert_success(password_generate(&rule, NULL, a, &made, NULL));
        struct str text = secret_open(made);
        lengths[text.n - 8]++;
        first[strchr(all, text.p[0]) - all]++;
        for (size_t j = 1; j < text.n; j++, total++)
            rest[strchr(all, text.p[j]) - all]++;
        arena_reset(a);
    }
    assert_even(lengths, 8, 8000);
    assert_even(first, 29, 8000);
    assert_even(rest, 39, total);
    arena_free(a);
}

static void puts_a_required_class_at_any_place(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct password_rule rule = rule_of(10, 10, "C", "RNPR");
    rule.symbol_set = S("!");
    int places[9] = {0}, alone = 0;
    for (int i = 0; i < 20000; i++) {
        struct secret *made;
        assert_success(password_generate(&rule, NULL, a, &made, NULL));
        struct str text = secret_open(made);
        ptrdiff_t at = str_find_char(text, '!');
        assert_true(at > 0);
        if (str_find_char(str_sub(text, (size_t)at + 1, text.n), '!') < 0) {
            places[at - 1]++;
            alone++;
        }
        arena_reset(a);
    }
    assert_even(places, 9, alone);
    arena_free(a);
}

static void tells_what_satisfies(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct password_rule rule = rule_of(6, 8, "C", "RRRP");
    const char *const good[] = {"aB3456", "Zz9!#%&(", "aaaaaA1"};
    const char *const bad[] = {"",       "aB345",     "aB3456789",     "1aB456", "!aB456", "ab3456", "AB3456",
                               "aBcdef", "aB345\x01", "aB345\xc3\xa4", "aB345$", "aB345 ", "aB34\""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(password_satisfies(&rule, secret_of(a, good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(password_satisfies(&rule, secret_of(a, bad[i])));
    assert_false(password_satisfies(&rule, NULL));
    assert_false(password_satisfies(&rule, secret_new(a, "aB345\0", 6)));
    rule.symbol_set = S("$ \"");
    assert_true(password_satisfies(&rule, secret_of(a, "aB345$")));
    assert_false(password_satisfies(&rule, secret_of(a, "aB345!")));
    arena_free(a);
}

int main(void)
{
    crypto_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_every_rule),
        cmocka_unit_test(refuses_what_cannot_be_kept_and_names_the_field),
        cmocka_unit_test(refuses_sets_of_another_class),
        cmocka_unit_test(reaches_every_order_of_a_tight_rule),
        cmocka_unit_test(never_gives_the_current_one),
        cmocka_unit_test(draws_lengths_and_characters_evenly),
        cmocka_unit_test(puts_a_required_class_at_any_place),
        cmocka_unit_test(tells_what_satisfies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
