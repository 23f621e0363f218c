/* db/postgresql_rows.c: rows as libpq has them, into an arena. */
#include "base/log.h"
#include "db/postgresql.h"

static int64_t number_at(const PGresult *rows, int row, int column)
{
    const char *bytes = PQgetvalue(rows, row, column);
    int length = PQgetlength(rows, row, column);
    uint64_t value = 0;
    for (int i = 0; i < length; i++)
        value = value << 8 | (unsigned char)bytes[i];
    if (length == 2)
        return (int16_t)value;
    return length == 4 ? (int32_t)value : (int64_t)value;
}

static void gather_cell(const PGresult *rows, int row, int column, struct gathering *into)
{
    if (PQgetisnull(rows, row, column)) {
        gather_null(into);
        return;
    }
    const char *bytes = PQgetvalue(rows, row, column);
    size_t length = (size_t)PQgetlength(rows, row, column);
    switch (PQftype(rows, column)) {
    case TYPE_BOOL:
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        gather_int(into, number_at(rows, row, column));
        break;
    case TYPE_TEXT:
    case TYPE_VARCHAR:
    case TYPE_NAME:
    case TYPE_UNKNOWN:
        gather_bytes(into, PARAM_TEXT, bytes, length);
        break;
    case TYPE_BLOB:
        gather_bytes(into, PARAM_BLOB, bytes, length);
        break;
    default:
        die("the column %s has a type that no store has (%u)", PQfname(rows, column), PQftype(rows, column));
    }
}

result postgresql_gather(const PGresult *rows, struct gathering *into, struct err *e)
{
    into->columns = (size_t)PQnfields(rows);
    for (int row = 0; row < PQntuples(rows); row++) {
        for (int column = 0; column < PQnfields(rows); column++)
            gather_cell(rows, row, column, into);
        if (gathering_is_too_large(into))
            return FAIL(e, TOO_LARGE, "the result is larger than %d MiB", RESULT_BYTES_MAX >> 20);
    }
    return SUCCESS;
}
