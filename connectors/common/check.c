/* common/check.c: one deadline for both ways: half of the time for a session that may have ended, the rest to begin
 * anew. */
#include "common/check.h"

#include <string.h>

#include "common/watchdog.h"

result check_look(const struct check_way *way, const struct target *t, bool is_kept, void *state, const void *request,
                  struct arena *a, struct answer *answer, struct findings *found, struct err *e)
{
    if (!is_kept) {
        watchdog_start(t->address.timeout_s);
        return way->look_first(state, request, a, answer, found, e);
    }
    answer->host_key = t->session_key;
    watchdog_start_half(t->address.timeout_s);
    result done = way->look_again(state, request, a, found, e);
    if (is_ok(done) || !e->word || strcmp(e->word, "unreachable") != 0)
        return done;
    way->forget(state);
    *found = (struct findings){0};
    answer->host_key = (struct host_key){0};
    watchdog_go_on(t->address.timeout_s);
    return way->look_first(state, request, a, answer, found, e);
}

result check_denied(struct answer *answer, const char *word, struct err *e)
{
    answer->denied_as = word;
    e->code = UNREACHABLE;
    e->word = "functional_denied";
    return (result){UNREACHABLE};
}

result check_denied_by_word(struct answer *answer, const char *word, struct err *e)
{
    err_set(e, UNREACHABLE, NULL, "the functional account cannot sign in: %s", word);
    return check_denied(answer, word, e);
}

void findings_write(const struct findings *found, struct json_writer *w)
{
    bool has_token = found->fence_token.n > 0;
    json_key(w, S("can_change"));
    json_write_bool(w, found->can_change);
    json_key(w, S("can_compare"));
    json_write_bool(w, found->can_compare);
    json_key(w, S("can_install_keys"));
    json_write_bool(w, found->can_install_keys);
    json_key(w, S("scheme"));
    json_write_str(w, found->scheme.n ? found->scheme : S(""));
    json_key(w, S("fence"));
    json_write_str(w, found->fence_s ? S("timeout") : has_token ? S("session") : S("none"));
    json_key(w, S("fence_s"));
    json_write_int(w, found->fence_s);
    if (has_token) {
        json_key(w, S("fence_token"));
        json_write_str(w, found->fence_token);
    }
    if (found->is_functional.is_set) {
        json_key(w, S("is_functional"));
        json_write_bool(w, found->is_functional.value);
    }
    json_key(w, S("text"));
    json_write_str(w, found->text.n ? found->text : S(""));
}
