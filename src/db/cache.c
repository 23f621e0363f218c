/* db/cache.c: the prepared statements of one connection; the one that was not used longest makes room. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/driver.h"

enum { BUCKETS = 512 };

struct entry {
    struct entry *older, *newer, *next_in_bucket;
    const char *address; /* of a literal; NULL: built */
    char *text;
    uint64_t hash;
    void *statement;
};

struct cache {
    struct entry *buckets[BUCKETS];
    struct entry ends; /* ends.older is the newest, ends.newer the oldest */
    size_t n, capacity;
    void (*release)(void *statement);
};

static uint64_t hash_of(const struct sql *sql)
{
    if (!sql->is_built)
        return ((uintptr_t)sql->text * UINT64_C(0x9E3779B97F4A7C15)) >> 32;
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (const char *p = sql->text; *p; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001B3);
    return hash ^ (hash >> 32);
}

static void unlink_entry(struct entry *x)
{
    x->older->newer = x->newer;
    x->newer->older = x->older;
}

static void link_newest(struct cache *c, struct entry *x)
{
    x->older = c->ends.older;
    x->newer = &c->ends;
    c->ends.older->newer = x;
    c->ends.older = x;
}

static void entry_remove(struct cache *c, struct entry *x)
{
    struct entry **at = &c->buckets[x->hash % BUCKETS];
    while (*at != x)
        at = &(*at)->next_in_bucket;
    *at = x->next_in_bucket;
    unlink_entry(x);
    c->release(x->statement);
    free(x->text);
    free(x);
    c->n--;
}

struct cache *cache_new(size_t capacity, void (*release)(void *statement))
{
    struct cache *c = calloc(1, sizeof(*c));
    if (!c)
        die("out of memory: a statement cache");
    c->ends.older = c->ends.newer = &c->ends;
    c->capacity = capacity;
    c->release = release;
    return c;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    while (c->n)
        entry_remove(c, c->ends.newer);
    free(c);
}

void *cache_find(struct cache *c, const struct sql *sql)
{
    uint64_t hash = hash_of(sql);
    for (struct entry *x = c->buckets[hash % BUCKETS]; x; x = x->next_in_bucket) {
        if (x->hash != hash || x->address != (sql->is_built ? NULL : sql->text))
            continue;
        bool is_same = strcmp(x->text, sql->text) == 0;
        if (!is_same && !sql->is_built)
            die("the text of a statement has changed at its address: %s", x->text);
        if (!is_same)
            continue;
        unlink_entry(x);
        link_newest(c, x);
        return x->statement;
    }
    return NULL;
}

void cache_add(struct cache *c, const struct sql *sql, void *statement)
{
    if (c->n == c->capacity)
        entry_remove(c, c->ends.newer);
    struct entry *x = calloc(1, sizeof(*x));
    char *text = strdup(sql->text);
    if (!x || !text)
        die("out of memory: a statement");
    x->address = sql->is_built ? NULL : sql->text;
    x->text = text;
    x->hash = hash_of(sql);
    x->statement = statement;
    x->next_in_bucket = c->buckets[x->hash % BUCKETS];
    c->buckets[x->hash % BUCKETS] = x;
    link_newest(c, x);
    c->n++;
}
