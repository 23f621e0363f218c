/* base/field_row.h: what decoding, encoding and the schema read out of a row in the same way. */
#pragma once

#include "base/field.h"

bool field_is_input(const struct field *f);
bool field_is_output(const struct field *f);
/* The range of a number's row; an end that the row leaves open is that of int64 (of an id: 0 and INT64_MAX). */
void field_bounds(const struct field *f, int64_t *ret_min, int64_t *ret_max);
/* How many elements a list's row allows. */
size_t field_list_max(const struct field *f);
