/* identity/role_builtin.c: the roles and the group that every installation has. */
#include "base/text.h"
#include "identity/role.h"

struct builtin {
    enum face face;
    int64_t number;
    const char *name;
    enum right rights[8]; /* zero-terminated; those of the two that are expanded come from rights_expand */
};

/* controlroom-api 3: the ids 3, 5, 6, 7, 8 and 14 go to these six in the order in which the vendor names them. */
static const struct builtin builtins[] = {
    {FACE_CONTROLROOM, ROLE_NUMBER_AAE_ADMIN, "AAE_Admin", {0}},
    {FACE_CONTROLROOM,
     ROLE_NUMBER_AAE_BASIC,
     "AAE_Basic",
     {MANAGE_CREDENTIALS, LOCKER_CREATE, CREATE_STANDARD, VIEW_BASIC_INFO}},
    {FACE_CONTROLROOM,
     ROLE_NUMBER_LOCKER_ADMIN,
     "AAE_Locker Admin",
     {MANAGE_CREDENTIALS, LOCKER_CREATE, CREATE_STANDARD, VIEW_BASIC_INFO, LOCKER_ADMINISTER}},
    {FACE_CONTROLROOM, 5, "AAE_Bot Developer", {MANAGE_CREDENTIALS, CREATE_STANDARD, VIEW_BASIC_INFO}},
    {FACE_CONTROLROOM, 6, "AAE_Queue Admin", {MANAGE_CREDENTIALS, CREATE_STANDARD, VIEW_BASIC_INFO}},
    {FACE_CONTROLROOM, 7, "AAE_Pool Admin", {MANAGE_CREDENTIALS, CREATE_STANDARD, VIEW_BASIC_INFO}},
    {FACE_CONTROLROOM, 8, "AAE_Bot Insight Admin", {MANAGE_CREDENTIALS, CREATE_STANDARD, VIEW_BASIC_INFO}},
    {FACE_CONTROLROOM, 14, "AAE_Bot Migration Admin", {MANAGE_CREDENTIALS, CREATE_STANDARD, VIEW_BASIC_INFO}},
    {FACE_PASSWORDSAFE, GROUP_NUMBER_ADMINISTRATORS, "Administrators", {0}},
};

static RESULT make(struct db *db, struct arena *a, const struct builtin *b, int64_t now, struct err *e)
{
    struct str name = str_of(b->name);
    struct rows rows;
    TRY(db_query(db, a,
                 SQL("INSERT INTO roles (face, number, name, name_key, is_builtin, created_by, created_at, updated_by,"
                     " updated_at) VALUES ($1, $2, $3, $4, 1, 0, $5, 0, $5) ON CONFLICT DO NOTHING RETURNING id",
                     P_INT(b->face), P_INT(b->number), P_TEXT(name), P_TEXT(text_key(a, name)), P_INT(now)),
                 &rows, e));
    if (rows.n == 0)
        return SUCCESS; /* init runs again */
    struct rights rights = {
        .is_aae_admin = b->face == FACE_CONTROLROOM && b->number == ROLE_NUMBER_AAE_ADMIN,
        .is_administrator = b->face == FACE_PASSWORDSAFE && b->number == GROUP_NUMBER_ADMINISTRATORS,
    };
    for (size_t i = 0; b->rights[i] != RIGHT_NONE; i++)
        rights_raise(&rights, b->rights[i], LEVEL_WRITE);
    rights_expand(&rights);
    for (size_t i = 0; i < RIGHT_COUNT; i++)
        if (rights.level[i] > 0)
            TRY(db_run(db,
                       SQL("INSERT INTO role_rights (role_id, right_id, level) VALUES ($1, $2, $3)",
                           P_INT(row_int(&rows, 0, 0)), P_INT((int64_t)i), P_INT(rights.level[i])),
                       e));
    return SUCCESS;
}

RESULT role_make_builtins(struct db *db, struct arena *a, int64_t now, struct err *e)
{
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
        TRY(make(db, a, &builtins[i], now, e));
    return SUCCESS;
}
