/* audit/verify.c: is every chain what was written, and by what do we know? */
#include <inttypes.h>

#include "audit/audit.h"
#include "audit/report.h"
#include "base/text.h"

struct named_head {    /* "[SERVER:]N:HASH" */
    struct str server; /* absent when not named */
    int64_t number;
    struct str hash;
};

static struct str cut_last(struct str *s)
{
    size_t at = s->n;
    while (at > 0 && s->p[at - 1] != ':')
        at--;
    struct str last = str_sub(*s, at, s->n - at);
    *s = at > 0 ? str_sub(*s, 0, at - 1) : STR_ABSENT;
    return last;
}

static bool parse_head(struct arena *a, struct str text, struct named_head *ret)
{
    struct named_head head;
    struct str hash = cut_last(&text);
    struct str number = str_is_set(text) ? cut_last(&text) : STR_ABSENT;
    head.server = text;
    if (hash.n != 2 * HASH_BYTES || !hex_decode(a, hash, &head.hash) || !str_to_int(number, 1, INT64_MAX, &head.number))
        return false;
    *ret = head;
    return true;
}

static struct chain_check *chain_named(struct verification *v, struct str server)
{
    for (size_t i = 0; i < v->n; i++)
        if (str_equal(v->chains[i].c.server, server))
            return &v->chains[i];
    return NULL;
}

/* Ends and heads in one statement, the newest checkpoint before them: rows written meanwhile are beyond all we look at.
 */
static result find_chains(struct verification *v, struct err *e)
{
    struct rows newest, rows;
    TRY(db_query(v->db, v->arena, SQL("SELECT MAX(id) FROM audit_checkpoints"), &newest, e));
    TRY(db_query(
        v->db, v->arena,
        SQL("SELECT s.server, (SELECT MIN(number) FROM audit_rows r WHERE r.server = s.server), (SELECT MAX(number) "
            "FROM "
            "audit_rows r WHERE r.server = s.server), h.number, h.hash, h.sealed, h.sealed_number FROM (SELECT server "
            "FROM audit_rows UNION SELECT server FROM audit_heads) s LEFT JOIN audit_heads h ON h.server = s.server "
            "ORDER BY s.server"),
        &rows, e));
    v->last_checkpoint = row_int(&newest, 0, 0);
    v->n = rows.n;
    v->chains = arena_array(v->arena, struct chain_check, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        v->chains[i] = (struct chain_check){
            .c = {.server = row_text(&rows, i, 0), .from = row_int(&rows, i, 1), .to = row_int(&rows, i, 2)},
            .head = {!row_is_null(&rows, i, 3), row_int(&rows, i, 3), row_int(&rows, i, 6), row_blob(&rows, i, 4),
                     row_blob(&rows, i, 5)},
        };
    return SUCCESS;
}

static result check_rows(struct verification *v, struct chain_check *c, struct err *e)
{
    int64_t bad = 0;
    struct chain_end end = {0};
    if (c->c.from == 1)
        TRY(chain_walk(v->db, c->c.server, c->c.to, &end, &bad, e));
    else if (c->c.to != 0 || c->c.from != 0)
        report_bad(v, c, 1, "the chain begins with row %" PRId64, c->c.from);
    if (bad != 0)
        report_bad(v, c, bad, "row %" PRId64 " is missing, was changed, or is not the one that was written here", bad);
    return SUCCESS;
}

static result check_stored_head(struct verification *v, struct chain_check *c, struct err *e)
{
    int64_t to = c->c.to;
    struct str hash;
    TRY(chain_hash_at(v->db, v->arena, c->c.server, to, &hash, e));
    if (!c->head.is_there)
        report_bad(v, c, to + 1, "the head of the chain is gone");
    else if (c->head.number > to)
        report_bad(v, c, to + 1, "rows are cut off: the head is row %" PRId64 ", the last one is %" PRId64,
                   c->head.number, to);
    else if (c->head.number < to)
        report_bad(v, c, c->head.number + 1, "rows were added behind the head, which is row %" PRId64, c->head.number);
    else if (!str_equal(hash, c->head.hash))
        report_bad(v, c, to, "the last row is not the one that the head names");
    return SUCCESS;
}

/* `who` has said that row `number` has this hash. */
static result check_named(struct verification *v, struct chain_check *c, const char *who,
                          const struct named_head *named, bool is_ours, struct err *e)
{
    AUTOFREE(arena) scratch = arena_new();
    struct str hash;
    TRY(chain_hash_at(v->db, scratch, c->c.server, named->number, &hash, e));
    if (!str_is_set(hash))
        report_bad(v, c, c->c.to < named->number ? c->c.to + 1 : named->number,
                   "rows are cut off or missing: %s names row %" PRId64 ", the last one is %" PRId64, who,
                   named->number, c->c.to);
    else if (!str_equal(hash, named->hash))
        report_bad(v, c, named->number, "row %" PRId64 " is not the one that %s names", named->number, who);
    else if (is_ours)
        report_vouch(c, named->number);
    return SUCCESS;
}

static result check_seal(struct verification *v, struct chain_check *c, struct err *e)
{
    if (!v->has_keys || !str_is_set(c->head.sealed))
        return SUCCESS;
    struct str hash;
    bool is_match = false;
    TRY(chain_hash_at(v->db, v->arena, c->c.server, c->head.sealed_number, &hash, e));
    TRY(head_matches(v->keys, &c->head, hash, &is_match, e));
    c->c.head_was_checked = true;
    if (!str_is_set(hash))
        report_bad(v, c, c->c.to + 1, "rows are cut off: the sealed head is row %" PRId64 ", the last one is %" PRId64,
                   c->head.sealed_number, c->c.to);
    else if (!is_match)
        report_bad(v, c, c->head.sealed_number, "row %" PRId64 " is not the one that the sealed head names",
                   c->head.sealed_number);
    else
        report_vouch(c, c->head.sealed_number);
    return SUCCESS;
}

static result find_given(struct verification *v, struct str text, struct named_head *ret,
                         struct chain_check **ret_chain, struct err *e)
{
    if (!parse_head(v->arena, text, ret))
        return FAIL(e, INVALID, "head: give it as SERVER:N:HASH, the hash in 64 hex digits");
    if (!str_is_set(ret->server) && v->n != 1)
        return FAIL(e, INVALID, "head: there are %zu chains; name the server, as in a:17:HASH", v->n);
    struct chain_check *c = str_is_set(ret->server) ? chain_named(v, ret->server) : &v->chains[0];
    if (!c)
        return FAIL(e, INVALID, "head: there is no chain of server \"%.*s\"", STR_ARG(ret->server));
    *ret_chain = c;
    return SUCCESS;
}

/* ---- checkpoints ---- */

struct stored_checkpoint {
    int64_t id;
    struct str heads, signature, public_key;
};

static result check_checkpoint(struct verification *v, struct arena *slice, const struct stored_checkpoint *p,
                               struct err *e)
{
    if (!signature_check(p->heads, p->signature, p->public_key)) {
        report_bad_checkpoint(v, "the signature of checkpoint %" PRId64 " is wrong", p->id);
        return SUCCESS;
    }
    bool is_ours = v->has_keys && str_equal(p->public_key, v->own_key);
    v->foreign_checkpoints += !is_ours;
    struct str rest = p->heads;
    while (str_is_set(rest)) {
        struct str one = str_cut(&rest, ' ');
        struct named_head named;
        struct chain_check *c = NULL;
        bool is_readable = parse_head(slice, one, &named) && str_is_set(named.server);
        if (is_readable)
            c = chain_named(v, named.server);
        if (c)
            TRY(check_named(v, c, "a signed checkpoint", &named, is_ours, e));
        else if (is_readable)
            report_bad_checkpoint(v, "checkpoint %" PRId64 " names chain %.*s, of which nothing is left", p->id,
                                  STR_ARG(named.server));
        else
            report_bad_checkpoint(v, "checkpoint %" PRId64 " cannot be read", p->id);
    }
    return SUCCESS;
}

static result check_checkpoints(struct verification *v, struct err *e)
{
    AUTOFREE(arena) slice = arena_new();
    struct stored_checkpoint p = {.id = INT64_MIN};
    while (p.id < v->last_checkpoint) {
        arena_reset(slice);
        struct rows rows;
        TRY(db_query(
            v->db, slice,
            SQL("SELECT id, heads, signature, public_key FROM audit_checkpoints WHERE id > $1 AND id <= $2 ORDER BY id "
                "LIMIT $3",
                P_INT(p.id), P_INT(v->last_checkpoint), P_INT(WALK_SLICE_ROWS)),
            &rows, e));
        if (rows.n == 0)
            return SUCCESS;
        for (size_t i = 0; i < rows.n; i++) {
            p = (struct stored_checkpoint){row_int(&rows, i, 0), row_text(&rows, i, 1), row_blob(&rows, i, 2),
                                           row_blob(&rows, i, 3)};
            TRY(check_checkpoint(v, slice, &p, e));
        }
    }
    return SUCCESS;
}

static result find_own_key(struct verification *v, struct err *e)
{
    if (!v->keys)
        return SUCCESS;
    struct str signature;
    result signing = keyring_sign(v->keys, S("keyturn audit verify"), v->arena, &signature, &v->own_key, e);
    if (signing.code == SEALED)
        return SUCCESS;
    v->has_keys = is_ok(signing);
    return signing;
}

static result check_chains(struct verification *v, struct err *e)
{
    for (size_t i = 0; i < v->n; i++) {
        TRY(check_rows(v, &v->chains[i], e));
        TRY(check_stored_head(v, &v->chains[i], e));
        TRY(check_seal(v, &v->chains[i], e));
    }
    return SUCCESS;
}

RESULT audit_verify(struct db *db, const struct keyring *keys, struct str head, struct arena *a,
                    struct audit_report *ret, struct err *e)
{
    struct verification v = {.db = db, .keys = keys, .arena = a};
    struct named_head given;
    struct chain_check *given_chain = NULL;
    TRY(find_own_key(&v, e));
    TRY(find_chains(&v, e));
    if (str_is_set(head))
        TRY(find_given(&v, head, &given, &given_chain, e));
    TRY(check_chains(&v, e));
    if (given_chain) {
        TRY(check_named(&v, given_chain, "the head that was given", &given, true, e));
        given_chain->c.head_was_checked = true;
    }
    TRY(check_checkpoints(&v, e));
    report_finish(&v, ret);
    return SUCCESS;
}
