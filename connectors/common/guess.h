/* common/guess.h: a password that was sent to the target in this request, and whether the target has said yes or no to
 * it. While it has not, it may count it as a failed login: a failed answer tells the server so (`guessed`). */
#pragma once

#include <stdbool.h>

void guess_forget(void);   /* a request begins */
void guess_sent(void);     /* say it just before the password goes out */
void guess_answered(void); /* let in or refused, definitely */
bool guess_is_open(void);

/* A password was refused in passing, as sudo does: the answer says so (`password_denied`), whatever it comes to. */
void guess_denied(void);
bool guess_was_denied(void);
