/* rotation/link_row.h: what the link files share: the row, its MAC, the two sides. Inside rotation/ only. */
#pragma once

#include "rotation/link.h"
#include "vault/value.h"

#define LINK_COLUMNS                                                                                                   \
    "l.id, l.account_id, CASE WHEN l.attribute_id > 0 THEN l.attribute_id ELSE 0 END, l.user_id, "                     \
    "COALESCE(t.credential_id, 0), l.offered_by, l.offered_at, "                                                       \
    "l.accepted_by, l.accepted_at, "                                                                                   \
    "l.approved_by, l.version, l.turned_at, l.last_read_at, l.part, l.release, l.state, s.name, m.name, "              \
    "COALESCE(fs.name || '/' || f.user_name || f.credential_name || CASE WHEN f.user_name = '' THEN '/' ELSE '' END "  \
    "|| f.attribute_name, "                                                                                            \
    "c.name || '/' || t.name, u.name, ''), l.needs_approval, l.may_replace, l.mac, COALESCE(f.id, 0), "                \
    "COALESCE(f.system_id, 0), "                                                                                       \
    "COALESCE(f.behind_since, 0), COALESCE(f.last_try_at, 0), COALESCE(f.user_name, ''), COALESCE(f.credential_name, " \
    "''), "                                                                                                            \
    "COALESCE(f.attribute_name, ''), COALESCE(f.last_text, '')"
#define LINK_TABLES                                                                                                    \
    "links l JOIN managed_accounts m ON m.id = l.account_id JOIN managed_systems s ON s.id = m.system_id "             \
    "LEFT JOIN attributes t ON t.id = l.attribute_id LEFT JOIN credentials c ON c.id = t.credential_id LEFT JOIN "     \
    "users u ON u.id = l.user_id LEFT JOIN followers f ON f.id = -l.attribute_id LEFT JOIN managed_systems fs ON "     \
    "fs.id = f.system_id"

struct link_row {
    struct link link;
    struct str mac;
};
struct link_row link_of(struct arena *a, const struct rows *r, size_t i);
RESULT link_load(struct db *db, struct arena *a, int64_t id, struct link_row *ret, struct err *e); /* whoever asks */
RESULT link_load_account(struct db *db, struct arena *a, int64_t account_id, struct link_row **ret, size_t *ret_n,
                         struct err *e);

/* The MAC is over all that decides who gets what: {id, account, part, end, release, state, who agreed}. */
RESULT link_seal_row(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, struct err *e);
RESULT link_check_row(struct arena *a, const struct keyring *keys, const struct link_row *row,
                      struct err *e); /* INTERNAL, and alerts */

/* The sides (rule 1). *ret_missing: what the caller lacks, for the text of a 403. */
RESULT link_account_side(struct db *db, struct arena *a, const struct caller *who, int64_t account_id, bool *ret,
                         struct err *e);
RESULT link_far_side(struct db *db, struct arena *a, const struct caller *who, const struct link *l, bool *ret,
                     struct err *e);
RESULT link_must_be_a_side(struct db *db, struct arena *a, const struct caller *who, const struct link *l,
                           struct err *e); /* NOT_FOUND */

/* What the link's part is of this version; NULL: the version has none. */
RESULT link_part(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, int64_t number,
                 struct secret **ret, struct err *e);
/* The account as somebody signs in with it: DOMAIN\name where it has a domain. */
RESULT link_login_name(struct db *db, struct arena *a, const struct link *l, struct str *ret, struct err *e);
/* Copy the account's part of this version to the end; of a follower: see to it that it is pushed. */
RESULT link_copy(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, int64_t number,
                 int64_t now, struct err *e);
/* What was copied; nothing where the end is on another server. */
RESULT link_erase_copy(struct db *db, const struct link *l, struct err *e);
/* Erase the copy and the row; queue a change when it was read and the account is auto-managed (rule 6). */
RESULT link_remove(struct db *db, struct arena *a, const struct keyring *keys, const struct link *l, int64_t by,
                   int64_t now, struct err *e);
void link_note(struct db *db, struct arena *a, const struct link *l, const char *what, struct str detail);
