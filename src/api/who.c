/* api/who.c: Control Room tokens, and the PS-Auth header taken apart. */
#include "api/who.h"

#include "base/text.h"
#include "gate/service.h"

struct str token_of_call(const struct call *c)
{
    struct str own = str_trim(call_header(c, S("X-Authorization")));
    if (own.n)
        return own;
    struct str bearer = str_trim(call_header(c, S("Authorization")));
    struct str scheme = str_sub(bearer, 0, 7);
    if (!str_equal_fold(scheme, S("Bearer ")))
        return STR_ABSENT;
    bearer = str_trim(str_sub(bearer, 7, bearer.n));
    return bearer.n ? bearer : STR_ABSENT;
}

void count_refusal(const struct call *c, struct str user_name, const char *what, const char *reason)
{
    struct audit_actor nobody = {.user_name = user_name,
                                 .address = c->who.address,
                                 .request_id = c->request_id,
                                 .source = str_of(c->face->name)};
    audit_refusal(c->service->audit, c->service->writer, nobody, what, reason);
}

result who_by_token(struct call *c, struct str token, bool both, struct caller *ret, struct err *e)
{
    struct token_claims claims;
    struct str address = c->who.address;
    bool is_loopback = c->who.is_loopback;
    TRY(tokens_check(c->service->tokens, token, c->now, c->arena, &claims, e));
    TRY(tokens_admit(c->db, c->arena, token, &claims, c->now, ret, e));
    ret->address = address;
    ret->is_loopback = is_loopback;
    ret->signed_in_on = FACE_CONTROLROOM;
    ret->carries_controlroom = true;
    ret->carries_passwordsafe = both;
    return rights_of_user(c->db, c->arena, ret->user_id, true, both, &ret->rights, e);
}

/* ---- PS-Auth (passwordsafe-api 2.2) ---- */

static result malformed(struct err *e)
{
    return FAIL(e, UNAUTHENTICATED, "Not authenticated");
}

static struct str unquote(struct str s)
{
    bool is_quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
    return is_quoted ? str_sub(s, 1, s.n - 2) : s;
}

/* After "pwd=[": everything up to the last ']' that is followed by the end, blanks, or ';'. */
static bool bracketed_end(struct str text, size_t *ret_end)
{
    for (size_t i = text.n; i-- > 0;) {
        if (text.p[i] != ']')
            continue;
        struct str behind = str_trim(str_sub(text, i + 1, text.n));
        if (behind.n == 0 || behind.p[0] == ';') {
            *ret_end = i;
            return true;
        }
    }
    return false;
}

static bool starts_fold(struct str s, struct str prefix)
{
    return str_equal_fold(str_sub(s, 0, prefix.n), prefix);
}

/* One element off the front of *rest; the password's brackets may hold anything. */
static bool take_element(struct str *rest, struct arena *a, struct ps_auth *h)
{
    *rest = str_trim(*rest);
    if (starts_fold(*rest, S("pwd=["))) {
        struct str inside = str_sub(*rest, 5, rest->n);
        size_t end;
        if (!bracketed_end(inside, &end))
            return false;
        h->password = secret_new(a, inside.p, end);
        *rest = str_trim(str_sub(inside, end + 1, inside.n));
        *rest = rest->n ? str_sub(*rest, 1, rest->n) : *rest;
        return true;
    }
    struct str element = str_trim(str_cut(rest, ';'));
    if (!str_is_set(*rest))
        *rest = S("");
    if (starts_fold(element, S("key=")))
        h->key = unquote(str_trim(str_sub(element, 4, element.n)));
    else if (starts_fold(element, S("runas=")))
        h->user_name = unquote(str_trim(str_sub(element, 6, element.n)));
    else if (starts_fold(element, S("pwd=")))
        h->password = secret_new(a, element.p + 4, element.n - 4);
    return true;
}

result ps_auth_of_call(const struct call *c, struct ps_auth *ret, bool *ret_is_there, struct err *e)
{
    struct str value = str_trim(call_header(c, S("Authorization")));
    if (starts_fold(value, S("Authorization:")))
        value = str_trim(str_sub(value, 14, value.n));
    *ret = (struct ps_auth){0};
    *ret_is_there = starts_fold(value, S("PS-Auth"));
    if (!*ret_is_there)
        return SUCCESS;
    struct str rest = str_sub(value, 7, value.n);
    if (rest.n == 0 || (rest.p[0] != ' ' && rest.p[0] != '\t'))
        return malformed(e);
    for (rest = str_trim(rest); rest.n;)
        if (!take_element(&rest, c->whole, ret))
            return malformed(e);
    if (ret->key.n == 0 || ret->key.n > 256 || ret->user_name.n == 0 || !text_is_utf8(ret->user_name))
        return malformed(e);
    return SUCCESS;
}

struct str session_cookie(const struct call *c)
{
    struct str rest = call_header(c, S("Cookie"));
    while (str_is_set(rest)) {
        struct str value = str_cut(&rest, ';');
        struct str name = str_trim(str_cut(&value, '='));
        if (str_is_set(value) && str_equal(name, S("ASP.NET_SessionId")))
            return str_trim(value);
    }
    return STR_ABSENT;
}
