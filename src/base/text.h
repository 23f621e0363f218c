/* base/text.h: Unicode (utf8proc lives here): folding, classes, lengths. */
#pragma once

#include "base/arena.h"
#include "base/result.h"

bool text_is_utf8(struct str s);  /* well-formed, no surrogates, no overlong forms; U+0000 is NOT well-formed here */
size_t text_length(struct str s); /* code points of a well-formed text */

/* The form in which names are compared and sorted: trimmed (Unicode blanks), NFC, full case folding, NFC again.
 * Ä and ä, and e + combining acute and é, give the same key. */
struct str text_key(struct arena *a, struct str s);
/* Trim Unicode blanks at both ends; borrowed. */
struct str text_trim(struct str s);
/* Letters and digits of any script (with their marks), space, '_', '-', '.'; not empty. (controlroom-api 4.1) */
bool text_is_plain_name(struct str s);
bool text_has_control(struct str s); /* any code point of category Cc */

/* The first max_bytes, ending with a whole character; borrowed. */
struct str text_start(struct str s, size_t max_bytes);
/* At most n printable ASCII characters of what a target said; everything else becomes '?'. */
struct str text_printable(struct arena *a, struct str s, size_t n);
bool text_is_hex(struct str s);
bool text_is_fingerprint(struct str s); /* "SHA256:" and 43 characters of Base64, as `ssh-keygen -l` shows it */

struct str base64_encode(struct arena *a, struct str bytes);
bool base64_decode(struct arena *a, struct str text, struct str *ret); /* standard alphabet, padding optional */
struct str base64url_encode(struct arena *a, struct str bytes);        /* without padding */
bool base64url_decode(struct arena *a, struct str text, struct str *ret);
struct str hex_encode(struct arena *a, struct str bytes);
bool hex_decode(struct arena *a, struct str text, struct str *ret);
/* %XX; plus_is_space for query strings. A bad escape or a decoded NUL: false. */
bool percent_decode(struct arena *a, struct str s, bool plus_is_space, struct str *ret);
