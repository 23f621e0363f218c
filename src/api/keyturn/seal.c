/* api/keyturn/seal.c: is the vault sealed? (keyturn-api 9) */
#include "api/keyturn/face.h"

struct progress {
    int64_t given, needed;
};
static const struct field progress_fields[] = {
    INT("given", struct progress, given),
    INT("needed", struct progress, needed),
    FIELD_END,
};
struct seal_view {
    bool sealed;
    struct str kind;
    struct progress *progress;
};
static const struct field seal_fields[] = {
    FLAG("sealed", struct seal_view, sealed),
    TEXT("kind", struct seal_view, kind),
    OBJECT("progress", struct seal_view, progress, struct progress, progress_fields),
    FIELD_END,
};

/* One key opens the vault, whole: what was given is all or nothing. */
static result seal_show(struct call *c, struct err *e)
{
    (void)e;
    bool is_open = keyring_is_open(c->service->keys);
    struct progress progress = {.given = is_open, .needed = 1};
    struct seal_view v = {.sealed = !is_open, .kind = str_of(c->service->seal_kind), .progress = &progress};
    reply_object(c, seal_fields, &v);
    return SUCCESS;
}

const struct endpoint seal_endpoints[] = {
    {HTTP_GET, "/seal", ADMINISTRATOR, READS, UNRECORDED, "Is the vault sealed, and by what?", NO_BODY, seal_show,
     .reply = seal_fields},
    {0},
};
