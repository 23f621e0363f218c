/* base/str.h: a borrowed piece of text: pointer and length, never owned, not NUL-terminated.
 * p == NULL means absent; an empty text has p != NULL and n == 0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *p;
    size_t n;
};

#define S(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_ABSENT ((struct str){0})
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, ((s).p ? (s).p : "")

struct str str_of(const char *nul_terminated); /* NULL gives an absent str */
static inline bool str_is_set(struct str s)
{
    return s.p != NULL;
}
bool str_equal(struct str a, struct str b);      /* bytes; absent equals empty */
bool str_equal_fold(struct str a, struct str b); /* ASCII case only: header names, keywords, JSON keys */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
ptrdiff_t str_find(struct str s, struct str part); /* -1: not in it */
ptrdiff_t str_find_char(struct str s, char c);
struct str str_trim(struct str s);                       /* ASCII blanks and TABs at both ends */
struct str str_sub(struct str s, size_t from, size_t n); /* clamped */
/* Cut s at the first `at`: the part before it is returned, *s keeps what follows (absent when there was none). */
struct str str_cut(struct str *s, char at);
/* Whole text is a decimal number in [min,max]; no blanks, no plus sign. */
bool str_to_int(struct str s, int64_t min, int64_t max, int64_t *ret);
/* In decimal; borrowed from `room`. */
enum { INT_TEXT_BYTES = 20 };
struct str str_from_int(int64_t v, char room[INT_TEXT_BYTES]);
