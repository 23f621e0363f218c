/* crypto/generate.c: passwords by rule: one draw for each required class at a place of its own, the rest from all. */
#include "crypto/generate.h"

#include "base/log.h"
#include "base/secret_open.h"
#include "crypto/random.h"

enum { LENGTH_LEAST = 4, LENGTH_MOST = 255, CLASSES = 4, LETTER_CLASSES = 2, ASCII = 128, REDRAWS = 128 };

static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char digits[] = "0123456789";
static const char symbols[] = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
/* Without what a shell or a line of chpasswd might take for its own. */
static const char plain_symbols[] = "!#%&()*+,-./;<=>?@[]^_{|}~";

/* The letters' classes come first. A rule that names no set for a class means `usual`. */
static const struct class
{
    const char *requirement_name, *set_name;
    size_t requirement;
    bool has_set;
    size_t set;
    const char *all, *usual;
} classes[CLASSES] = {
    {"lowercaseRequirement", "validLowercaseCharacters", offsetof(struct password_rule, lowercase), true,
     offsetof(struct password_rule, lowercase_set), lower, lower},
    {"uppercaseRequirement", "validUppercaseCharacters", offsetof(struct password_rule, uppercase), true,
     offsetof(struct password_rule, uppercase_set), upper, upper},
    {"numericRequirement", NULL, offsetof(struct password_rule, numeric), false, 0, digits, digits},
    {"symbolRequirement", "validSymbols", offsetof(struct password_rule, symbol), true,
     offsetof(struct password_rule, symbol_set), symbols, plain_symbols},
};

/* Characters without repetition. */
struct alphabet {
    size_t n;
    char at[ASCII];
};

static bool is_in(const struct alphabet *set, char c)
{
    return memchr(set->at, c, set->n) != NULL;
}

static void add_all(struct alphabet *set, struct str characters)
{
    for (size_t i = 0; i < characters.n; i++)
        if (!is_in(set, characters.p[i]))
            set->at[set->n++] = characters.p[i];
}

/* A rule made ready: what each class may draw from (nothing when it is not permitted), and what any place and the first
 * place may. */
struct plan {
    struct alphabet classes[CLASSES], any, first;
    bool is_required[CLASSES], may_be_first[CLASSES];
};

static struct str text_at(const struct password_rule *rule, size_t offset)
{
    return *(const struct str *)(const void *)((const char *)rule + offset);
}

static result plan_class(const struct password_rule *rule, size_t i, struct plan *plan, struct err *e)
{
    const struct class *class = &classes[i];
    struct str requirement = text_at(rule, class->requirement);
    struct str set = class->has_set ? text_at(rule, class->set) : STR_ABSENT;
    if (!str_equal(requirement, S("N")) && !str_equal(requirement, S("P")) && !str_equal(requirement, S("R")))
        return FAIL(e, INVALID, "%s: must be N, P or R", class->requirement_name);
    for (size_t j = 0; j < set.n; j++)
        if (!set.p[j] || !strchr(class->all, set.p[j]))
            return FAIL(e, INVALID, "%s: character %zu is none of this class", class->set_name, j + 1);
    if (str_equal(requirement, S("N")))
        return SUCCESS;
    plan->is_required[i] = str_equal(requirement, S("R"));
    if (plan->is_required[i] && str_is_set(set) && set.n == 0)
        return FAIL(e, INVALID, "%s: is empty, but one of them is required", class->set_name);
    add_all(&plan->classes[i], str_is_set(set) ? set : str_of(class->usual));
    add_all(&plan->any, (struct str){plan->classes[i].at, plan->classes[i].n});
    return SUCCESS;
}

static result plan_first(const struct password_rule *rule, struct plan *plan, struct err *e)
{
    size_t kinds; /* of classes that may begin a password, in the order of the table */
    if (str_equal(rule->first, S("C")))
        kinds = LETTER_CLASSES;
    else if (str_equal(rule->first, S("N")))
        kinds = LETTER_CLASSES + 1;
    else if (str_equal(rule->first, S("A")))
        kinds = CLASSES;
    else
        return FAIL(e, INVALID, "firstCharacterRequirement: must be C, N or A");
    for (size_t i = 0; i < kinds; i++) {
        plan->may_be_first[i] = true;
        add_all(&plan->first, (struct str){plan->classes[i].at, plan->classes[i].n});
    }
    if (plan->first.n == 0)
        return FAIL(e, INVALID, "firstCharacterRequirement: asks for a class that is not permitted");
    return SUCCESS;
}

static result plan_make(const struct password_rule *rule, struct plan *plan, struct err *e)
{
    if (rule->min_length < LENGTH_LEAST || rule->min_length > LENGTH_MOST)
        return FAIL(e, INVALID, "minimumLength: must be from %d to %d", LENGTH_LEAST, LENGTH_MOST);
    if (rule->max_length < LENGTH_LEAST || rule->max_length > LENGTH_MOST)
        return FAIL(e, INVALID, "maximumLength: must be from %d to %d", LENGTH_LEAST, LENGTH_MOST);
    if (rule->min_length > rule->max_length)
        return FAIL(e, INVALID, "minimumLength: is above maximumLength");
    /* Any four classes fit from here on, with a letter at the front as well. */
    _Static_assert(CLASSES <= LENGTH_LEAST, "a place for each required class");
    for (size_t i = 0; i < CLASSES; i++)
        TRY(plan_class(rule, i, plan, e));
    if (plan->any.n == 0)
        return FAIL(e, INVALID, "lowercaseRequirement: some class must be permitted and have a character");
    TRY(plan_first(rule, plan, e));
    if (plan->any.n == 1 && rule->min_length == rule->max_length)
        return FAIL(e, INVALID, "maximumLength: one character and one length permit a single password");
    return SUCCESS;
}

RESULT password_rule_check(const struct password_rule *rule, struct err *e)
{
    struct plan plan = {0};
    return plan_make(rule, &plan, e);
}

static char draw(const struct alphabet *set)
{
    return set->at[random_below((uint32_t)set->n)];
}

/* Uniform over the places from `least` on that are still free (0). */
static size_t free_place(const char *places, size_t n, size_t least)
{
    size_t place;
    do
        place = least + random_below((uint32_t)(n - least));
    while (places[place]);
    return place;
}

/* The classes that may not stand first choose first: two of them at most, and n - 1 places. */
static void fill(const struct plan *plan, char *places, size_t n)
{
    memset(places, 0, n);
    for (int may_be_first = 0; may_be_first <= 1; may_be_first++) {
        for (size_t i = 0; i < CLASSES; i++) {
            if (plan->is_required[i] && plan->may_be_first[i] == may_be_first)
                places[free_place(places, n, may_be_first ? 0 : 1)] = draw(&plan->classes[i]);
        }
    }
    for (size_t i = 0; i < n; i++)
        if (!places[i])
            places[i] = draw(i == 0 ? &plan->first : &plan->any);
}

RESULT password_generate(const struct password_rule *rule, const struct secret *current, struct arena *a,
                         struct secret **ret, struct err *e)
{
    struct plan plan = {0};
    TRY(plan_make(rule, &plan, e));
    size_t span = (size_t)(rule->max_length - rule->min_length) + 1;
    /* Every accepted rule permits two passwords at least, so that each round misses with one half at most. */
    for (int round = 0; round < REDRAWS; round++) {
        size_t n = (size_t)rule->min_length + random_below((uint32_t)span);
        char *places;
        struct secret *made = secret_with_room(a, n, &places);
        fill(&plan, places, n);
        if (!current || !secret_equal(made, current)) {
            *ret = made;
            return SUCCESS;
        }
    }
    die("%d draws gave the same password", REDRAWS);
}

bool password_satisfies(const struct password_rule *rule, const struct secret *password)
{
    struct plan plan = {0};
    if (!password || !is_ok(plan_make(rule, &plan, NULL)))
        return false;
    struct str text = secret_open(password);
    if (text.n < (size_t)rule->min_length || text.n > (size_t)rule->max_length || !is_in(&plan.first, text.p[0]))
        return false;
    bool has[CLASSES] = {false};
    for (size_t i = 0; i < text.n; i++) {
        if (!is_in(&plan.any, text.p[i]))
            return false;
        for (size_t class = 0; class < CLASSES; class ++)
            has[class] |= is_in(&plan.classes[class], text.p[i]);
    }
    for (size_t class = 0; class < CLASSES; class ++)
        if (plan.is_required[class] && !has[class])
            return false;
    return true;
}
