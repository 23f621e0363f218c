/* base/banned.h: functions that have cost others dearly. Included by the build with -include, after the standard
 * headers. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With clang, fortified headers define these two as macros, which cannot be poisoned. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat sprintf vsprintf strtok sscanf atoi atol atoll gets gmtime localtime asctime ctime    \
    srand
/* Not poisoned, since OpenSSL's headers have parameters of this name; a call does not compile all the same. */
int rand(void)
    __attribute__((unavailable("banned: take crypto/random.h"))); /* NOLINT(readability-redundant-declaration) */
