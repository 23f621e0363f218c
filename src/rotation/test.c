/* rotation/test.c: jobs that change nothing on the target: a Test of the stored credential, and a check of what can
 * prove it. */
#include "rotation/agent.h"

static result not_tested(struct attempt *t, const struct err *why, struct err *e)
{
    if (attempt_is_ours(why)) {
        *e = *why;
        return (result){why->code};
    }
    return settle_plain(t, false, why->word ? why->word : "unreachable", arena_str(t->arena, str_of(why->text)), e);
}

static result say_unusable(struct attempt *t, struct err *e)
{
    return settle_plain(t, false, "unusable", S("the account is locked or expired"), e);
}

/* What can prove the account is seen in passing: it takes no second login to find out. */
static result test_login(struct attempt *t, const struct login_secret *password, struct err *e)
{
    enum seen seen;
    enum login_word word;
    struct err why = {0};
    result r = probe_login(t, password, &seen, &word, &why);
    if (!is_ok(r))
        return not_tested(t, &why, e);
    if (probe_is_unusable(word))
        return say_unusable(t, e);
    if (seen == SEEN_LIVE)
        TRY(probe_set_proof(t, PROOF_LOGIN, e));
    else if (t->proof == PROOF_UNKNOWN)
        TRY(probe_set_proof(t, PROOF_NONE, e));
    return settle_tested(t, seen == SEEN_LIVE, TURN_BY_LOGIN, e);
}

/* Where a wrong password and no way in look alike, and where a login has shown a wrong one already: a day's test must
 * not count up to a lock-out. */
static bool is_login_wasted(const struct attempt *t)
{
    bool is_known = str_equal(t->account.state, S("mismatch")) || str_equal(t->account.state, S("drift"));
    return t->proof == PROOF_COMPARE || str_equal(t->account.proof, S("none")) || is_known;
}

static result test_password(struct attempt *t, struct err *e)
{
    struct login_secret password = {.password = t->current.password};
    enum seen seen;
    struct err why = {0};
    result r = probe_compare(t, password.password, &seen, &why);
    if (!is_ok(r))
        return not_tested(t, &why, e);
    if (seen == SEEN_NOT)
        return settle_tested(t, false, TURN_BY_COMPARE, e);
    if (seen == SEEN_LIVE && agent_is_asking(&t->job))
        return settle_tested(t, true, TURN_BY_COMPARE, e);
    if (seen == SEEN_CANNOT_TELL && agent_is_asking(&t->job) && is_login_wasted(t))
        return settle_plain(t, false, "cannot_tell", S("the verifier cannot be read, and a login would tell nothing"),
                            e);
    if (seen == SEEN_CANNOT_TELL)
        return test_login(t, &password, e);
    r = probe_find_proof(t, &why);
    if (!is_ok(r))
        return not_tested(t, &why, e);
    return t->proof == PROOF_LOGIN ? test_login(t, &password, e) : settle_tested(t, true, TURN_BY_COMPARE, e);
}

static result test_key(struct attempt *t, struct err *e)
{
    struct login_secret key = {.private_key = t->current.private_key, .passphrase = t->current.passphrase};
    enum seen seen;
    enum login_word word;
    struct err why = {0};
    result r = probe_login(t, &key, &seen, &word, &why);
    if (!is_ok(r))
        return not_tested(t, &why, e);
    if (probe_is_unusable(word))
        return say_unusable(t, e);
    if (seen == SEEN_NOT && t->account.password_fallback && t->current.password)
        return test_password(t, e);
    return settle_tested(t, seen == SEEN_LIVE, TURN_BY_LOGIN, e);
}

result run_test(struct attempt *t, struct err *e)
{
    struct err why = {0};
    const struct platform *p = platform_by_id(t->system.platform_id);
    if (!p || !p->connector)
        return settle_plain(t, false, "unsupported", S("there is no connector for this platform"), e);
    if (!t->current.password && !t->current.private_key)
        return settle_plain(t, false, "no_credential", S("no credential is stored"), e);
    result r = attempt_connect(t, &why);
    if (!is_ok(r))
        return not_tested(t, &why, e);
    return t->current.private_key ? test_key(t, e) : test_password(t, e);
}

result run_check(struct attempt *t, struct err *e)
{
    struct err why = {0};
    const struct platform *p = platform_by_id(t->system.platform_id);
    if (!p || !p->connector || !t->functional.is_set)
        return settle_plain(t, false, "unsupported", S("nothing to look with: no connector, or no functional account"),
                            e);
    result r = attempt_connect(t, &why);
    if (is_ok(r))
        r = probe_find_proof(t, &why);
    return is_ok(r) ? settle_plain(t, true, "", S(""), e) : not_tested(t, &why, e);
}
