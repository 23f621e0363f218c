/* http/framing.h: what a request's head must look like before anybody sees it. Pure functions over bytes.
 *
 * Stricter than the RFCs where two servers in a row could understand a message differently (request smuggling). */
#pragma once

#include "http/http.h"

enum framing_scan {
    FRAMING_MORE,     /* no end yet, nothing wrong yet */
    FRAMING_COMPLETE, /* CR LF CR LF was found */
    FRAMING_BROKEN,   /* CR without LF, LF without CR, NUL, or an empty first line */
};

/* Look for the end of a head. *at: how far the last call came with the same bytes; 0 at first. */
enum framing_scan framing_find_end(struct str bytes, size_t *at, size_t *ret_head_bytes);

struct framing {
    unsigned minor; /* HTTP/1.minor */
    bool keeps_alive;
    bool is_chunked;
    bool expects_continue;
    uint64_t content_length; /* 0 when chunked */
};

/* status 0: nothing is wrong */
struct refusal {
    int status;
    const char *why; /* static */
};

/* Check a whole head (with its CR LF CR LF, found by framing_find_end) and fill *ret_request's method, path, query
 * and headers, which point into `head`, and *ret. After a refusal both hold what was understood so far. */
struct refusal framing_check(struct str head, struct http_request *ret_request, struct framing *ret);
