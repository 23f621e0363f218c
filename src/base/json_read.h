/* base/json_read.h: what the two files of the JSON reader share. */
#pragma once

#include "base/json.h"

/* INVALID, with the byte at which it stands. `what` is a fixed text. */
RESULT json_wrong(const struct json *j, const char *at, struct err *e, const char *what);
void json_skip_blanks(struct json *j);
