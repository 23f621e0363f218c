/* accounts/system.h: managed systems (passwordsafe-api 6.9), on assets, databases and directories. */
#pragma once

#include "accounts/place.h"
#include "accounts/platform.h"
#include "identity/caller.h"

struct managed_system {
    int64_t id, workgroup_id, platform_id;
    /* What it is: a new one is on a database or a directory when that id is set, else on the asset. */
    int64_t entity_type, asset_id; /* asset_id: the machine, a database's too; 0 for a directory */
    struct opt_int database_id, directory_id;
    int64_t place_id; /* what its row refers to */
    struct str name, host_name, ip_address, dns_name, contact_email, description;
    struct opt_int port;
    int64_t timeout_s, ssh_key_enforcement, password_rule_id, dss_key_rule_id, release_duration, max_release_duration,
        isa_release_duration;
    bool auto_management;
    struct opt_int functional_account_id;
    struct str elevation_command;
    bool check_password, change_after_release, reset_on_mismatch;
    struct str change_frequency_type, change_time;
    int64_t change_frequency_days;
    /* of the database or directory, and changed there (database.h, directory.h) */
    struct str instance_name, template, forest_name, net_bios_name;
    bool is_default_instance, use_ssl;
    int64_t account_name_format;
};
RESULT system_get(struct db *db, struct arena *a, int64_t id, struct managed_system *ret,
                  struct err *e); /* "Managed System not found" */
RESULT system_of_asset(struct db *db, struct arena *a, int64_t asset_id, struct managed_system *ret, struct err *e);
/* By the place of a database or directory. */
RESULT system_of_place(struct db *db, struct arena *a, int64_t place_id, struct managed_system *ret, struct err *e);
/* Those of the databases on this asset. */
RESULT system_list_databases(struct db *db, struct arena *a, int64_t asset_id, struct managed_system **ret,
                             size_t *ret_n, struct err *e);
struct system_filter {
    int64_t workgroup_id, functional_account_id, rule_id, entity_type; /* 0: any */
    struct str name;                                                   /* absent: any */
    int64_t limit, offset;                                             /* limit < 0: none */
};
RESULT system_list(struct db *db, struct arena *a, const struct system_filter *f, struct managed_system **ret,
                   size_t *ret_n, int64_t *ret_total, struct err *e);
/* Checks every rule of 6.9 (durations, functional account's platform, FunctionalAccountID dropped when not
 * auto-managed, ...); 0 and "" mean the default, an address that is absent is the asset's. The caller has asked for
 * SYSTEM_MANAGEMENT at LEVEL_WRITE, which a port other than the platform's needs. The name is the host name, of a
 * database with its instance, of a directory the domain. Platform and port of a database are the database's. CONFLICT
 * duplicate. */
RESULT system_create(struct db *db, struct arena *a, const struct managed_system *with, int64_t *ret_id, struct err *e);
RESULT system_update(struct db *db, struct arena *a, const struct managed_system *with /* whole */, struct err *e);
/* The rules that do not depend on where it stands (directory.c has them too): terms, line, rule, functional account.
 * What is missing is completed. */
RESULT system_check_terms(struct db *db, struct arena *a, struct managed_system *w, const struct platform *p,
                          struct err *found, struct err *e);
RESULT system_delete(struct db *db, int64_t id, int64_t now,
                     struct err *e); /* its accounts too: the caller asked rotation/ first */
