/* ssh/self_change.c: passwd(1) as the account itself. A terminal echoes what comes before its prompt, so each prompt is
 * waited for, and nothing of the dialogue is ever shown. */
#include "base/secret_open.h"
#include "ssh/change.h"
#include "ssh/command.h"

enum { ASKS_AGAIN, ASKS_NEW, ASKS_CURRENT };
/* "retype new password:" holds the second as well, so the order matters. */
static const char *const prompts[] = {"retype new password:", "new password:", "current password:", NULL};
static const char *const older_prompts[] = {
    "retype new unix password:", "new unix password:", "(current) unix password:", NULL};

static RESULT wait_for_prompt(struct dialogue *d, int *ret, struct err *e)
{
    const char *all[] = {prompts[ASKS_AGAIN],
                         older_prompts[ASKS_AGAIN],
                         prompts[ASKS_NEW],
                         older_prompts[ASKS_NEW],
                         prompts[ASKS_CURRENT],
                         older_prompts[ASKS_CURRENT],
                         NULL};
    int at = -1;
    TRY(dialogue_wait(d, all, &at, e));
    *ret = at < 0 ? -1 : at / 2;
    return SUCCESS;
}

static bool is_against_policy(const struct dialogue *d)
{
    static const char *const words[] = {"must wait longer",     "must choose", "bad password",      "too short",
                                        "too simple",           "too similar", "been already used", "has been used",
                                        "has not been changed", "unchanged",   "palindrome",        "dictionary"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (dialogue_says(d, str_of(words[i])))
            return true;
    return false;
}

static RESULT refuse(const struct dialogue *d, struct err *e)
{
    if (is_against_policy(d))
        return FAIL_AS(e, REFUSED, "policy", "%s",
                       dialogue_says(d, S("must wait longer")) ? "the password was changed too short a time ago"
                                                               : "the host's rules refuse this password");
    return FAIL_AS(e, REFUSED, "refused", "passwd on the host refused the change");
}

/* A host may ask for it once only: it may be set as soon as a byte of it has gone. */
static RESULT send_new(struct dialogue *d, const struct secret *password, int *ret_prompt, struct err *e)
{
    if (is_ok(dialogue_send(d, secret_open(password), e)) && is_ok(wait_for_prompt(d, ret_prompt, e)))
        return SUCCESS;
    e->word = "unknown";
    e->code = UNCERTAIN;
    return (result){UNCERTAIN};
}

/* The host has the new password, and has set it unless it says that it did not. */
static RESULT judge(const struct dialogue *d, int prompt, struct err *e)
{
    if (prompt == ASKS_NEW)
        return refuse(d, e);
    if (prompt >= 0)
        return FAIL_AS(e, UNCERTAIN, "unknown", "passwd on the host asks for what it was given already");
    if (dialogue_status(d) == 0 && dialogue_says(d, S("updated successfully")))
        return SUCCESS;
    if (dialogue_status(d) > 0 && dialogue_says(d, S("authentication token manipulation error")))
        return refuse(d, e);
    return FAIL_AS(e, UNCERTAIN, "unknown", "passwd on the host ended with status %d", dialogue_status(d));
}

static RESULT talk(struct dialogue *d, const struct secret *current, const struct secret *password, struct err *e)
{
    int prompt = -1;
    TRY(wait_for_prompt(d, &prompt, e));
    if (prompt == ASKS_CURRENT) {
        TRY(dialogue_send(d, secret_open(current), e));
        TRY(wait_for_prompt(d, &prompt, e));
    }
    if (prompt != ASKS_NEW)
        return refuse(d, e);
    TRY(send_new(d, password, &prompt, e));
    if (prompt == ASKS_AGAIN)
        TRY(send_new(d, password, &prompt, e));
    return judge(d, prompt, e);
}

/* A terminal edits what is typed, at both prompts alike: another password would be set, and with success. Bytes above
 * 0x7f pass: no modes are asked for, and Linux strips no eighth bit. */
static RESULT check_typable(const struct secret *typed, struct err *e)
{
    struct str text = secret_open(typed);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return FAIL_AS(e, REFUSED, "policy", "control characters in a password cannot be typed at a terminal");
    return SUCCESS;
}

RESULT self_change_run(struct host *h, struct str account, const struct secret *current, const struct secret *password,
                       struct arena *a, struct err *e)
{
    const struct ssh_login login = {.account = account, .password = current};
    enum login_word word = LOGIN_DENIED;
    ssh_session opened = NULL;
    TRY(check_typable(password, e));
    TRY(check_typable(current, e));
    TRY(change_open_own(h, &login, false, a, &opened, &word, e));
    AUTOFREE(ssh_session_struct) s = opened;
    if (word == LOGIN_MUST_CHANGE) {
        ssh_session_struct_free(TAKE(s));
        opened = NULL;
        TRY(change_open_own(h, &login, true, a, &opened, &word, e));
        s = opened;
    }
    AUTOFREE(dialogue) d = dialogue_new(a, s);
    TRY(dialogue_start(d, "env LC_ALL=C passwd", e));
    return talk(d, current, password, e);
}
