/* api/controlroom/user_object.h: a user as sign-in and user management show him (controlroom-api 2.1). */
#pragma once

#include "gate/gate.h"
#include "identity/user.h"

struct user_object;
/* Every key of 2.1 in its order: for the `.reply` of rows, for reply_object() and for an OBJECT in a larger answer. */
extern const struct field user_object_fields[];

/* Made of a user with his roles, in c->arena. `rights` are listed as permissions; NULL: "permissions" is []. */
struct user_object *user_object_of(struct call *c, const struct user *u, const struct rights *rights);
/* Write it as one value: for lists. */
void write_user(struct json_writer *w, struct call *c, const struct user *u, const struct rights *rights);

/* What login and refresh answer: {"token","user","tenantUuid","mfaAuthResponse"}. */
extern const struct field signed_in_fields[];
void reply_signed_in(struct call *c, struct str token, const struct user *u, const struct rights *rights);
