/* activedirectory/quoted_password.h: a password in the form that unicodePwd takes. */
#pragma once

#include "base/secret.h"

/* UTF-16LE with a quotation mark at each end. The password is UTF-8. Lives in the arena, which wipes it. */
struct str quoted_password(const struct secret *password, struct arena *a);
