/* common/guess.c: one guess for one request, as there is one timer for it. */
#include "common/guess.h"

static bool is_open, was_denied;

void guess_forget(void)
{
    is_open = was_denied = false;
}

void guess_sent(void)
{
    is_open = true;
}

void guess_answered(void)
{
    is_open = false;
}

bool guess_is_open(void)
{
    return is_open;
}

void guess_denied(void)
{
    was_denied = true;
}

bool guess_was_denied(void)
{
    return was_denied;
}
