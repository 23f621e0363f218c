/* audit/head.c: the stored end of a chain, and the seal over it that nobody without the keys can make. */
#include "audit/chain.h"

#include <inttypes.h>

#include "base/text.h"

static struct place seal_place(int64_t number)
{
    return (struct place){.table = "audit_heads", .column = "head", .row = number};
}

static struct secret *seal_text(struct arena *a, int64_t number, struct str hash)
{
    struct str hex = hex_encode(a, hash);
    struct str text = arena_printf(a, "%" PRId64 ":%.*s", number, STR_ARG(hex));
    return secret_new(a, text.p, text.n);
}

RESULT head_read(struct db *db, struct arena *a, struct str server, struct head *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT number, hash, sealed, sealed_number FROM audit_heads WHERE server = $1", P_TEXT(server)),
                 &rows, e));
    *ret = (struct head){0};
    if (rows.n > 0)
        *ret = (struct head){true, row_int(&rows, 0, 0), row_int(&rows, 0, 3), row_blob(&rows, 0, 1),
                             row_blob(&rows, 0, 2)};
    return SUCCESS;
}

static RESULT write_unsealed(struct db *db, struct str server, const struct chain_end *end, int64_t at, struct err *e)
{
    return db_run(
        db,
        SQL("INSERT INTO audit_heads (server, number, hash, at) VALUES ($1, $2, $3, $4) ON CONFLICT (server) DO "
            "UPDATE SET number = excluded.number, hash = excluded.hash, at = excluded.at",
            P_TEXT(server), P_INT(end->number), P_BLOB(hash_str(end->hash)), P_INT(at)),
        e);
}

RESULT head_write(struct db *db, const struct keyring *keys, struct str server, const struct chain_end *end, int64_t at,
                  int64_t *ret_sealed_number, struct err *e)
{
    if (!keys)
        return write_unsealed(db, server, end, at, e);
    AUTOFREE(arena) a = arena_new();
    struct str sealed;
    result sealing =
        seal_value(keys, seal_place(end->number), seal_text(a, end->number, hash_str(end->hash)), a, &sealed, e);
    if (sealing.code == SEALED)
        return write_unsealed(db, server, end, at, e);
    TRY(sealing);
    TRY(db_run_later(
        db,
        SQL("INSERT INTO audit_heads (server, number, hash, sealed, sealed_number, at) VALUES ($1, $2, $3, $4, $5, $6) "
            "ON CONFLICT (server) DO UPDATE SET number = excluded.number, hash = excluded.hash, sealed = "
            "excluded.sealed, sealed_number = excluded.sealed_number, at = excluded.at",
            P_TEXT(server), P_INT(end->number), P_BLOB(hash_str(end->hash)), P_BLOB(sealed), P_INT(end->number),
            P_INT(at)),
        e));
    *ret_sealed_number = end->number;
    return SUCCESS;
}

RESULT head_matches(const struct keyring *keys, const struct head *head, struct str hash, bool *ret, struct err *e)
{
    AUTOFREE(arena) a = arena_new();
    struct secret *named;
    result opening = unseal_value(keys, seal_place(head->sealed_number), head->sealed, a, &named, e);
    if (opening.code == SEALED)
        return opening;
    *ret = is_ok(opening) && secret_equal(named, seal_text(a, head->sealed_number, hash));
    return SUCCESS;
}
