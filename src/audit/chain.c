/* audit/chain.c: hashing, appending and walking the rows of one chain. */
#include "audit/chain.h"

#include <string.h>

static void add_int(struct hasher *h, int64_t v)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)v >> (56 - 8 * i));
    hasher_add(h, (struct str){(const char *)bytes, sizeof(bytes)});
}

void record_hash(const unsigned char previous[HASH_BYTES], const struct record *r, unsigned char ret[HASH_BYTES])
{
    struct hasher h;
    hasher_start(&h);
    hasher_add(&h, hash_str(previous));
    hasher_add(&h, r->server);
    add_int(&h, r->number);
    add_int(&h, r->at);
    hasher_add(&h, r->what);
    add_int(&h, r->is_success);
    add_int(&h, r->user_id);
    hasher_add(&h, r->user_name);
    hasher_add(&h, r->user_name_key);
    hasher_add(&h, r->address);
    hasher_add(&h, r->source);
    hasher_add(&h, r->request_id);
    hasher_add(&h, r->object_kind);
    add_int(&h, r->object_id);
    hasher_add(&h, r->object_name);
    hasher_add(&h, r->object_name_key);
    add_int(&h, r->account_id);
    hasher_add(&h, r->detail);
    hasher_end(&h, ret);
}

RESULT chain_append(struct db *db, struct chain_end *end, struct record *r, struct err *e)
{
    struct chain_end next = {.number = end->number + 1};
    r->number = next.number;
    record_hash(end->hash, r, next.hash);
    TRY(db_run_later(
        db,
        SQL("INSERT INTO audit_rows (server, number, at, what, is_success, user_id, user_name, user_name_key, "
            "address, source, request_id, object_kind, object_id, object_name, object_name_key, account_id, "
            "detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
            "$18)",
            P_TEXT(r->server), P_INT(r->number), P_INT(r->at), P_TEXT(r->what), P_INT(r->is_success), P_INT(r->user_id),
            P_TEXT(r->user_name), P_TEXT(r->user_name_key), P_TEXT(r->address), P_TEXT(r->source),
            P_TEXT(r->request_id), P_TEXT(r->object_kind), P_INT(r->object_id), P_TEXT(r->object_name),
            P_TEXT(r->object_name_key), P_INT(r->account_id), P_TEXT(r->detail), P_BLOB(hash_str(next.hash))),
        e));
    *end = next;
    return SUCCESS;
}

enum { COLUMN_ID_OF_ROW = 0, COLUMN_NUMBER, COLUMN_HASH, COLUMN_FIRST_FIELD };

static struct record record_at(const struct rows *rows, size_t row, struct str server)
{
    size_t c = COLUMN_FIRST_FIELD;
    struct record r = {.server = server, .number = row_int(rows, row, COLUMN_NUMBER)};
    r.at = row_int(rows, row, c++);
    r.what = row_text(rows, row, c++);
    r.is_success = row_flag(rows, row, c++);
    r.user_id = row_int(rows, row, c++);
    r.user_name = row_text(rows, row, c++);
    r.user_name_key = row_text(rows, row, c++);
    r.address = row_text(rows, row, c++);
    r.source = row_text(rows, row, c++);
    r.request_id = row_text(rows, row, c++);
    r.object_kind = row_text(rows, row, c++);
    r.object_id = row_int(rows, row, c++);
    r.object_name = row_text(rows, row, c++);
    r.object_name_key = row_text(rows, row, c++);
    r.account_id = row_int(rows, row, c++);
    r.detail = row_text(rows, row, c++);
    return r;
}

/* The id is the store's own and not hashed: it has to rise with the number. */
static bool follows(const struct chain_end *end, const struct rows *rows, size_t row, struct str server,
                    struct chain_end *next)
{
    struct record r = record_at(rows, row, server);
    *next = (struct chain_end){.number = r.number, .id = row_int(rows, row, COLUMN_ID_OF_ROW)};
    record_hash(end->hash, &r, next->hash);
    return next->number == end->number + 1 && next->id > end->id &&
           str_equal(row_blob(rows, row, COLUMN_HASH), hash_str(next->hash));
}

RESULT chain_walk(struct db *db, struct str server, int64_t last, struct chain_end *end, int64_t *ret_bad,
                  struct err *e)
{
    AUTOFREE(arena) slice = arena_new();
    *ret_bad = 0;
    while (end->number < last) {
        arena_reset(slice);
        struct rows rows;
        TRY(db_query(
            db, slice,
            SQL("SELECT id, number, hash, at, what, is_success, user_id, user_name, user_name_key, address, source, "
                "request_id, object_kind, object_id, object_name, object_name_key, account_id, detail "
                "FROM audit_rows WHERE server = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT $4",
                P_TEXT(server), P_INT(end->number), P_INT(last), P_INT(WALK_SLICE_ROWS)),
            &rows, e));
        for (size_t i = 0; i < rows.n; i++) {
            struct chain_end next;
            if (!follows(end, &rows, i, server, &next)) {
                *ret_bad = end->number + 1;
                return SUCCESS;
            }
            *end = next;
        }
        if (rows.n < WALK_SLICE_ROWS && end->number < last) {
            *ret_bad = end->number + 1;
            return SUCCESS;
        }
    }
    return SUCCESS;
}

RESULT chain_hash_at(struct db *db, struct arena *a, struct str server, int64_t number, struct str *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("SELECT hash FROM audit_rows WHERE server = $1 AND number = $2", P_TEXT(server), P_INT(number)),
                 &rows, e));
    *ret = rows.n > 0 ? row_blob(&rows, 0, 0) : STR_ABSENT;
    return SUCCESS;
}
