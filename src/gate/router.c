/* gate/router.c: from method and path to a row. A tree of path segments; a literal wins over a parameter. */
#include "base/log.h"
#include "base/text.h"
#include "gate/internal.h"

enum { SEGMENTS_MAX = 16 };

struct route_node {
    struct str literal; /* absent: a parameter */
    const struct endpoint *rows[HTTP_OTHER];
    struct route_node *child, *sibling;
};

static const char *const method_names[HTTP_OTHER] = {NULL, "GET", "POST", "PUT", "DELETE", "HEAD"};

static bool literal_matches(const struct face_rules *face, struct str literal, struct str segment)
{
    return face->folds_path ? str_equal_fold(literal, segment) : str_equal(literal, segment);
}

static struct route_node *node_child(struct route_node *parent, const struct face_rules *face, struct str segment)
{
    bool is_param = str_starts(segment, S("{"));
    struct route_node **at = &parent->child;
    for (; *at; at = &(*at)->sibling) {
        bool found = is_param ? !str_is_set((*at)->literal)
                              : str_is_set((*at)->literal) && literal_matches(face, (*at)->literal, segment);
        if (found)
            return *at;
    }
    *at = calloc(1, sizeof **at);
    if (!*at)
        die("out of memory");
    (*at)->literal = is_param ? STR_ABSENT : segment;
    return *at;
}

static result route_add(struct router *r, const struct face_rules *face, const struct endpoint *row, const char *path,
                        struct err *e)
{
    struct str rest = str_of(path);
    struct route_node *node = r->root;
    rest = str_sub(rest, 1, rest.n);
    while (str_is_set(rest) && rest.n > 0)
        node = node_child(node, face, str_cut(&rest, '/'));
    if (node->rows[row->method])
        return FAIL(e, INTERNAL, "two rows for %s %s", method_names[row->method], path);
    node->rows[row->method] = row;
    return SUCCESS;
}

result router_build(const struct face_rules *face, struct router *ret, struct err *e)
{
    ret->root = calloc(1, sizeof *ret->root);
    if (!ret->root)
        die("out of memory");
    for (const struct endpoint *const *table = face->tables; *table; table++)
        for (const struct endpoint *row = *table; row->path; row++) {
            TRY(route_add(ret, face, row, row->path, e));
            if (row->also)
                TRY(route_add(ret, face, row, row->also, e));
        }
    return SUCCESS;
}

static void node_free(struct route_node *node)
{
    while (node) {
        struct route_node *next = node->sibling;
        node_free(node->child);
        free(node);
        node = next;
    }
}

void router_free(struct router *r)
{
    node_free(r->root);
    r->root = NULL;
}

bool face_owns(const struct face_rules *face, struct str path, struct str *ret_rest)
{
    for (const char *const *base = face->bases; *base; base++) {
        struct str prefix = str_of(*base);
        if (path.n < prefix.n || !literal_matches(face, prefix, str_sub(path, 0, prefix.n)))
            continue;
        struct str rest = str_sub(path, prefix.n, path.n);
        if (rest.n == 0 || rest.p[0] == '/') {
            *ret_rest = rest;
            return true;
        }
    }
    return false;
}

/* Decoded once, here: the row is chosen on the same form of the path that handlers see. */
static bool decode_segments(struct str path, struct arena *a, struct str *segments, size_t *ret_n)
{
    size_t n = 0;
    struct str rest = str_sub(path, 1, path.n);
    if (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    if (rest.n > 0 && rest.p[rest.n - 1] == '/')
        return false;
    while (str_is_set(rest) && rest.n > 0) {
        struct str raw = str_cut(&rest, '/');
        if (n == SEGMENTS_MAX || raw.n == 0 || !percent_decode(a, raw, false, &segments[n]))
            return false;
        struct str s = segments[n++];
        if (!text_is_utf8(s) || str_find_char(s, '/') >= 0 || str_equal(s, S(".")) || str_equal(s, S("..")))
            return false;
    }
    *ret_n = n;
    return true;
}

struct match {
    const struct face_rules *face;
    const struct str *segments;
    size_t n;
    struct str params[4];
    size_t param_count;
};

static const struct route_node *node_find(const struct route_node *node, struct match *m, size_t at)
{
    if (at == m->n) {
        for (int i = 1; i < HTTP_OTHER; i++)
            if (node->rows[i])
                return node;
        return NULL;
    }
    const struct route_node *param = NULL;
    for (const struct route_node *child = node->child; child; child = child->sibling) {
        if (!str_is_set(child->literal)) {
            param = child;
            continue;
        }
        if (!literal_matches(m->face, child->literal, m->segments[at]))
            continue;
        const struct route_node *found = node_find(child, m, at + 1);
        if (found)
            return found;
    }
    if (!param || m->param_count == 4)
        return NULL;
    m->params[m->param_count++] = m->segments[at];
    const struct route_node *found = node_find(param, m, at + 1);
    if (!found)
        m->param_count--;
    return found;
}

static struct str allowed_methods(const struct route_node *node, struct arena *a)
{
    struct str text = S("");
    for (int i = 1; i < HTTP_OTHER; i++)
        if (node->rows[i])
            text = arena_printf(a, "%.*s%s%s", STR_ARG(text), text.n ? ", " : "", method_names[i]);
    return text;
}

result router_match(const struct router *r, const struct face_rules *face, enum http_method method, struct str path,
                    struct arena *a, struct call *c, struct str *ret_allow, struct err *e)
{
    struct str segments[SEGMENTS_MAX];
    struct match m = {.face = face, .segments = segments};
    if (!decode_segments(path, a, segments, &m.n))
        return FAIL(e, NOT_FOUND, "No such path");
    const struct route_node *node = node_find(r->root, &m, 0);
    if (!node)
        return FAIL(e, NOT_FOUND, "No such path");
    if (method >= HTTP_OTHER || !node->rows[method]) {
        *ret_allow = allowed_methods(node, a);
        return FAIL(e, NOT_ALLOWED, "Method not allowed; this path takes %.*s", STR_ARG(*ret_allow));
    }
    c->row = node->rows[method];
    c->param_count = m.param_count;
    for (size_t i = 0; i < m.param_count; i++)
        c->params[i] = m.params[i];
    return SUCCESS;
}
