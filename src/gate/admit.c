/* gate/admit.c: who calls, and may they? Decided in the transaction that the handler then runs in. */
#include "gate/internal.h"

static bool holds_a_right(const struct may *may, const struct rights *rights)
{
    for (size_t i = 0; i < sizeof may->any_of / sizeof may->any_of[0]; i++)
        if (may->any_of[i].right && rights_have(rights, may->any_of[i].right, may->any_of[i].level))
            return true;
    return false;
}

static result may_call(struct call *c, bool *ret, struct err *e)
{
    const struct may *may = &c->row->may;
    *ret = false;
    switch (may->who) {
    case WHO_PUBLIC:
    case WHO_SIGNED_IN:
    case WHO_DEVICE:
        *ret = true;
        return SUCCESS;
    case WHO_AAE_ADMIN:
        *ret = c->who.rights.is_aae_admin;
        return SUCCESS;
    case WHO_ADMINISTRATOR:
        *ret = c->who.rights.is_aae_admin || c->who.rights.is_administrator;
        return SUCCESS;
    case WHO_HOLDS:
        *ret = holds_a_right(may, &c->who.rights);
        if (!*ret && may->roles[0])
            return rule_role_anywhere(c->db, c->arena, &c->who, may->roles, ret, e);
        return SUCCESS;
    case WHO_FORGOTTEN:
        break;
    }
    return FAIL(e, INTERNAL, "row without a rule");
}

result call_admit(struct call *c, struct err *e)
{
    if (c->row->may.who == WHO_PUBLIC)
        return SUCCESS;
    TRY(c->face->identify(c, &c->who, e));
    if (c->row->may.password_needed && c->who.password_at == 0)
        return FAIL_AS(e, DENIED, "password.required", "Sign in with a password first");
    bool is_allowed;
    TRY(may_call(c, &is_allowed, e));
    if (is_allowed)
        return SUCCESS;
    *e = c->face->not_permitted;
    return (result){e->code};
}
