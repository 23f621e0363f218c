/* base/err.c: filling and extending the reason that travels beside a result. */
#include "base/result.h"

#include <stdio.h>
#include <string.h>

static const char *const code_names[CODE_COUNT] = {
    [OK] = "OK",
    [NOT_FOUND] = "NOT_FOUND",
    [UNAUTHENTICATED] = "UNAUTHENTICATED",
    [DENIED] = "DENIED",
    [CONFLICT] = "CONFLICT",
    [INVALID] = "INVALID",
    [TOO_LARGE] = "TOO_LARGE",
    [NOT_ALLOWED] = "NOT_ALLOWED",
    [UNSUPPORTED] = "UNSUPPORTED",
    [BUSY] = "BUSY",
    [SEALED] = "SEALED",
    [REFUSED] = "REFUSED",
    [UNREACHABLE] = "UNREACHABLE",
    [UNCERTAIN] = "UNCERTAIN",
    [DRIFT] = "DRIFT",
    [STORE_FULL] = "STORE_FULL",
    [INTERNAL] = "INTERNAL",
};

/* A cut may fall inside a character; half of one would make the reply invalid UTF-8. */
static void drop_half_character(char *text, size_t n)
{
    size_t lead = n;
    while (lead > 0 && n - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    unsigned char first = (unsigned char)text[lead - 1];
    size_t wanted = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    if (n - (lead - 1) < wanted)
        text[lead - 1] = '\0';
}

/* Written aside first: an argument may point into *e. */
__attribute__((format(printf, 3, 0))) static void append(struct err *e, size_t at, const char *format,
                                                         va_list arguments)
{
    char text[ERR_TEXT_MAX + 1];
    size_t room = sizeof(e->text) - at;
    int wanted = vsnprintf(text, room, format, arguments);
    if (wanted < 0)
        text[0] = '\0';
    else if ((size_t)wanted >= room)
        drop_half_character(text, room - 1);
    memcpy(e->text + at, text, strlen(text) + 1);
}

result err_set(struct err *e, enum code code, const char *word, const char *format, ...)
{
    if (e) {
        va_list arguments;
        va_start(arguments, format);
        append(e, 0, format, arguments);
        va_end(arguments);
        e->code = code;
        e->word = word;
    }
    return (result){code};
}

void err_add_line(struct err *e, const char *format, ...)
{
    if (!e)
        return;
    if (e->code != INVALID) {
        e->code = INVALID;
        e->word = NULL;
        e->text[0] = '\0';
    }
    size_t at = strlen(e->text);
    if (at + 1 >= sizeof(e->text))
        return;
    if (at > 0)
        e->text[at++] = '\n';
    va_list arguments;
    va_start(arguments, format);
    append(e, at, format, arguments);
    va_end(arguments);
}

const char *code_name(enum code code)
{
    return (unsigned)code < CODE_COUNT ? code_names[code] : "?";
}
