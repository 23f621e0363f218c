/* activedirectory/kerberos_context.h: libkrb5 without any file, environment or name service. */
#pragma once

#include <krb5.h>

#include "base/result.h"

/* A context with settings of our own. NULL when libkrb5 cannot make one; end it with krb5_free_context. */
krb5_context kerberos_context_new(void);
