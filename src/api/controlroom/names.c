/* api/controlroom/names.c: names of credentials, attributes and lockers (controlroom-api 4.1). */
#include "api/controlroom/face.h"

#include "base/text.h"

const char *check_plain_name(struct str s)
{
    return text_is_plain_name(s) ? NULL : "has special characters";
}
