/* api/passwordsafe/key.c: private keys that callers send: parsed in a process of their own, before the writer is asked.
 */
#include "api/passwordsafe/face.h"
#include "rotation/rotation.h"

result inspect_key(struct call *c, const struct secret *private_key, const struct secret *passphrase, struct err *e)
{
    struct err why;
    if (secret_length(private_key) == 0)
        return SUCCESS;
    struct key_facts *facts = arena_new_of(c->whole, struct key_facts);
    result r = rotation_inspect_key(c->service->rotation, private_key, passphrase, c->whole, &facts->public_key,
                                    &facts->is_encrypted, &why);
    if (r.code == INVALID)
        return FAIL(e, INVALID, "PrivateKey: %s", why.text);
    if (!is_ok(r)) {
        *e = why;
        return r;
    }
    c->prepared = facts;
    return SUCCESS;
}
