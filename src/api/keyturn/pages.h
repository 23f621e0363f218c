/* api/keyturn/pages.h: the pages under /swagger/ (controlroom-api 10). */
#pragma once

#include "gate/gate.h"

/* Load the page's files from this directory, and make the OpenAPI document of each module of these faces
 * (NULL-terminated). Once, at start, before anything is served. INVALID names the file that is missing; the documents
 * are there all the same. */
RESULT pages_load(const char *directory, const struct face_rules *const *faces, struct err *e);
void pages_free(void);
