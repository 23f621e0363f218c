/* rotation/line_setup.c: what a line's last check named, kept to tell whether its session may serve another job. */
#include "rotation/line_internal.h"

struct kept_setup {
    struct arena *arena;
    struct line_setup setup;
    struct functional_login functional;
};

static struct str copy_text(struct arena *a, struct str s)
{
    return str_is_set(s) ? arena_str(a, s) : STR_ABSENT;
}

static struct target_address copy_target(struct arena *a, const struct target_address *t)
{
    return (struct target_address){.name = copy_text(a, t->name),
                                   .address = copy_text(a, t->address),
                                   .port = t->port,
                                   .timeout_s = t->timeout_s,
                                   .instance = copy_text(a, t->instance),
                                   .domain = copy_text(a, t->domain)};
}

static struct functional_login copy_functional(struct arena *a, const struct functional_login *f)
{
    return (struct functional_login){.is_set = f->is_set,
                                     .account = copy_text(a, f->account),
                                     .elevation = copy_text(a, f->elevation),
                                     .secret = {.password = secret_copy(a, f->secret.password),
                                                .private_key = secret_copy(a, f->secret.private_key),
                                                .passphrase = secret_copy(a, f->secret.passphrase)}};
}

struct kept_setup *setup_keep(const struct line_setup *setup)
{
    struct arena *a = arena_new();
    struct kept_setup *kept = arena_new_of(a, struct kept_setup);
    struct host_key *keys = arena_array(a, struct host_key, setup->key_count);
    for (size_t i = 0; i < setup->key_count; i++)
        keys[i] = (struct host_key){copy_text(a, setup->keys[i].type), copy_text(a, setup->keys[i].sha256)};
    kept->arena = a;
    kept->functional = copy_functional(a, setup->functional);
    kept->setup = (struct line_setup){.kind = setup->kind,
                                      .target = copy_target(a, &setup->target),
                                      .keys = keys,
                                      .key_count = setup->key_count,
                                      .functional = &kept->functional};
    return kept;
}

void setup_free(struct kept_setup *kept)
{
    if (kept)
        arena_free(kept->arena);
}

bool setup_has_session(const struct kept_setup *kept)
{
    return kept && kept->functional.is_set;
}

static bool is_same_target(const struct target_address *a, const struct target_address *b)
{
    return str_equal(a->address, b->address) && a->port == b->port && a->timeout_s == b->timeout_s &&
           str_equal(a->name, b->name) && str_equal(a->instance, b->instance) && str_equal(a->domain, b->domain);
}

static bool are_same_keys(const struct line_setup *a, const struct line_setup *b)
{
    bool is_same = a->key_count == b->key_count;
    for (size_t i = 0; is_same && i < a->key_count; i++)
        is_same = str_equal(a->keys[i].type, b->keys[i].type) && str_equal(a->keys[i].sha256, b->keys[i].sha256);
    return is_same;
}

static bool is_same_login(const struct functional_login *a, const struct functional_login *b)
{
    return a->is_set == b->is_set && str_equal(a->account, b->account) && str_equal(a->elevation, b->elevation) &&
           secret_equal(a->secret.password, b->secret.password) &&
           secret_equal(a->secret.private_key, b->secret.private_key) &&
           secret_equal(a->secret.passphrase, b->secret.passphrase);
}

bool setup_is_same(const struct kept_setup *kept, const struct line_setup *setup)
{
    return kept && str_equal(str_of(kept->setup.kind), str_of(setup->kind)) &&
           is_same_target(&kept->setup.target, &setup->target) && are_same_keys(&kept->setup, setup) &&
           is_same_login(&kept->functional, setup->functional);
}
