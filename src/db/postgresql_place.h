/* db/postgresql_place.h: a PostgreSQL URL taken apart, with what we add to it. For this folder only. */
#pragma once

#include "db/driver.h"

/* Errors: INVALID, with the reason. The password stays in here. */
RESULT postgresql_place_new(const struct store_place *at, struct postgresql_place **ret, struct err *e);
void postgresql_place_free(struct postgresql_place *p); /* wipes it; NULL is fine */
/* Of each host in the URL, as store_addresses (db.h). */
size_t postgresql_place_addresses(const struct postgresql_place *p, struct arena *a, struct store_address **ret);
/* postgresql://user@host:port/name; ours to free */
char *postgresql_place_name(const struct postgresql_place *p);
