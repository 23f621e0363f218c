/* audit/checkpoint.c: the heads of all chains, and the signature over them that also goes to the log. */
#include <inttypes.h>

#include "audit/audit.h"
#include "audit/state.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { HEADS_BYTES_MAX = 1 << 20 };

RESULT audit_heads(struct db *db, struct arena *a, struct audit_head **ret, size_t *ret_n, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a, SQL("SELECT server, number, hash, at FROM audit_heads ORDER BY server"), &rows, e));
    struct audit_head *heads = arena_array(a, struct audit_head, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        heads[i] = (struct audit_head){.server = row_text(&rows, i, 0),
                                       .number = row_int(&rows, i, 1),
                                       .hash = hex_encode(a, row_blob(&rows, i, 2)),
                                       .at = row_int(&rows, i, 3)};
    *ret = heads;
    *ret_n = rows.n;
    return SUCCESS;
}

RESULT audit_last_checkpoint(struct db *db, struct arena *a, struct audit_signed_heads *ret, struct err *e)
{
    struct rows rows;
    TRY(db_query(db, a, SQL("SELECT at, heads, signature FROM audit_checkpoints ORDER BY id DESC LIMIT 1"), &rows, e));
    *ret = (struct audit_signed_heads){.heads = S(""), .signature = S("")};
    if (rows.n > 0)
        *ret = (struct audit_signed_heads){row_int(&rows, 0, 0), row_text(&rows, 0, 1),
                                           hex_encode(a, row_blob(&rows, 0, 2))};
    return SUCCESS;
}

struct checkpoint {
    struct audit *audit;
    struct arena *arena;
    struct str heads, signature;
};

/* Nobody may have a head of their own making signed: ours has to be the one in memory. */
static bool is_our_end(const struct checkpoint *c, const struct audit_head *head)
{
    struct str hash = hex_encode(c->arena, hash_str(c->audit->end.hash));
    return !str_equal(head->server, c->audit->server) ||
           (head->number == c->audit->end.number && str_equal(head->hash, hash));
}

static result heads_text(struct checkpoint *c, struct db *db, struct err *e)
{
    struct audit_head *heads;
    size_t n;
    TRY(audit_heads(db, c->arena, &heads, &n, e));
    AUTOBUF text;
    buf_init(&text, HEADS_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!is_our_end(c, &heads[i]))
            return FAIL(
                e, INTERNAL,
                "audit: the stored head of chain \"%.*s\" is not the one that was written; the store was changed from "
                "outside. Run `keyturn audit verify` to see where",
                STR_ARG(c->audit->server));
        buf_printf(&text, "%s%.*s:%" PRId64 ":%.*s", i > 0 ? " " : "", STR_ARG(heads[i].server), heads[i].number,
                   STR_ARG(heads[i].hash));
    }
    audit_remember_heads(c->audit, heads, n);
    if (text.has_failed)
        return FAIL(e, INTERNAL, "audit: the heads of %zu chains are too long for a checkpoint", n);
    c->heads = arena_str(c->arena, buf_str(&text));
    return SUCCESS;
}

static result checkpoint_store(struct db *db, void *argument, struct err *e)
{
    struct checkpoint *c = argument;
    TRY(heads_text(c, db, e));
    if (c->heads.n == 0)
        return SUCCESS;
    struct str public_key;
    struct audit_signed_heads last;
    TRY(keyring_sign(c->audit->keys, c->heads, c->arena, &c->signature, &public_key, e));
    TRY(audit_last_checkpoint(db, c->arena, &last, e));
    if (str_equal(last.heads, c->heads))
        return SUCCESS;
    return db_run(db,
                  SQL("INSERT INTO audit_checkpoints (at, heads, signature, public_key) VALUES ($1, $2, $3, $4)",
                      P_INT(clock_now()), P_TEXT(c->heads), P_BLOB(c->signature), P_BLOB(public_key)),
                  e);
}

RESULT audit_checkpoint(struct audit *a, struct writer *w, struct err *e)
{
    AUTOFREE(arena) arena = arena_new();
    struct checkpoint c = {.audit = a, .arena = arena, .heads = S("")};
    TRY(writer_do(w, checkpoint_store, &c, e));
    struct str signature = hex_encode(arena, c.signature);
    if (c.heads.n > 0)
        log_info("audit checkpoint %.*s signature %.*s", STR_ARG(c.heads), STR_ARG(signature));
    return SUCCESS;
}
