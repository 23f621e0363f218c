/* audit/open.c: taking up a chain where the store left it, and the checks that come before it goes on. */
#include "audit/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static bool is_server_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return s.n > 0 && s.n <= 64;
}

static result fail_broken(const struct str server, const char *why, struct err *e)
{
    return FAIL(
        e, INTERNAL,
        "audit: %s of chain \"%.*s\"; the store was changed from outside. Run `keyturn audit verify` to see where", why,
        STR_ARG(server));
}

/* The head row and the last row are written in one transaction, so they can only differ by somebody's hand. */
static result read_end(struct audit *a, struct err *e)
{
    AUTOFREE(arena) scratch = arena_new();
    struct head head;
    struct rows last;
    TRY(head_read(a->db, scratch, a->server, &head, e));
    TRY(db_query(a->db, scratch,
                 SQL("SELECT number, hash, at FROM audit_rows WHERE server = $1 ORDER BY number DESC LIMIT 1",
                     P_TEXT(a->server)),
                 &last, e));
    if (!head.is_there && last.n == 0)
        return SUCCESS;
    if (!head.is_there)
        return fail_broken(a->server, "there are rows, but no head,", e);
    struct str hash = last.n > 0 ? row_blob(&last, 0, 1) : STR_ABSENT;
    if (last.n == 0 || row_int(&last, 0, 0) != head.number || hash.n != HASH_BYTES || !str_equal(hash, head.hash))
        return fail_broken(a->server, "the last row is not the one that the head names", e);
    a->end.number = head.number;
    memcpy(a->end.hash, hash.p, HASH_BYTES);
    a->last_at = row_int(&last, 0, 2);
    a->sealed_number = head.sealed_number;
    return SUCCESS;
}

/* *ret_why stays NULL when the rows are what the seal names, and whole from there to the end. */
static result compare_with_seal(const struct audit *a, struct db *db, const char **ret_why, struct err *e)
{
    AUTOFREE(arena) scratch = arena_new();
    struct head head;
    TRY(head_read(db, scratch, a->server, &head, e));
    if (!str_is_set(head.sealed))
        return SUCCESS;
    struct chain_end end = {.number = head.sealed_number};
    struct str hash;
    TRY(chain_hash_at(db, scratch, a->server, end.number, &hash, e));
    bool is_match = false;
    TRY(head_matches(a->keys, &head, hash, &is_match, e));
    if (!is_match || hash.n != HASH_BYTES) {
        *ret_why = "the sealed head does not fit the rows";
        return SUCCESS;
    }
    memcpy(end.hash, hash.p, HASH_BYTES);
    int64_t bad;
    TRY(chain_walk(db, a->server, a->end.number, &end, &bad, e));
    if (bad != 0 || memcmp(end.hash, a->end.hash, HASH_BYTES) != 0)
        *ret_why = "the rows after the sealed head do not follow from it";
    return SUCCESS;
}

RESULT audit_check_seal(struct audit *a, struct db *db, struct err *e)
{
    if (a->broken)
        return fail_broken(a->server, a->broken, e);
    if (!keyring_is_open(a->keys)) {
        a->was_checked = false;
        return SUCCESS;
    }
    if (a->was_checked)
        return SUCCESS;
    const char *why = NULL;
    result comparing = compare_with_seal(a, db, &why, e);
    if (comparing.code == SEALED) /* closed again since the question above */
        return SUCCESS;
    TRY(comparing);
    a->broken = why;
    if (a->broken)
        return fail_broken(a->server, a->broken, e);
    a->was_checked = true;
    return SUCCESS;
}

RESULT audit_open(struct db *writer_db, const struct keyring *keys, struct str server, struct audit **ret,
                  struct err *e)
{
    if (!is_server_name(server))
        return FAIL(e, INVALID, "server: 1 to 64 letters, digits, '-', '_' or '.'");
    AUTOFREE(audit) a = calloc(1, sizeof(*a));
    if (!a)
        die("out of memory: %zu bytes", sizeof(*a));
    a->whole = arena_new();
    a->group = arena_new();
    a->seen_arena = arena_new();
    a->keys = keys;
    a->server = arena_str(a->whole, server);
    pthread_mutex_init(&a->seen_lock, NULL);
    refusals_init(&a->refusals);
    a->db = writer_db;
    TRY(read_end(a, e));
    TRY(audit_check_seal(a, writer_db, e));
    audit_begin_group(a);
    db_attach(writer_db, a);
    *ret = TAKE(a);
    return SUCCESS;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    if (db_attachment(a->db) == a)
        db_attach(a->db, NULL);
    refusals_free(&a->refusals);
    pthread_mutex_destroy(&a->seen_lock);
    arena_free(a->group);
    arena_free(a->seen_arena);
    arena_free(a->whole);
    free(a);
}
