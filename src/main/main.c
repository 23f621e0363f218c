/* main/main.c: the command table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "main/programs.h"

static const char help[] =
    "keyturn: a credential vault that turns its own keys\n\n"
    "  keyturn init --data DIR [--store URL] [--admin-user NAME] [--admin-password-file FILE] [--api-key-file FILE] "
    "[--key-file "
    "FILE] [--api-allow CIDR ...]\n"
    "      make the store, the root key, the recovery key and one administrator. A FILE that exists is read (its "
    "first\n"
    "      line), one that does not is written 0600 with a random value; without the option it is printed once, to a "
    "terminal.\n"
    "  keyturn serve --data DIR [--store URL] [--server NAME] --listen URL [--listen URL ...] [--key-file FILE]\n"
    "                [--tls-cert FILE --tls-key FILE] [--allow-plain-http] [--user NAME] [--lanes N]\n"
    "                [--quiet SECONDS]\n"
    "      serve http:// (loopback only, unless allowed) and https:// (a self-signed certificate is made in DIR on "
    "first use).\n"
    "      Port 0 picks one. SIGTERM stops it: what is under way is answered. --lanes: so many changes on systems at "
    "once (8). --quiet: what\n"
    "      the server starts by itself keeps so far from the last clear read of a password (60).\n"
    "  keyturn audit verify --data DIR [--head N:HASH] [--key-file FILE]\n"
    "      walk the record of everything that was asked; exit status 1 when it was edited, cut or reordered.\n"
    "  keyturn backup --data DIR FILE\n"
    "      a consistent copy of the store, also while it serves; without the root key.\n"
    "  keyturn recover --data DIR [--store URL] --account SYSTEM/NAME [--version N] [--key-file FILE] [--to FILE]\n"
    "      a credential past the server, with the root key or the recovery key: the current version, or another one\n"
    "      of those that it lists. To a terminal, or to FILE (0600; a key to FILE.key). Nothing is changed or "
    "recorded.\n"
    "  keyturn store copy --from PLACE --to PLACE --data DIR\n"
    "      move the installation to another store: PLACE is sqlite:DIR or a postgresql:// URL, whose --data is DIR. "
    "Stop "
    "the\n"
    "      servers first. Cut short, it goes on when it is run again. What was moved is not served any more.\n"
    "  keyturn store reopen --data DIR [--store URL]\n"
    "      take a move back: serve the source again, and never the copy.\n"
    "  --store URL: sqlite (the default, in DIR), or postgresql://USER@HOST[:PORT][,HOST…]/DATABASE, which several "
    "servers\n"
    "      may share, each with a DIR of its own and the same root key. The password comes from the URL, from "
    "PGPASSFILE\n"
    "      or with --store-password-file FILE.\n"
    "  keyturn endpoints\n"
    "      every endpoint with who may call it, as JSON lines.\n"
    "  keyturn --help | --version\n";

struct command {
    const char *words[2];
    int (*run)(const struct options *o);
};
static const struct command commands[] = {
    {{"init", NULL}, run_init},       {{"serve", NULL}, run_serve},         {{"audit", "verify"}, run_audit_verify},
    {{"backup", NULL}, run_backup},   {{"store", "copy"}, run_store_copy},  {{"store", "reopen"}, run_store_reopen},
    {{"recover", NULL}, run_recover}, {{"endpoints", NULL}, run_endpoints},
};

static bool is_command(const struct command *c, int argc, char **argv, int *ret_words)
{
    *ret_words = c->words[1] ? 2 : 1;
    if (argc < 1 + *ret_words || !str_equal(str_of(argv[1]), str_of(c->words[0])))
        return false;
    return !c->words[1] || str_equal(str_of(argv[2]), str_of(c->words[1]));
}

static int run(int argc, char **argv)
{
    if (argc < 2 || str_equal(str_of(argv[1]), S("--help")) || str_equal(str_of(argv[1]), S("help"))) {
        fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (str_equal(str_of(argv[1]), S("--version"))) {
        puts("keyturn " KEYTURN_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        int words;
        struct options o;
        struct err e;
        if (!is_command(&commands[i], argc, argv, &words))
            continue;
        if (is_ok(options_parse(argc - 1 - words, argv + 1 + words, &o, &e)))
            return commands[i].run(&o);
        fprintf(stderr, "keyturn %s: %s\n", argv[1], e.text);
        return 2;
    }
    fprintf(stderr, "keyturn: %s: no such command; see keyturn --help\n", argv[1]);
    return 2;
}

/* From here on `ps` shows no password of a --store: what runs has copies. */
int main(int argc, char **argv)
{
    char **copies = calloc((size_t)argc + 1, sizeof *copies);
    if (!copies)
        die("out of memory: the command line");
    for (int i = 0; i < argc; i++)
        if (!(copies[i] = strdup(argv[i])))
            die("out of memory: the command line");
    hide_passwords(argc, argv);
    int status = run(argc, copies);
    for (int i = 0; i < argc; i++) {
        wipe(copies[i], strlen(copies[i]));
        free(copies[i]);
    }
    free(copies);
    return status;
}
