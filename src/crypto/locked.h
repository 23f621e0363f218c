/* crypto/locked.h: memory for the few long-lived keys: never swapped, never in a core dump, between guard pages. */
#pragma once

#include <stddef.h>

/* Once per process, from crypto_start: OpenSSL keeps its private keys in locked memory from here on. */
void locked_start(void);
void *locked_alloc(size_t n); /* zeroed; warns once when the system refuses to lock */
void locked_free(void *p);    /* wipes; NULL is fine */
