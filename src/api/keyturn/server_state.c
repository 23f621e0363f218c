/* api/keyturn/server_state.c: the numbers that the parts of the server keep, gathered. */
#include "api/keyturn/server_state.h"

#include <sys/statvfs.h>

#include "rotation/job.h"

enum { WAITING_MANY = 2048 /* half of what the writer's queue takes */ };

static double disk_free(const char *directory)
{
    struct statvfs fs;
    if (!directory || statvfs(directory, &fs) != 0 || fs.f_blocks == 0)
        return -1;
    return (double)fs.f_bavail / (double)fs.f_blocks;
}

/* What the engine could not bring to an end, and whether it is let. */
static result engine_state(struct call *c, struct server_state *ret, struct err *e)
{
    struct rows r;
    TRY(engine_rules_get(c->db, c->arena, &ret->engine, e));
    TRY(db_query(c->db, c->arena,
                 SQL("SELECT (SELECT COUNT(*) FROM managed_accounts WHERE state = 'drift' AND deleted_at = 0), (SELECT "
                     "COUNT(*) FROM managed_accounts WHERE state = 'mismatch' AND deleted_at = 0), (SELECT "
                     "COALESCE(MIN(sent_at), 0) FROM jobs WHERE is_open = 1 AND kind NOT IN ('push', 'propagate') AND "
                     "state = 'resolving' AND sent_at > 0)"),
                 &r, e));
    ret->drifted = row_int(&r, 0, 0);
    ret->mismatched = row_int(&r, 0, 1);
    ret->unknown_since = row_int(&r, 0, 2);
    return SUCCESS;
}

result server_state(struct call *c, struct server_state *ret, struct err *e)
{
    const struct service *s = c->service;
    struct audit_head *heads;
    struct audit_signed_heads last;
    size_t n;
    TRY(audit_heads(c->db, c->arena, &heads, &n, e));
    TRY(audit_last_checkpoint(c->db, c->arena, &last, e));
    struct node *nodes;
    size_t node_count;
    int64_t compared_next;
    TRY(node_list(c->db, c->arena, c->now, &nodes, &node_count, e));
    TRY(job_count_open(c->db, "audit", &compared_next, e));
    *ret = (struct server_state){.is_sealed = !keyring_is_open(s->keys),
                                 .has_plain_http =
                                     s->plain_http_allowed && s->http && !http_server_is_loopback_only(s->http),
                                 .writer = writer_stats(s->writer),
                                 .disk_free = disk_free(s->data_directory),
                                 .checkpoint_at = last.at,
                                 .nodes = nodes,
                                 .node_count = node_count,
                                 .compared_next = compared_next};
    TRY(engine_state(c, ret, e));
    if (s->rotation)
        ret->rotation = rotation_stats(s->rotation);
    for (size_t i = 0; i < n; i++)
        ret->audit_rows += heads[i].number;
    ret->is_ready = !ret->is_sealed && ret->writer.waiting < WAITING_MANY;
    return SUCCESS;
}
