/* common/made.c: an account, a password and what was made of it, until the next one. */
#include "common/made.h"

void made_remember(struct made *m, struct str account, const struct secret *password, struct str verifier)
{
    if (m->arena)
        arena_reset(m->arena);
    else
        m->arena = arena_new();
    m->account = arena_str(m->arena, account);
    m->verifier = arena_str(m->arena, verifier);
    m->password = secret_copy(m->arena, password);
}

bool made_is(const struct made *m, struct str account, const struct secret *password, struct str present)
{
    return m->password && str_is_set(present) && str_equal(m->account, account) && m->verifier.n == present.n &&
           equal_constant_time(m->verifier.p, present.p, present.n) && secret_equal(m->password, password);
}

void made_free(struct made *m)
{
    arena_free(m->arena);
    *m = (struct made){0};
}
