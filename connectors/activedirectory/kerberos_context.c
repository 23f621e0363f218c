/* activedirectory/kerberos_context.c: the settings of libkrb5, in memory. */
#include "activedirectory/kerberos_context.h"

#include <errno.h>
#include <profile.h>
#include <stdlib.h>
#include <string.h>

/* Only the proof by encrypted time: one guess per request, and no plug-in is loaded. */
static const struct {
    const char *section, *subsection, *name, *value;
} settings[] = {
    {"libdefaults", "default_realm", NULL, "UNUSED"},
    {"libdefaults", "dns_lookup_kdc", NULL, "false"},
    {"libdefaults", "dns_lookup_realm", NULL, "false"},
    {"libdefaults", "dns_canonicalize_hostname", NULL, "false"},
    {"libdefaults", "kdc_timesync", NULL, "1"},
    {"libdefaults", "plugin_base_dir", NULL, "/nonexistent"},
    {"plugins", "clpreauth", "enable_only", "encrypted_timestamp"},
};

static bool is_named(const char *const *names, size_t i)
{
    const char *const wanted[] = {settings[i].section, settings[i].subsection, settings[i].name};
    size_t n = settings[i].name ? 3 : 2;
    for (size_t k = 0; k < n; k++)
        if (!names[k] || strcmp(names[k], wanted[k]) != 0)
            return false;
    return names[n] == NULL;
}

static long get_values(void *nothing, const char *const *names, char ***ret)
{
    (void)nothing;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (!is_named(names, i))
            continue;
        char **values = calloc(2, sizeof(*values));
        char *value = values ? strdup(settings[i].value) : NULL;
        if (!value) {
            free((void *)values);
            return ENOMEM;
        }
        values[0] = value;
        *ret = values;
        return 0;
    }
    return PROF_NO_RELATION;
}

static void free_values(void *nothing, char **values)
{
    (void)nothing;
    for (size_t i = 0; values && values[i]; i++)
        free(values[i]);
    free((void *)values);
}

krb5_context kerberos_context_new(void)
{
    struct profile_vtable table = {.minor_ver = 1, .get_values = get_values, .free_values = free_values};
    profile_t profile = NULL;
    krb5_context context = NULL;
    if (profile_init_vtable(&table, NULL, &profile) != 0)
        return NULL;
    if (krb5_init_context_profile(profile, KRB5_INIT_CONTEXT_SECURE, &context) != 0)
        context = NULL;
    profile_release(profile);
    return context;
}
