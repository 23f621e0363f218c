/* vault/naming.h: names, descriptions and refusals that credentials and lockers share; for this folder only. */
#pragma once

#include "base/arena.h"
#include "base/result.h"

enum { NAME_LENGTH_MAX = 50, DESCRIPTION_LENGTH_MAX = 255 };

#define NOT_PERMITTED "You do not have permission to perform this action"

/* Trim *name and check it (controlroom-api 4.1). INVALID "<field>: …". */
RESULT check_name(const char *field, struct str *name, struct err *e);
/* Absent is fine and stays absent. INVALID. */
RESULT check_description(const char *field, struct str description, struct err *e);
