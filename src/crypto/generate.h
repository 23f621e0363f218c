/* crypto/generate.h: passwords by rule (passwordsafe-api 6.12). */
#pragma once

#include "base/result.h"
#include "base/secret.h"

struct password_rule {
    int64_t id;
    struct str name, description;
    int64_t min_length, max_length;                      /* 4..255 */
    struct str first;                                    /* "C" letters only, "N" letters and digits, "A" any */
    struct str lowercase, uppercase, numeric, symbol;    /* "N" not permitted, "P" permitted, "R" required */
    struct str lowercase_set, uppercase_set, symbol_set; /* ASCII; absent: a-z, A-Z, the default symbols */
    int64_t enabled_products;
};

/* INVALID when no password could satisfy it (keyturn-api 8). */
RESULT password_rule_check(const struct password_rule *rule, struct err *e);
/* Uniform length; uniform draws with rejection; each required class at a random place; never equal to `current` (may be
 * NULL). */
RESULT password_generate(const struct password_rule *rule, const struct secret *current, struct arena *a,
                         struct secret **ret, struct err *e);
/* Does it satisfy the rule? For tests and for hints; caller-chosen passwords are not checked (5.1 #11). */
bool password_satisfies(const struct password_rule *rule, const struct secret *password);
