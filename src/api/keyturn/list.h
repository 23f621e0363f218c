/* api/keyturn/list.h: pages of lists (keyturn-api 1). For this folder only. */
#pragma once

#include "gate/gate.h"

struct paging {
    int64_t limit, after; /* after 0: from the start */
};
extern const struct field keyturn_paging_query[];
#define PAGING_ROWS(type, member)                                                                                      \
    INT("limit", type, member.limit, .min = 1, .max = 1000, .or_int = 100, .doc = "1 to 1000"),                        \
        ID("after", type, member.after, .doc = "What the last answer gave as next")

struct item_page {
    struct list items;
    struct str next; /* absent at the end */
};
#define ITEM_PAGE(type, rows)                                                                                          \
    LIST("items", struct item_page, items, type, rows), TEXT("next", struct item_page, next), FIELD_END

/* A page of items that are sorted by id, which is the first member of each: what stands behind `after`, at most
 * `limit`. Ask the store for one more than the limit, or for all. */
struct item_page item_page_of(struct call *c, const struct paging *p, bool is_newest_first, void *items,
                              size_t item_size, size_t n);
