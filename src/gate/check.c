/* gate/check.c: a row that forgot something stops the start. */
#include "gate/internal.h"

static bool may_is_empty(const struct may *may)
{
    return may->who == WHO_HOLDS && !may->any_of[0].right && !may->roles[0];
}

static const char *row_forgets(const struct endpoint *row)
{
    if (!row->method || row->method >= HTTP_OTHER)
        return "its method";
    if (row->path[0] != '/')
        return "the slash that its path begins with";
    if (row->may.who == WHO_FORGOTTEN || may_is_empty(&row->may))
        return "who may call it";
    if (row->mode == MODE_FORGOTTEN)
        return "its mode";
    if (!row->audit || !row->audit[0])
        return "its audit name";
    if (row->mode >= WRITES && str_equal(str_of(row->audit), S(UNRECORDED)))
        return "its audit name: what changes or reveals is recorded";
    if (row->mode < WRITES && !str_equal(str_of(row->audit), S(UNRECORDED)))
        return "that a plain read is UNRECORDED";
    if (!row->doc || !row->doc[0])
        return "its documentation";
    if (!row->body)
        return "its body (NO_BODY, if there is none)";
    if (!row->handle)
        return "its handler";
    if (row->mode == TARGETS && !row->answer)
        return "its answer";
    return NULL;
}

static int count_params(const char *path)
{
    int n = 0;
    for (; *path; path++)
        n += *path == '{';
    return n;
}

result face_check(const struct face_rules *face, struct err *e)
{
    for (const struct endpoint *const *table = face->tables; *table; table++)
        for (const struct endpoint *row = *table; row->path; row++) {
            const char *forgotten = row_forgets(row);
            if (forgotten)
                return FAIL(e, INTERNAL, "endpoint row %s %s forgets %s", face->name, row->path, forgotten);
            if (row->also && count_params(row->also) != count_params(row->path))
                return FAIL(e, INTERNAL, "endpoint row %s %s: its second path has other parameters", face->name,
                            row->path);
        }
    return SUCCESS;
}
