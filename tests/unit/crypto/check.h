/* crypto/check.h: what the tests of crypto share. */
#pragma once

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/result.h"
#include "base/secret.h"

#define assert_success(r)    assert_string_equal(code_name((r).code), "OK")
#define assert_code(r, CODE) assert_string_equal(code_name((r).code), #CODE)
#define assert_same(a, b)    assert_true(str_equal((a), (b)))

static inline struct secret *secret_of(struct arena *a, const char *text)
{
    return secret_new(a, text, strlen(text));
}
