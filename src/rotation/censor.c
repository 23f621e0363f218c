/* rotation/censor.c: no text from the other side may carry a secret on. */
#include "rotation/censor.h"

#include "base/secret_open.h"
#include "base/text.h"

enum { SECRETS_MAX = 256, OF_A_JOB_MAX = 32, TEXT_MAX = 200, PIECE_MIN = 8, WORD_MIN = 4 };
/* Whoever passed a text of this many bytes on may have cut it. */
enum { CUT_MIN = 120 };

struct censor {
    struct arena *arena;
    const struct secret *secrets[SECRETS_MAX];
    size_t n;
    bool is_full; /* more secrets than room: from now on every text is left out */
};

struct censor *censor_new(void)
{
    struct arena *a = arena_new();
    struct censor *c = arena_new_of(a, struct censor);
    c->arena = a;
    return c;
}

void censor_free(struct censor *c)
{
    if (c)
        arena_free(c->arena);
}

void censor_add(struct censor *c, const struct secret *s)
{
    if (secret_length(s) == 0)
        return;
    for (size_t i = 0; i < c->n; i++)
        if (secret_equal(c->secrets[i], s))
            return;
    if (c->n == SECRETS_MAX)
        c->is_full = true;
    else
        c->secrets[c->n++] = secret_copy(c->arena, s);
}

bool censor_has_room(const struct censor *c)
{
    return c->n + OF_A_JOB_MAX <= SECRETS_MAX;
}

/* As text_printable shows it: somebody on the way may have made the text printable before. */
static char shown(char c)
{
    return (char)(c >= 0x20 && c < 0x7F ? c : '?');
}

static bool is_shown_alike(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    while (i < n && shown(a[i]) == shown(b[i]))
        i++;
    return i == n;
}

static bool stands_in(struct str text, struct str secret)
{
    for (size_t i = 0; secret.n <= text.n && i <= text.n - secret.n; i++)
        if (is_shown_alike(text.p + i, secret.p, secret.n))
            return true;
    return false;
}

/* A private key is one secret of many lines, and each of them gives a part of it away. */
static bool shows_a_piece(struct str text, struct str secret)
{
    while (str_is_set(secret)) {
        struct str piece = str_trim(str_cut(&secret, '\n'));
        if (piece.n >= PIECE_MIN && stands_in(text, piece))
            return true;
    }
    return false;
}

/* A text that was cut within a secret ends with what the secret begins with. */
static bool ends_within(struct str text, struct str secret)
{
    for (size_t n = WORD_MIN; text.n >= CUT_MIN && n < secret.n && n <= text.n; n++)
        if (is_shown_alike(text.p + text.n - n, secret.p, n))
            return true;
    return false;
}

struct str censor_text(const struct censor *c, struct arena *a, struct str text)
{
    bool is_shown = c->is_full;
    for (size_t i = 0; i < c->n && !is_shown; i++) {
        struct str secret = secret_open(c->secrets[i]);
        is_shown = stands_in(text, secret) || shows_a_piece(text, secret) || ends_within(text, secret);
    }
    return is_shown ? S("(left out)") : text_printable(a, str_trim(text), TEXT_MAX);
}

bool censor_finds_whole(const struct censor *c, struct str text)
{
    bool is_found = c->is_full && text.n > 0;
    for (size_t i = 0; i < c->n && !is_found; i++) {
        struct str secret = secret_open(c->secrets[i]);
        is_found = secret.n >= WORD_MIN && stands_in(text, secret);
    }
    return is_found;
}

bool censor_finds(const struct censor *c, struct str text)
{
    bool is_found = censor_finds_whole(c, text);
    for (size_t i = 0; i < c->n && !is_found; i++)
        is_found = shows_a_piece(text, secret_open(c->secrets[i]));
    return is_found;
}
