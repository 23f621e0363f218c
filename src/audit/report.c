/* audit/report.c: putting the findings of a verification together. */
#include "audit/report.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/buf.h"

enum { WHY_BYTES_MAX = 1000, REPORT_BYTES_MAX = 256 * 1024 };

static struct str format_text(struct arena *a, const char *format, va_list arguments)
{
    char *text = arena_alloc(a, WHY_BYTES_MAX);
    int n = vsnprintf(text, WHY_BYTES_MAX, format, arguments);
    size_t length = n < 0 ? 0 : (size_t)n;
    return (struct str){text, length < WHY_BYTES_MAX ? length : WHY_BYTES_MAX - 1};
}

void report_bad(struct verification *v, struct chain_check *c, int64_t number, const char *format, ...)
{
    if (number < 1) /* somebody's rows below the first */
        number = 1;
    if (c->c.first_bad != 0 && number >= c->c.first_bad)
        return;
    c->c.first_bad = number;
    if (c->c.vouched_to >= number)
        c->c.vouched_to = 0;
    va_list arguments;
    va_start(arguments, format);
    c->why = format_text(v->arena, format, arguments);
    va_end(arguments);
}

void report_vouch(struct chain_check *c, int64_t number)
{
    if (c->c.first_bad != 0 && number >= c->c.first_bad)
        return;
    if (number > c->c.vouched_to)
        c->c.vouched_to = number;
}

void report_bad_checkpoint(struct verification *v, const char *format, ...)
{
    if (v->bad_checkpoints++ > 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    v->bad_checkpoint = format_text(v->arena, format, arguments);
    va_end(arguments);
}

static void write_chain(struct buf *b, const struct audit_chain *c, struct str why)
{
    buf_printf(b, "chain %.*s: ", STR_ARG(c->server));
    if (c->first_bad != 0)
        buf_printf(b, "not whole from row %" PRId64 " on: %.*s", c->first_bad, STR_ARG(why));
    else
        buf_printf(b, "rows %" PRId64 " to %" PRId64 " are whole", c->from, c->to);
    if (c->vouched_to == 0)
        buf_add(b, S("; nothing that only this server could have made vouches for a row"));
    else
        buf_printf(b, "; vouched for to row %" PRId64, c->vouched_to);
    if (c->first_bad == 0 && c->vouched_to > 0 && c->vouched_to < c->to)
        buf_printf(b, ", chained but not vouched for from there to row %" PRId64, c->to);
    buf_add_char(b, '\n');
}

static void write_notes(struct buf *b, const struct verification *v)
{
    if (v->bad_checkpoints > 0)
        buf_printf(b, "%" PRId64 " stored checkpoints are not genuine: %.*s\n", v->bad_checkpoints,
                   STR_ARG(v->bad_checkpoint));
    if (v->foreign_checkpoints > 0)
        buf_printf(b,
                   "%" PRId64
                   " stored checkpoints fit the rows but vouch for none: they were signed with a key that is not "
                   "%s\n",
                   v->foreign_checkpoints, v->has_keys ? "the present one" : "known here");
    if (!v->has_keys)
        buf_add(b, S("the keys are not open: the sealed heads were not checked\n"));
}

void report_finish(struct verification *v, struct audit_report *ret)
{
    struct audit_chain *chains = arena_array(v->arena, struct audit_chain, v->n);
    struct audit_report r = {.is_ok = v->bad_checkpoints == 0, .head_was_checked = v->n > 0, .server = S("")};
    const struct audit_chain *chosen = NULL;
    AUTOBUF text;
    buf_init(&text, REPORT_BYTES_MAX);
    for (size_t i = 0; i < v->n; i++) {
        chains[i] = v->chains[i].c;
        chains[i].is_ok = chains[i].first_bad == 0;
        r.is_ok = r.is_ok && chains[i].is_ok;
        r.head_was_checked = r.head_was_checked && chains[i].head_was_checked;
        if (!chosen || (chosen->is_ok && !chains[i].is_ok))
            chosen = &chains[i];
        write_chain(&text, &chains[i], v->chains[i].why);
    }
    if (!chosen)
        buf_add(&text, S("there is no audit row yet\n"));
    write_notes(&text, v);
    if (chosen) {
        r.server = chosen->server;
        r.from = chosen->from;
        r.to = chosen->to;
        r.first_bad = chosen->first_bad;
        r.vouched_to = chosen->vouched_to;
    }
    r.chains = chains;
    r.chain_count = v->n;
    r.text = arena_str(v->arena, str_trim(buf_str(&text)));
    *ret = r;
}
