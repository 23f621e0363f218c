/* api/keyturn/pages.c: the API page: Swagger UI's files and one OpenAPI document per module, from memory. */
#include "api/keyturn/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "api/keyturn/face.h"
#include "base/scope.h"

enum { FILE_MAX = 16 * 1024 * 1024, DOCUMENT_MAX = 16 * 1024 * 1024, DOCUMENTS_MAX = 64 };

struct file {
    const char *name, *type;
    struct buf bytes;
};
/* Nothing but these names is ever looked up on the disk. */
static struct file files[] = {
    {.name = "index.html", .type = "text/html; charset=utf-8"},
    {.name = "initializer.js", .type = "text/javascript; charset=utf-8"},
    {.name = "swagger-ui.css", .type = "text/css; charset=utf-8"},
    {.name = "swagger-ui-bundle.js", .type = "text/javascript; charset=utf-8"},
    {.name = "swagger-ui-standalone-preset.js", .type = "text/javascript; charset=utf-8"},
    {.name = "favicon-32x32.png", .type = "image/png"},
};
enum { FILES = sizeof files / sizeof files[0] };

struct document {
    struct str name; /* "credentialvault.json" */
    struct buf json;
};
static struct {
    struct arena *arena;
    struct document documents[DOCUMENTS_MAX];
    size_t n;
    struct buf list; /* modules.json */
} loaded;

/* ---- loading ---- */

static result load_file(const char *directory, struct file *f, struct err *e)
{
    struct str path = arena_printf(loaded.arena, "%s/%s", directory, f->name);
    AUTOCLOSE fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return FAIL(e, INVALID, "%s: %s", path.p, strerror(errno));
    char chunk[16 * 1024];
    buf_init(&f->bytes, FILE_MAX);
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FAIL(e, INVALID, "%s: %s", path.p, strerror(errno));
        if (n == 0)
            return f->bytes.has_failed ? FAIL(e, INVALID, "%s: is too large", path.p) : SUCCESS;
        buf_add_bytes(&f->bytes, chunk, (size_t)n);
    }
}

static result make_document(const struct face_rules *face, const struct modules *module, struct err *e)
{
    if (loaded.n == DOCUMENTS_MAX)
        return FAIL(e, INTERNAL, "more than %d modules", DOCUMENTS_MAX);
    struct document *d = &loaded.documents[loaded.n++];
    d->name = arena_printf(loaded.arena, "%s.json", module->name);
    buf_init(&d->json, DOCUMENT_MAX);
    return gate_openapi(face, module, &d->json, e);
}

static void list_module(struct json_writer *w, const struct modules *module, const struct document *d)
{
    json_object_begin(w);
    json_key(w, S("url"));
    json_write_str(w, d->name);
    json_key(w, S("name"));
    json_write_str(w, str_of(module->title));
    json_object_end(w);
}

static result make_documents(const struct face_rules *const *faces, struct err *e)
{
    struct json_writer w = {.out = &loaded.list};
    buf_init(&loaded.list, DOCUMENT_MAX);
    json_array_begin(&w);
    for (; *faces; faces++)
        for (const struct modules *module = (*faces)->modules; module && module->name; module++) {
            TRY(make_document(*faces, module, e));
            list_module(&w, module, &loaded.documents[loaded.n - 1]);
        }
    json_array_end(&w);
    return SUCCESS;
}

result pages_load(const char *directory, const struct face_rules *const *faces, struct err *e)
{
    pages_free();
    loaded.arena = arena_new();
    TRY(make_documents(faces, e));
    for (size_t i = 0; i < FILES; i++)
        TRY(load_file(directory, &files[i], e));
    return SUCCESS;
}

void pages_free(void)
{
    for (size_t i = 0; i < FILES; i++)
        buf_free(&files[i].bytes);
    for (size_t i = 0; i < loaded.n; i++)
        buf_free(&loaded.documents[i].json);
    buf_free(&loaded.list);
    arena_free(loaded.arena);
    loaded.arena = NULL;
    loaded.n = 0;
}

/* ---- serving ---- */

/* Swagger UI's style sheet has its icons as data: images; everything else comes from here. */
static void reply_page(struct call *c, const char *type, const struct buf *bytes)
{
    reply_header(c, "Content-Security-Policy", S("default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"));
    reply_lent(c, type, buf_str(bytes));
}

static result reply_file(struct call *c, struct str name, struct err *e)
{
    for (size_t i = 0; i < FILES; i++)
        if (files[i].bytes.n && str_equal(name, str_of(files[i].name))) {
            reply_page(c, files[i].type, &files[i].bytes);
            return SUCCESS;
        }
    return FAIL(e, NOT_FOUND, "No such page");
}

/* The page's own links are relative, so it has to be asked for with the slash. */
static result page_show(struct call *c, struct err *e)
{
    if (str_ends(c->http->path, S("/")))
        return reply_file(c, S("index.html"), e);
    reply_header(c, "Location", S("/swagger/"));
    reply_none(c, 301);
    return SUCCESS;
}

static result file_show(struct call *c, struct err *e)
{
    struct str name = c->params[0];
    if (loaded.list.n && str_equal(name, S("modules.json"))) {
        reply_page(c, "application/json", &loaded.list);
        return SUCCESS;
    }
    for (size_t i = 0; i < loaded.n; i++)
        if (str_equal(name, loaded.documents[i].name)) {
            reply_page(c, "application/json", &loaded.documents[i].json);
            return SUCCESS;
        }
    return reply_file(c, name, e);
}

static const struct endpoint page_endpoints[] = {
    {HTTP_GET, "/", PUBLIC, READS, UNRECORDED, "The API page", NO_BODY, page_show},
    {HTTP_GET, "/{file}", PUBLIC, READS, UNRECORDED, "A file of the API page, or a module's OpenAPI document", NO_BODY,
     file_show},
    {0},
};

/* ---- the face: nobody signs in here ---- */

static result look(struct call *c, struct err *e)
{
    (void)c;
    return FAIL(e, UNAUTHENTICATED, "Not authenticated");
}

static result identify(struct call *c, struct caller *ret, struct err *e)
{
    (void)ret;
    return look(c, e);
}

static const struct endpoint *const tables[] = {page_endpoints, NULL};
static const char *const bases[] = {"/swagger", NULL};

const struct face_rules pages_face = {
    .face = FACE_KEYTURN,
    .name = "pages",
    .bases = bases,
    .body_rule = BODY_JSON_ONLY,
    .tables = tables,
    .look = look,
    .identify = identify,
    .write_error = keyturn_write_error,
    .write_plain_error = keyturn_write_plain_error,
    .not_permitted = {.code = DENIED, .text = "Not permitted"},
};
