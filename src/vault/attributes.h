/* vault/attributes.h: rows of credentials and attributes, and what a body wants of them; for this folder only. */
#pragma once

#include "vault/credential.h"

#define CREDENTIAL_COLUMNS                                                                                             \
    "c.id, c.name, c.description, c.owner_id, COALESCE(c.locker_id, 0), c.version, c.created_by, c.created_at,"        \
    " c.updated_by, c.updated_at"
/* The same of a row that was just inserted: reading it back would be in the way of every other server that makes one.
 */
#define CREDENTIAL_RETURNED                                                                                            \
    "id, name, description, owner_id, COALESCE(locker_id, 0), version, created_by, created_at, updated_by, updated_at"
struct credential credential_of_row(const struct rows *rows, size_t row);
struct attribute attribute_of_row(const struct rows *rows, size_t row); /* of the ATTRIBUTE_COLUMNS */
/* Without a look at who asks, and without its attributes. NOT_FOUND. */
RESULT credential_load(struct db *db, struct arena *a, int64_t id, struct credential *ret, struct err *e);
/* As credential_get, but for the holders of `updateany` too, whose right to values knows no locker. */
RESULT credential_reach(struct db *db, struct arena *a, const struct caller *who, int64_t id, struct credential *ret,
                        struct standing *ret_standing, struct err *e);
/* The same without its attributes. */
RESULT credential_reach_bare(struct db *db, struct arena *a, const struct caller *who, int64_t id,
                             struct credential *ret, struct standing *ret_standing, struct err *e);

/* An attribute as a body wants it, and the stored one that it changes. */
struct wanted {
    const struct attribute_change *change;
    struct str name, key;
    const struct attribute *present; /* NULL: a new one */
};
struct wanted_list {
    struct wanted *at;
    size_t n;
};
/* Names, descriptions, at most ATTRIBUTES_MAX, no id twice: INVALID. */
RESULT attributes_check(struct arena *a, struct list changes, struct wanted_list *ret, struct err *e);
/* No two with the same name: CONFLICT. */
RESULT attributes_are_distinct(const struct wanted_list *wanted, struct err *e);
/* Find the stored one of each: by id, then by name, then in order when as many remain on both sides. */
void attributes_match(struct arena *a, struct wanted_list *wanted, const struct attribute *stored, size_t n);
/* Versions that were given are the present ones: CONFLICT. */
RESULT attributes_are_current(const struct wanted_list *wanted, struct err *e);
/* New ones say whether they are user-provided (INVALID); what becomes a standard attribute needs CREATE_STANDARD
 * (DENIED). */
RESULT attributes_are_permitted(const struct caller *who, const struct wanted_list *wanted, struct err *e);
/* Nothing that holds a value is removed or made of the other kind, nothing linked is unmasked: CONFLICT. */
RESULT attributes_may_change(struct db *db, struct arena *a, const struct credential *c,
                             const struct wanted_list *wanted, struct err *e);
/* Write those of a new credential; what comes back is as it would be read. CONFLICT: two have the same name. */
RESULT attributes_insert(struct db *db, struct arena *a, const struct caller *who, int64_t credential_id,
                         const struct wanted_list *wanted, int64_t now, struct list *ret, struct err *e);
/* Write it all. */
RESULT attributes_write(struct db *db, struct arena *a, const struct caller *who, const struct credential *c,
                        const struct wanted_list *wanted, int64_t now, struct err *e);
