/* api/passwordsafe/system_body.h: what a managed system is made and changed with (passwordsafe-api 6.9); directories
 * have most of it too (6.5). */
#pragma once

#include "accounts/directory.h"
#include "api/passwordsafe/face.h"

enum { SYSTEM_SWITCHES = 1 };
struct system_body {
    struct opt_int entity_type, platform_id, port, timeout_s, ssh_key_enforcement, password_rule_id, dss_key_rule_id,
        release, max_release, isa_release, functional_account_id, change_days, login_account_id, application_host_id,
        account_name_format;
    struct opt_bool auto_management, change_after_release, is_default_instance, use_ssl, check_password,
        reset_on_mismatch;
    struct str host_name, ip_address, dns_name, contact_email, description, elevation_command, frequency, change_time,
        remote_client_type, instance_name, template, forest_name, net_bios_name;
    bool refused[SYSTEM_SWITCHES];
};
extern const struct field ps_system_body_fields[];
/* INVALID for what nothing here enforces. */
RESULT read_system_body(struct call *c, const struct system_body **ret, struct err *e);
/* What the body gives takes the place of what is stored. Instance, forest and the like are not taken: they stand with
 * the database or directory. */
void take_system_body(struct managed_system *s, const struct system_body *in);
/* The answer of every call on one system. */
RESULT answer_system(struct call *c, int64_t id, struct err *e);
/* Change a stored system; CONFLICT while a change of one of its accounts is under way there. */
RESULT change_system(struct call *c, const struct managed_system *stored, const struct system_body *in, struct err *e);
