/* main/programs.h: one function per command; each returns the process's exit status. */
#pragma once

#include "crypto/keyring.h"
#include "db/db.h"
#include "main/options.h"

int run_init(const struct options *o);
int run_serve(const struct options *o);
int run_audit_verify(const struct options *o);
int run_backup(const struct options *o);
int run_recover(const struct options *o);
int run_store_copy(const struct options *o);
int run_store_reopen(const struct options *o);
int run_endpoints(const struct options *o);

/* tools.c: no core dump of this process, which holds secrets; a change of user may undo it. */
void forbid_dumps(void);
/* As root on the data of the server's own user: act as him, so that no file there becomes root's. */
void act_as_owner(const char *directory);
void act_as_caller(void); /* again */
/* The exit status; a failure is told. */
int report(const char *command, result r, const struct err *e);

/* keys.c: open the keyring of this store with the key file (NULL: DIR/root.key), which holds a root key or a recovery
 * key. */
RESULT keys_open(struct db *db, struct arena *a, const struct options *o, struct keyring *k, struct err *e);
/* The same in two steps. */
RESULT keys_read_root(const struct options *o, struct arena *a, struct secret **ret, struct err *e);
RESULT keys_open_with(struct db *db, struct arena *a, const struct secret *root, struct keyring *k, struct err *e);
RESULT installation_of(struct db *db, struct arena *a, struct str *ret_installation, int64_t *ret_epoch, struct err *e);
/* The first line of a file that only its owner can read; INVALID otherwise. */
RESULT secret_file_read(const char *file, struct arena *a, struct secret **ret, struct err *e);
/* A new file, 0600, with this line; fsynced with its folder. CONFLICT when it exists. */
RESULT secret_file_write(const char *file, const struct secret *line, struct arena *a, struct err *e);

/* place.c: a file of one line in DIR that is no secret; absent when there is none. Written durably, or not at all. */
struct str line_read(struct arena *a, const char *directory, const char *name);
RESULT line_write(struct arena *a, const char *directory, const char *name, struct str line, struct err *e);
/* --store and its password; `url` NULL: SQLite in DIR. INVALID: of another form. */
RESULT place_of(const struct options *o, const char *url, struct arena *a, struct store_place *ret, struct err *e);
/* --server, or what DIR/server says; on a shared store one is made up at the first start. */
RESULT server_name(const struct options *o, struct arena *a, const char **ret, struct err *e);
/* DIR/installation: kept at the first use, compared at every other. CONFLICT: this store is another installation's. */
RESULT installation_keep(const struct options *o, struct arena *a, struct str installation, struct err *e);
/* Passwords in URLs, as `ps` would show them. What was there is gone: copy argv first. */
void hide_passwords(int argc, char **argv);

extern const struct face_rules *const all_faces[];
