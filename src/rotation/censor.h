/* rotation/censor.h: texts from a target or a connector, made fit for people: printable, short, without a secret.
 * Needs only base, so the connectors build it as well. */
#pragma once

#include "base/scope.h"
#include "base/secret.h"

struct censor;

struct censor *censor_new(void);
void censor_free(struct censor *c); /* wipes; NULL is fine */
DEFINE_AUTOFREE(censor)
/* Keep a copy of a secret that no text may show. NULL and empty ones are ignored. */
void censor_add(struct censor *c, const struct secret *s);
/* At most 200 printable characters of the text; "(left out)" when any secret, or a line of one, stands in it, with its
 * characters or as text_printable shows them, or when a text that may have been cut ends with a secret's beginning.
 * Give it the text as it came: of a masked or shortened one less is known. */
struct str censor_text(const struct censor *c, struct arena *a, struct str text);
/* Is there room for all the secrets of one more job? Once there is none left, nothing passes. */
bool censor_has_room(const struct censor *c);
/* Does a secret stand in it, or (not asked by _whole) a line of one? For words that machines read: a secret of fewer
 * than 4 bytes may stand there by chance, and is not looked for. */
bool censor_finds(const struct censor *c, struct str text);
bool censor_finds_whole(const struct censor *c, struct str text);
