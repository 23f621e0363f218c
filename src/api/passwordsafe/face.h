/* api/passwordsafe/face.h: the Password Safe face: its tables, and what its files share. */
#pragma once

#include "accounts/account.h"
#include "gate/gate.h"
#include "gate/service.h"

extern const struct face_rules passwordsafe_face;

extern const struct endpoint ps_authentication_endpoints[], ps_workgroup_endpoints[], ps_asset_endpoints[],
    ps_platform_endpoints[], ps_functional_endpoints[], ps_system_endpoints[], ps_account_endpoints[],
    ps_account_change_endpoints[], ps_synced_endpoints[], ps_requestable_endpoints[], ps_credential_endpoints[],
    ps_release_endpoints[], ps_request_endpoints[], ps_terminate_endpoints[], ps_password_rule_endpoints[],
    ps_smart_rule_endpoints[], ps_quick_rule_endpoints[], ps_group_endpoints[], ps_permission_endpoints[],
    ps_rule_access_endpoints[], ps_user_endpoints[], ps_system_new_endpoints[], ps_database_endpoints[],
    ps_directory_endpoints[], ps_access_policy_endpoints[], ps_registration_endpoints[], ps_propagation_endpoints[];

/* ---- shared.c ---- */

/* DENIED with the sub-code 4031. */
RESULT not_permitted(struct err *e);
/* A body that is nothing but {"Reason":"…"}: it goes to the record's detail. */
extern const struct body ps_reason_body;
RESULT take_reason(struct call *c, struct err *e);

/* "…?limit=10&offset=20" (3.4). A query struct holds a `struct paging paging` and PAGING_ROWS among its rows. */
struct paging {
    struct opt_int limit, offset;
};
#define PAGING_ROWS(s)                                                                                                 \
    OPT_INT("limit", s, paging.limit, .doc = "At most this many rows; the answer is then an envelope"),                \
        OPT_INT("offset", s, paging.offset, .doc = "Rows to leave out at the beginning; only with limit")
struct page {
    int64_t limit, offset;
    bool is_envelope;
};
RESULT page_of(const struct paging *p, struct page *ret, struct err *e);
/* […], or {"TotalCount":n,"Data":[…]} when a limit was given. */
void reply_page_of_rows(struct call *c, const struct page *p, const struct field *rows, const void *items,
                        size_t item_size, size_t n, int64_t total);

/* A switch that nothing here enforces is refused when it is on (section 6): `switches` is an array of bool inside the
 * body, and the rows whose member lies in it give the names. INVALID "<Field>: not supported". */
RESULT refuse_switches(const struct field *rows, const void *body, const bool *switches, size_t n, struct err *e);

/* What the body gives takes the place of what is stored; what it leaves out stays. */
void take_text(struct str *to, struct str given);
void take_int(int64_t *to, struct opt_int given);
void take_opt_int(struct opt_int *to, struct opt_int given);
void take_flag(bool *to, struct opt_bool given);

/* ---- objects that several files answer with ---- */

extern const struct field ps_workgroup_fields[], ps_asset_fields[], ps_system_fields[], ps_account_fields[],
    ps_user_fields[];
/* Path parameter i: digits only is an id, everything else a name. */
RESULT workgroup_of_param(struct call *c, size_t i, struct workgroup *ret, struct err *e);

struct shown_system { /* with what this server's systems never have */
    struct managed_system is;
    struct opt_int asset_id, no_number;
    struct opt_bool is_default_instance, use_ssl;
    struct str no_text, remote_client_type;
    bool off;
};
void reply_system(struct call *c, const struct managed_system *s);
void reply_systems(struct call *c, const struct page *p, const struct managed_system *s, size_t n, int64_t total);

struct shown_account {
    struct managed_account is;
    struct opt_int parent_account_id;
    struct str no_text;
    bool is_subscribed, off;
};
void reply_account(struct call *c, const struct managed_account *m);
void reply_accounts(struct call *c, const struct page *p, const struct managed_account *m, size_t n, int64_t total);
/* The account that path parameter i names; from here on the record names it too. */
RESULT account_of_param(struct call *c, size_t i, struct managed_account *ret, struct err *e);
void record_account(struct call *c, const struct managed_account *m);

/* ---- key.c: private keys that callers send, looked at in a prepare step ---- */

struct key_facts {
    struct str public_key;
    bool is_encrypted;
};
/* On the pool; NULL private_key: nothing happens. INVALID "PrivateKey: …". The facts are in c->prepared. */
RESULT inspect_key(struct call *c, const struct secret *private_key, const struct secret *passphrase, struct err *e);
