/* api/keyturn/list.c: pages of lists, by id. */
#include "api/keyturn/list.h"

const struct field keyturn_paging_query[] = {
    INT("limit", struct paging, limit, .min = 1, .max = 1000, .or_int = 100, .doc = "1 to 1000"),
    ID("after", struct paging, after, .doc = "What the last answer gave as next"),
    FIELD_END,
};

static int64_t id_at(const char *items, size_t item_size, size_t i)
{
    return *(const int64_t *)(const void *)(items + i * item_size);
}

struct item_page item_page_of(struct call *c, const struct paging *p, bool is_newest_first, void *items,
                              size_t item_size, size_t n)
{
    size_t from = 0;
    while (p->after && from < n &&
           (is_newest_first ? id_at(items, item_size, from) >= p->after : id_at(items, item_size, from) <= p->after))
        from++;
    size_t limit = (size_t)p->limit;
    size_t kept = n - from < limit ? n - from : limit;
    struct item_page page = {.items = {.at = (char *)items + from * item_size, .n = kept}};
    if (kept < n - from)
        page.next = arena_printf(c->arena, "%" PRId64, id_at(items, item_size, from + kept - 1));
    return page;
}
