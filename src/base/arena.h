/* base/arena.h: memory that belongs to a request or a job, wiped at its end.
 *
 * Allocation never fails (it stops the process; the caps on bodies, rows and jobs keep it from getting
 * there) and is zeroed. No free in between. Not thread-safe: an arena belongs to whoever runs the request
 * now. With KEYTURN_DEBUG_ARENA each object is a chunk of its own, so that ASan sees its edges. */
#pragma once

#include <stddef.h>

#include "base/str.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);  /* wipes; NULL is fine */
void arena_reset(struct arena *a); /* wipes and keeps the first chunk for the next request */

void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned for any type; n 0 gives a unique pointer */
size_t arena_bytes(const struct arena *a);    /* in use: for caps */

#define arena_new_of(a, type)   ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc_array((a), sizeof(type), (n)))
void *arena_alloc_array(struct arena *a, size_t size, size_t n); /* overflow stops the process */

struct str arena_str(struct arena *a, struct str s);   /* a copy; a NUL stands behind it */
const char *arena_cstr(struct arena *a, struct str s); /* a NUL-terminated copy */
struct str arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
