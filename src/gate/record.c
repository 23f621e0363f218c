/* gate/record.c: what of a call goes into the audit (keyturn-api 2.7): changes, reveals, sign-ins, each 403, each 404
 * on an id. */
#include "gate/internal.h"

struct audit_actor call_actor(const struct call *c)
{
    return (struct audit_actor){.user_id = c->who.user_id,
                                .user_name = str_is_set(c->who.name) ? c->who.name : S(""),
                                .address = c->who.address,
                                .request_id = c->request_id,
                                .source = str_of(c->face->name)};
}

/* Of nobody they are counted (run.c), on open endpoints, too: a flood from outside must not become one of rows. */
bool is_refusal_recorded(const struct gate_call *gc, enum code code)
{
    if (gc->call.who.user_id == 0)
        return false;
    return code == DENIED || (code == NOT_FOUND && gc->call.param_count > 0);
}

static const char *record_name(const struct call *c)
{
    if (!str_equal(str_of(c->row->audit), S(UNRECORDED)))
        return c->row->audit;
    return "read.refused";
}

void record_outcome(struct gate_call *gc, struct db *db, bool is_success)
{
    struct call *c = &gc->call;
    struct audit_object object = gc->object;
    if (!object.kind && c->row->object && c->param_count > 0) {
        object.kind = c->row->object;
        int64_t id;
        if (str_to_int(c->params[0], 0, INT64_MAX, &id))
            object.id = id;
    }
    audit_act(db, call_actor(c));
    struct str detail = gc->detail;
    if (!is_success)
        detail = arena_printf(c->arena, "%s %s: %s", c->face->name, c->row->path, code_name(gc->why.code));
    audit_note(db, record_name(c), is_success, object, gc->account_id, detail);
}
