/* api/controlroom/vault_keys.c: the transport key, which clients want to see (controlroom-api 4.4). */
#include <pthread.h>

#include "api/controlroom/face.h"
#include "base/text.h"
#include "crypto/token.h"

struct transport_key {
    struct str public_key; /* Base64 of a SubjectPublicKeyInfo */
};
static const struct field key_fields[] = {TEXT("publicKey", struct transport_key, public_key), FIELD_END};

/* One per process, made when first asked for: it takes 100 ms, so the row SEARCHES, off the loops. */
static result transport_signer(const struct token_signer **ret, struct err *e)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct token_signer *signer;
    pthread_mutex_lock(&lock);
    result r = signer ? SUCCESS : token_signer_new(&signer, e);
    *ret = signer;
    pthread_mutex_unlock(&lock);
    return r;
}

static result transport_key_show(struct call *c, struct err *e)
{
    const struct token_signer *signer;
    TRY(transport_signer(&signer, e));
    struct transport_key key = {.public_key = base64_encode(c->arena, token_signer_public(signer))};
    reply_object(c, key_fields, &key);
    return SUCCESS;
}

const struct endpoint vault_key_endpoints[] = {
    {HTTP_GET, "/v2/credentialvault/keys/transport/public", SIGNED_IN, SEARCHES, UNRECORDED, "The public transport key",
     NO_BODY, transport_key_show, .reply = key_fields},
    {0},
};
