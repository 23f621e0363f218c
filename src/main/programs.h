/* main/programs.h: one function per command; each returns the process's exit status. */
#pragma once

#include "crypto/keyring.h"
#include "db/db.h"
#include "main/options.h"

int run_init(const struct options *o);
int run_serve(const struct options *o);
int run_audit_verify(const struct options *o);
int run_backup(const struct options *o);
int run_endpoints(const struct options *o);

/* keys.c: open the keyring of this store with the key file (NULL: DIR/root.key). */
RESULT keys_open(struct db *db, struct arena *a, const struct options *o, struct keyring *k, struct err *e);
RESULT installation_of(struct db *db, struct arena *a, struct str *ret_installation, int64_t *ret_epoch, struct err *e);
/* The first line of a file that only its owner can read; INVALID otherwise. */
RESULT secret_file_read(const char *file, struct arena *a, struct secret **ret, struct err *e);
/* A new file, 0600, with this line; fsynced with its folder. CONFLICT when it exists. */
RESULT secret_file_write(const char *file, const struct secret *line, struct arena *a, struct err *e);

extern const struct face_rules *const all_faces[];
