/* audit/contact.c: a connection was made anew: does the store still hold what it has acknowledged? */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/state.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "db/copy.h"

enum { LOSS_BYTES_MAX = 1000 };

void audit_on_rewound(struct audit *a, audit_rewound rewound, void *context)
{
    a->rewound = rewound;
    a->rewound_context = context;
}

void audit_remember_heads(struct audit *a, const struct audit_head *heads, size_t n)
{
    struct arena *arena = arena_new();
    struct audit_head *copies = arena_array(arena, struct audit_head, n);
    for (size_t i = 0; i < n; i++)
        copies[i] = (struct audit_head){.server = arena_str(arena, heads[i].server), .number = heads[i].number};
    pthread_mutex_lock(&a->seen_lock);
    arena_free(a->seen_arena);
    a->seen_arena = arena;
    a->seen = copies;
    a->seen_n = n;
    pthread_mutex_unlock(&a->seen_lock);
}

struct str audit_heads_text(struct audit *a, struct arena *arena)
{
    struct str text = S("");
    pthread_mutex_lock(&a->seen_lock);
    for (size_t i = 0; i < a->seen_n; i++)
        text = arena_printf(arena, "%.*s%s%.*s:%" PRId64, STR_ARG(text), i ? " " : "", STR_ARG(a->seen[i].server),
                            a->seen[i].number);
    pthread_mutex_unlock(&a->seen_lock);
    return text;
}

static const struct audit_head *find_head(const struct audit_head *heads, size_t n, struct str server)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(heads[i].server, server))
            return &heads[i];
    return NULL;
}

/* Every chain has to reach at least as far as it was seen to. */
static void find_losses(const struct audit *a, const struct audit_head *heads, size_t n, struct buf *text)
{
    for (size_t i = 0; i < a->seen_n; i++) {
        const struct audit_head *seen = &a->seen[i], *now = find_head(heads, n, seen->server);
        int64_t number = now ? now->number : 0;
        bool is_ours = str_equal(seen->server, a->server);
        int64_t wanted = is_ours && a->end.number > seen->number ? a->end.number : seen->number;
        if (number < wanted)
            buf_printf(text, "%srows %" PRId64 " to %" PRId64 " of server %.*s", text->n ? ", " : "", number + 1,
                       wanted, STR_ARG(seen->server));
    }
}

static bool is_end(const struct chain_end *end, const struct head *head)
{
    return end->number == head->number && (end->number == 0 || str_equal(hash_str(end->hash), head->hash));
}

/* Our own chain: as it was, with the group in doubt, or cut back. Anything else was written by somebody else. */
static result find_end(struct audit *a, const struct head *head, bool *ret_stands, bool *ret_is_rewound, struct err *e)
{
    *ret_stands = *ret_is_rewound = false;
    if (is_end(&a->end, head))
        return SUCCESS;
    if (is_end(&a->next_end, head)) {
        *ret_stands = true;
        a->end = a->next_end;
        a->last_at = a->next_last_at;
        a->sealed_number = a->next_sealed_number;
        return SUCCESS;
    }
    *ret_is_rewound = head->number < a->end.number;
    if (*ret_is_rewound)
        return SUCCESS;
    a->broken = "the head is not the one that was written";
    return audit_check_seal(a, a->db, e);
}

static void take_end(struct audit *a, const struct head *head)
{
    a->end = (struct chain_end){.number = head->number};
    if (head->hash.n == HASH_BYTES)
        memcpy(a->end.hash, head->hash.p, HASH_BYTES);
    a->sealed_number = head->sealed_number;
    a->was_checked = false;
}

static result record_loss(struct audit *a, struct db *db, struct str losses, struct err *e)
{
    log_error(
        "the store has lost what it had acknowledged: %.*s. It was restored from a copy, or a standby without the "
        "last commits took over. Accounts are compared with their systems before anything is changed",
        STR_ARG(losses));
    audit_note(db, "store.rewound", false, (struct audit_object){"server", 0, a->server}, 0, losses);
    return a->rewound ? a->rewound(db, a->rewound_context, losses, e) : SUCCESS;
}

/* The UPDATE makes this transaction one that the standbys have to confirm: and with it all before it. */
static result look(struct audit *a, struct db *db, struct arena *arena, bool *ret_stands, struct err *e)
{
    struct head head;
    struct audit_head *heads;
    size_t n;
    bool is_rewound;
    TRY(db_run(db, SQL("UPDATE audit_heads SET number = number WHERE server = $1", P_TEXT(a->server)), e));
    TRY(head_read(db, arena, a->server, &head, e));
    TRY(audit_heads(db, arena, &heads, &n, e));
    AUTOBUF losses;
    buf_init(&losses, LOSS_BYTES_MAX);
    int64_t known = a->end.number;
    TRY(find_end(a, &head, ret_stands, &is_rewound, e));
    if (is_rewound && !find_head(a->seen, a->seen_n, a->server))
        buf_printf(&losses, "rows %" PRId64 " to %" PRId64 " of server %.*s", head.number + 1, known,
                   STR_ARG(a->server));
    find_losses(a, heads, n, &losses);
    if (is_rewound)
        take_end(a, &head);
    audit_begin_group(a);
    if (buf_str(&losses).n > 0)
        TRY(record_loss(a, db, buf_str(&losses), e));
    TRY(audit_before_commit(db, a, e));
    return SUCCESS;
}

static result look_and_commit(struct audit *a, struct db *db, bool *ret_stands, struct err *e)
{
    AUTOFREE(arena) arena = arena_new();
    struct chain_end end = a->end, next_end = a->next_end;
    bool stands = false;
    TRY(db_begin(db, e));
    result r = look(a, db, arena, &stands, e);
    if (is_ok(r))
        r = db_commit(db, e);
    bool has_stood = a->has_stood || (stands && !a->is_contact_in_doubt);
    if (is_ok(r)) {
        audit_after_commit(db, a);
        a->is_contact_in_doubt = a->has_stood = false;
        *ret_stands = has_stood;
        return SUCCESS;
    }
    if (db_is_in_doubt(db)) { /* what was seen holds; of this transaction itself the next look decides */
        a->is_contact_in_doubt = true;
        a->has_stood = has_stood;
        db_rollback(db);
        return r;
    }
    db_rollback(db);
    audit_begin_group(a);
    a->end = end;
    a->next_end = next_end;
    return r;
}

static result see_heads(struct audit *a, struct db *db, struct err *e)
{
    AUTOFREE(arena) arena = arena_new();
    struct audit_head *heads;
    size_t n;
    TRY(audit_heads(db, arena, &heads, &n, e));
    audit_remember_heads(a, heads, n);
    return SUCCESS;
}

/* A server that was cut off for a while may come back to a store that was moved away meanwhile. */
static result check_served(struct audit *a, struct db *db, struct err *e)
{
    struct err why;
    int64_t now = clock_monotonic();
    result r = copy_check_served(db, &why);
    if (r.code != CONFLICT)
        return is_ok(r) ? r : FAIL(e, why.code, "%s", why.text);
    if (now - a->complained_at >= 10 * SECONDS || a->complained_at == 0) {
        log_error("store: %s", why.text);
        a->complained_at = now;
    }
    return FAIL(e, BUSY, "the store cannot be reached");
}

result audit_contact(struct db *db, void *context, bool *ret_stands, struct err *e)
{
    struct audit *a = context;
    TRY(check_served(a, db, e));
    TRY(look_and_commit(a, db, ret_stands, e));
    return see_heads(a, db, e);
}

static bool take_word(struct str *rest, struct audit_head *ret)
{
    ptrdiff_t space = str_find_char(*rest, ' ');
    struct str word = str_sub(*rest, 0, space < 0 ? rest->n : (size_t)space);
    ptrdiff_t colon = str_find_char(word, ':');
    *rest = space < 0 ? S("") : str_sub(*rest, (size_t)space + 1, rest->n);
    if (colon <= 0)
        return false;
    *ret = (struct audit_head){.server = str_sub(word, 0, (size_t)colon)};
    return str_to_int(str_sub(word, (size_t)colon + 1, word.n), 0, INT64_MAX, &ret->number);
}

result audit_compare(struct audit *a, struct db *writer_db, struct str heads, struct err *e)
{
    AUTOFREE(arena) arena = arena_new();
    size_t n = 0;
    struct audit_head *known = arena_array(arena, struct audit_head, heads.n / 3 + 1);
    while (str_is_set(heads) && heads.n > 0)
        n += take_word(&heads, &known[n]);
    audit_remember_heads(a, known, n);
    bool stands;
    return audit_contact(writer_db, a, &stands, e);
}
