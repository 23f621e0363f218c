/* main/place.c: where the store is: --store, --store-password-file, --server, and what DIR remembers of it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "crypto/random.h"
#include "main/programs.h"

enum { LINE_MAX_BYTES = 4000 };

/* The first line of a file in DIR that is no secret; absent when there is none. */
struct str line_read(struct arena *a, const char *directory, const char *name)
{
    char line[LINE_MAX_BYTES];
    AUTOCLOSE fd = open(arena_printf(a, "%s/%s", directory, name).p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line);
    if (n <= 0)
        return STR_ABSENT;
    const char *end = memchr(line, '\n', (size_t)n);
    return arena_str(a, (struct str){line, end ? (size_t)(end - line) : (size_t)n});
}

/* Durably, or not at all: a name that is half there would be another server's. */
result line_write(struct arena *a, const char *directory, const char *name, struct str line, struct err *e)
{
    struct str final = arena_printf(a, "%s/%s", directory, name);
    struct str fresh = arena_printf(a, "%.*s.new", STR_ARG(final));
    struct str text = arena_printf(a, "%.*s\n", STR_ARG(line));
    AUTOCLOSE fd = open(fresh.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, text.p, text.n) != (ssize_t)text.n || fsync(fd) != 0 || rename(fresh.p, final.p) != 0)
        return FAIL(e, INTERNAL, "%.*s: %s", STR_ARG(final), strerror(errno));
    AUTOCLOSE folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder >= 0 && fsync(folder) == 0 ? SUCCESS : FAIL(e, INTERNAL, "%s: %s", directory, strerror(errno));
}

result place_of(const struct options *o, const char *url, struct arena *a, struct store_place *ret, struct err *e)
{
    struct secret *password = NULL;
    if (url && strcmp(url, "sqlite") != 0 && !str_starts(str_of(url), S("postgresql://")) &&
        !str_starts(str_of(url), S("postgres://")))
        return FAIL(e, INVALID, "--store is sqlite, or postgresql://USER@HOST[:PORT]/DATABASE");
    if (o->store_password_file)
        TRY(secret_file_read(o->store_password_file, a, &password, e));
    *ret = (struct store_place){.directory = o->data, .url = url, .password = password};
    return SUCCESS;
}

result server_name(const struct options *o, struct arena *a, const char **ret, struct err *e)
{
    static const char file[] = "server";
    bool is_alone = !o->store || strcmp(o->store, "sqlite") == 0;
    struct str kept = line_read(a, o->data, file);
    if (o->server || is_alone || str_is_set(kept)) {
        *ret = o->server ? o->server : is_alone ? "a" : arena_cstr(a, kept);
        return SUCCESS;
    }
    struct str fresh = arena_printf(a, "s%.*s", STR_ARG(random_hex(a, 4)));
    TRY(line_write(a, o->data, file, fresh, e));
    *ret = arena_cstr(a, fresh);
    return SUCCESS;
}

result installation_keep(const struct options *o, struct arena *a, struct str installation, struct err *e)
{
    static const char file[] = "installation";
    struct str kept = line_read(a, o->data, file);
    if (!str_is_set(kept))
        return line_write(a, o->data, file, installation, e);
    if (str_equal(kept, installation))
        return SUCCESS;
    return FAIL(e, CONFLICT,
                "the store belongs to installation %.*s, but %s to installation %.*s: check --store and --data",
                STR_ARG(installation), o->data, STR_ARG(kept));
}

void hide_passwords(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *start = strstr(argv[i], "://");
        char *at = start ? strrchr(start + 3, '@') : NULL;
        char *colon = start ? strchr(start + 3, ':') : NULL;
        if (at && colon && colon < at)
            memset(colon + 1, 'x', (size_t)(at - colon - 1));
        for (char *word = start ? strstr(start, "password=") : NULL; word; word = strstr(word + 9, "password="))
            for (char *c = word + 9; *c && *c != '&'; c++)
                *c = 'x';
    }
}
