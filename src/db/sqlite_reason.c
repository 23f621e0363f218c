/* db/sqlite_reason.c: what SQLite's result codes mean to a caller. */
#include "db/sqlite_reason.h"

#include <errno.h>
#include <sqlite3.h>

static bool is_no_space(int rc, int system_errno)
{
    if (rc == SQLITE_FULL)
        return true;
    bool is_write = rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_TRUNCATE || rc == SQLITE_IOERR_SHMSIZE;
    return is_write && (system_errno == ENOSPC || system_errno == EDQUOT);
}

bool is_device_failure(int rc)
{
    return rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC ||
           rc == SQLITE_IOERR_TRUNCATE;
}

struct reason reason_of(int rc, int system_errno)
{
    if (is_no_space(rc, system_errno))
        return (struct reason){STORE_FULL, "the store is full"};
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return (struct reason){CONFLICT, "it exists already"};
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return (struct reason){CONFLICT, "what it refers to is missing, or it is still in use"};
    case SQLITE_INTERRUPT:
        return (struct reason){BUSY, "the search took too long"};
    case SQLITE_BUSY:
    case SQLITE_BUSY_TIMEOUT:
        return (struct reason){BUSY, "another program keeps the store locked"};
    default:
        return (struct reason){INTERNAL, "the store failed"};
    }
}
