/* activedirectory/kerberos.h: is this the account's present password? Asked of the domain controller's Kerberos.
 *
 * An answer that says yes can only be made by who knows the password: it is decrypted with it. One that says no is
 * not protected. The password never travels. */
#pragma once

#include "common/target.h"

enum kerberos_word {
    KERBEROS_ACCEPTED,
    KERBEROS_MUST_CHANGE, /* it is right, and good for nothing but a change */
    KERBEROS_DENIED,
    KERBEROS_REVOKED, /* locked, disabled or expired */
    KERBEROS_EXPIRED, /* the account */
    KERBEROS_CLOSED,  /* nobody listens at port 88 */
};

/* libkrb5 has read all its files when this returns. */
void kerberos_prepare_library(void);

/* Ask for a ticket for account@DOMAIN at port 88 of the address. At most one wrong password is spent. Blocks until the
 * watchdog's deadline at most. Codes: unreachable, refused (with a reason, such as clocks that differ), no_account. */
RESULT kerberos_login(const struct target_address *to, struct str domain, struct str account,
                      const struct secret *password, struct arena *a, enum kerberos_word *ret, struct err *e);
