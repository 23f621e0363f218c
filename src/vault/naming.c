/* vault/naming.c: what a name and a description may be. */
#include "vault/naming.h"

#include "base/text.h"

RESULT check_name(const char *field, struct str *name, struct err *e)
{
    if (!str_is_set(*name))
        return FAIL(e, INVALID, "%s: is required", field);
    if (!text_is_utf8(*name))
        return FAIL(e, INVALID, "%s: is not UTF-8", field);
    struct str trimmed = text_trim(*name);
    if (trimmed.n == 0)
        return FAIL(e, INVALID, "%s: is required", field);
    if (text_length(trimmed) > NAME_LENGTH_MAX)
        return FAIL(e, INVALID, "%s: has more than %d characters", field, NAME_LENGTH_MAX);
    if (!text_is_plain_name(trimmed))
        return FAIL(e, INVALID, "%s: has special characters", field);
    *name = trimmed;
    return SUCCESS;
}

RESULT check_description(const char *field, struct str description, struct err *e)
{
    if (!str_is_set(description))
        return SUCCESS;
    if (!text_is_utf8(description))
        return FAIL(e, INVALID, "%s: is not UTF-8, or has U+0000", field);
    if (text_length(description) > DESCRIPTION_LENGTH_MAX)
        return FAIL(e, INVALID, "%s: has more than %d characters", field, DESCRIPTION_LENGTH_MAX);
    return SUCCESS;
}
