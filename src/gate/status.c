/* gate/status.c: the HTTP status of a code, for every face. */
#include "gate/gate.h"

static const int statuses[CODE_COUNT] = {
    [OK] = 200,         [NOT_FOUND] = 404, [UNAUTHENTICATED] = 401, [DENIED] = 403,      [CONFLICT] = 409,
    [INVALID] = 400,    [TOO_LARGE] = 413, [NOT_ALLOWED] = 405,     [UNSUPPORTED] = 415, [BUSY] = 503,
    [SEALED] = 503,     [REFUSED] = 400,   [UNREACHABLE] = 400,     [UNCERTAIN] = 409,   [DRIFT] = 400,
    [STORE_FULL] = 503, [INTERNAL] = 500,
};

int status_of(enum code code)
{
    return statuses[code];
}
