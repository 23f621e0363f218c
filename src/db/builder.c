/* db/builder.c: statements built at run time: text of ours, values always as parameters. */
#include <string.h>

#include "base/log.h"
#include "db/db.h"

enum { PATTERN_BYTES_MAX = 50000 }; /* SQLite refuses a longer LIKE pattern */

void builder_init(struct builder *b, struct arena *a)
{
    *b = (struct builder){.arena = a, .capacity = 256, .params_capacity = 8};
    b->text = (struct str){arena_alloc(a, b->capacity), 0};
    b->params = arena_array(a, struct param, b->params_capacity);
}

static void add(struct builder *b, struct str s)
{
    size_t wanted = b->text.n + s.n + 1;
    if (wanted > b->capacity) {
        size_t capacity = 2 * wanted;
        char *larger = arena_alloc(b->arena, capacity);
        memcpy(larger, b->text.p, b->text.n);
        b->text.p = larger;
        b->capacity = capacity;
    }
    char *end = (char *)b->text.p + b->text.n;
    memcpy(end, s.p, s.n);
    end[s.n] = '\0';
    b->text.n += s.n;
}

void builder_add(struct builder *b, const char *sql)
{
    add(b, str_of(sql));
}

void builder_param(struct builder *b, struct param p)
{
    if (b->n == b->params_capacity) {
        struct param *larger = arena_array(b->arena, struct param, 2 * b->params_capacity);
        memcpy(larger, b->params, b->n * sizeof(struct param));
        b->params = larger;
        b->params_capacity *= 2;
    }
    b->params[b->n++] = p;
    char name[24];
    int length = snprintf(name, sizeof(name), " $%zu ", b->n);
    add(b, (struct str){name, (size_t)length});
}

static struct str escape_pattern(struct arena *a, struct str part)
{
    char *pattern = arena_alloc(a, 2 * part.n + 2);
    size_t n = 0;
    pattern[n++] = '%';
    for (size_t i = 0; i < part.n; i++) {
        if (part.p[i] == '%' || part.p[i] == '_' || part.p[i] == '\\')
            pattern[n++] = '\\';
        pattern[n++] = part.p[i];
    }
    pattern[n++] = '%';
    return (struct str){pattern, n};
}

void builder_contains(struct builder *b, const char *key_column, struct str part)
{
    struct str pattern = escape_pattern(b->arena, part);
    if (pattern.n > PATTERN_BYTES_MAX) {
        builder_add(b, " 1 = 0 "); /* longer than any key */
        return;
    }
    builder_add(b, key_column);
    builder_add(b, " LIKE ");
    builder_param(b, P_TEXT(pattern));
    builder_add(b, "ESCAPE '\\' ");
}

/* The least text behind all texts that start with `prefix`, in the order of code points; absent when there is none. */
static struct str end_of_prefix(struct arena *a, struct str prefix)
{
    size_t n = prefix.n;
    while (n > 0) {
        size_t at = n - 1;
        while (at > 0 && ((unsigned char)prefix.p[at] & 0xC0) == 0x80)
            at--;
        char *end = arena_alloc(a, n + 1);
        memcpy(end, prefix.p, n);
        /* The last code point plus one. At the last of a length the next length begins; U+D7FF is followed by U+E000.
         */
        static const struct {
            struct str from, to;
        } jumps[] = {
            {{"\x7F", 1}, {"\xC2\x80", 2}},
            {{"\xDF\xBF", 2}, {"\xE0\xA0\x80", 3}},
            {{"\xED\x9F\xBF", 3}, {"\xEE\x80\x80", 3}},
            {{"\xEF\xBF\xBF", 3}, {"\xF0\x90\x80\x80", 4}},
        };
        struct str last = {prefix.p + at, n - at};
        for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++)
            if (str_equal(last, jumps[i].from))
                return arena_printf(a, "%.*s%.*s", (int)at, prefix.p, STR_ARG(jumps[i].to));
        if (!str_equal(last, S("\xF4\x8F\xBF\xBF"))) {
            size_t i = n - 1;
            for (; i > at && (unsigned char)end[i] == 0xBF; i--)
                end[i] = (char)0x80;
            end[i]++;
            return (struct str){end, n};
        }
        n = at;
    }
    return STR_ABSENT;
}

void builder_prefix(struct builder *b, const char *key_column, struct str prefix)
{
    struct str end = end_of_prefix(b->arena, prefix);
    builder_add(b, " (");
    builder_add(b, key_column);
    builder_add(b, " >= ");
    builder_param(b, param_text(prefix.p ? prefix : S("")));
    if (str_is_set(end)) {
        builder_add(b, "AND ");
        builder_add(b, key_column);
        builder_add(b, " < ");
        builder_param(b, P_TEXT(end));
    }
    builder_add(b, ") ");
}

void builder_in(struct builder *b, const char *column, const int64_t *ids, size_t n)
{
    if (n == 0) {
        builder_add(b, " 1 = 0 ");
        return;
    }
    builder_add(b, column);
    builder_add(b, " IN (");
    for (size_t i = 0; i < n; i++) {
        builder_add(b, i ? "," : "");
        builder_param(b, P_INT(ids[i]));
    }
    builder_add(b, ") ");
}

struct sql builder_sql(struct builder *b)
{
    return (struct sql){.text = b->text.p, .params = b->params, .n = b->n, .is_built = true};
}
