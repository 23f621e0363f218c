/* api/passwordsafe/shared.c: what the files of this face share: paging, refused switches, keeping what is not given. */
#include "api/passwordsafe/face.h"

enum { ROWS_AT_ONCE = 100000 };

result not_permitted(struct err *e)
{
    return FAIL_AS(e, DENIED, "4031", "You do not have permission to do this");
}

struct reason_in {
    struct str reason;
};
static const struct field reason_rows[] = {
    TEXT("Reason", struct reason_in, reason, .max = 1000, .or_text = "", .example = "deploy done"),
    FIELD_END,
};
const struct body ps_reason_body = {
    .fields = reason_rows, .size = sizeof(struct reason_in), .example = "{\"Reason\":\"done\"}"};

result take_reason(struct call *c, struct err *e)
{
    const void *body;
    TRY(call_body(c, &body, e));
    call_detail(c, ((const struct reason_in *)body)->reason);
    return SUCCESS;
}

/* ---- paging ---- */

result page_of(const struct paging *p, struct page *ret, struct err *e)
{
    *ret = (struct page){.limit = ROWS_AT_ONCE};
    if (p->offset.is_set && p->offset.value < 0)
        return FAIL(e, INVALID, "offset: must be at least 0");
    if (!p->limit.is_set)
        return SUCCESS;
    if (p->limit.value < 1)
        return FAIL(e, INVALID, "limit: must be at least 1");
    ret->limit = p->limit.value < ROWS_AT_ONCE ? p->limit.value : ROWS_AT_ONCE;
    ret->offset = p->offset.value;
    ret->is_envelope = true;
    return SUCCESS;
}

void reply_page_of_rows(struct call *c, const struct page *p, const struct field *rows, const void *items,
                        size_t item_size, size_t n, int64_t total)
{
    if (!p->is_envelope) {
        reply_array(c, rows, items, item_size, n);
        return;
    }
    struct json_writer *w = reply_json(c);
    json_object_begin(w);
    json_key(w, S("TotalCount"));
    json_write_int(w, total);
    json_key(w, S("Data"));
    reply_array(c, rows, items, item_size, n);
    json_object_end(w);
}

/* ---- bodies ---- */

result refuse_switches(const struct field *rows, const void *body, const bool *switches, size_t n, struct err *e)
{
    struct err found = {0};
    size_t first = (size_t)((const char *)switches - (const char *)body);
    for (const struct field *f = rows; f->name; f++) {
        bool is_one = f->offset >= first && f->offset < first + n * sizeof(bool);
        if (is_one && switches[(f->offset - first) / sizeof(bool)])
            err_add_line(&found, "%s: not supported", f->name);
    }
    return found.code == OK ? SUCCESS : FAIL(e, INVALID, "%s", found.text);
}

void take_text(struct str *to, struct str given)
{
    if (str_is_set(given))
        *to = given;
}

void take_int(int64_t *to, struct opt_int given)
{
    if (given.is_set)
        *to = given.value;
}

void take_opt_int(struct opt_int *to, struct opt_int given)
{
    if (given.is_set)
        *to = given;
}

void take_flag(bool *to, struct opt_bool given)
{
    if (given.is_set)
        *to = given.value;
}
