/* mysql/session.c: libmariadb, with everything off that we did not ask for. */
#include "mysql/session.h"

#include <errmsg.h>
#include <errno.h>
#include <inttypes.h>
#include <mysqld_error.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/secret_open.h"
#include "common/watchdog.h"
#include "mysql/probe.h"

enum { REPLY_BYTES_MAX = 1 << 20, ROWS_MAX = 1000 };

/* From mysql/client_plugin.h, which cannot be included: it wants a header that the package leaves out. */
enum { MYSQL_CLIENT_AUTHENTICATION_PLUGIN = 2 };
struct st_mysql_client_plugin *mysql_client_find_plugin(struct st_mysql *m, const char *name, int type);

const char *login_word_text(enum login_word word)
{
    static const char *const texts[] = {
        [LOGIN_ACCEPTED] = "accepted",
        [LOGIN_MUST_CHANGE] = "must_change",
        [LOGIN_DENIED] = "denied",
        [LOGIN_LOCKED] = "locked",
    };
    return texts[word];
}

void session_prepare_library(void)
{
    if (mysql_library_init(0, NULL, NULL) != 0)
        die("libmariadb does not start");
    MYSQL *m = mysql_init(NULL);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method()); /* OpenSSL reads its settings at its first real work */
    if (!m || !context)
        die("libmariadb or OpenSSL does not work");
    if (!mysql_client_find_plugin(m, "client_ed25519", MYSQL_CLIENT_AUTHENTICATION_PLUGIN))
        log_warning("libmariadb's client_ed25519 is missing: accounts of the plugin ed25519 cannot sign in");
    SSL_CTX_free(context);
    mysql_close(m);
}

/* Whenever the library has to wait, from the connection's first byte on: the one bound is the watchdog's deadline. */
static int wait_for_socket(my_socket socket, my_bool is_read, int timeout_ms)
{
    (void)timeout_ms;
    watchdog_guard(socket);
    for (;;) {
        struct pollfd ready = {.fd = socket, .events = is_read ? POLLIN : POLLOUT};
        if (watchdog_has_expired())
            return 0;
        int n = poll(&ready, 1, watchdog_left_ms());
        if (n > 0)
            return 1;
        if (n < 0 && errno != EINTR)
            return -1;
    }
}

static bool configure(MYSQL *m, const struct server *s)
{
    unsigned timeout_s = (unsigned)s->target.address.timeout_s, off = 0, protocol = MYSQL_PROTOCOL_TCP;
    unsigned long reply_max = REPLY_BYTES_MAX;
    my_bool no = 0, yes = 1;
    /* Without a fingerprint the library would take any certificate. */
    return s->fingerprint[0] != '\0' && mysql_options(m, MARIADB_OPT_TLS_PEER_FP, s->fingerprint) == 0 &&
           mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &yes) == 0 &&
           mysql_options(m, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3") == 0 &&
           mysql_optionsv(m, MARIADB_OPT_RESTRICTED_AUTH, "mysql_native_password,client_ed25519") == 0 &&
           mysql_options(m, MYSQL_SECURE_AUTH, &yes) == 0 && mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &off) == 0 &&
           mysql_options(m, MYSQL_OPT_RECONNECT, &no) == 0 && mysql_options(m, MYSQL_OPT_PROTOCOL, &protocol) == 0 &&
           mysql_options(m, MYSQL_OPT_CAN_HANDLE_EXPIRED_PASSWORDS, &yes) == 0 &&
           mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s) == 0 &&
           mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &timeout_s) == 0 &&
           mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s) == 0 &&
           mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &reply_max) == 0 &&
           mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4") == 0 &&
           mysql_optionsv(m, MARIADB_OPT_IO_WAIT, wait_for_socket) == 0;
}

const char *session_problem(MYSQL *m)
{
    return watchdog_has_expired() ? "the server did not answer in time" : mysql_error(m);
}

/* What the server, or the library, says instead of letting the account in. */
static RESULT outcome(MYSQL *m, enum login_word *ret, struct err *e)
{
    switch (mysql_errno(m)) {
    case ER_ACCESS_DENIED_ERROR:
        *ret = LOGIN_DENIED;
        return SUCCESS;
    case ER_ACCOUNT_HAS_BEEN_LOCKED:
    case ER_USER_IS_BLOCKED:
        *ret = LOGIN_LOCKED;
        return SUCCESS;
    case ER_MUST_CHANGE_PASSWORD_LOGIN:
        *ret = LOGIN_MUST_CHANGE;
        return SUCCESS;
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_NOT_SUPPORTED_AUTH_MODE:
    case ER_SERVER_IS_IN_SECURE_AUTH_MODE:
    case CR_SECURE_AUTH:
    case CR_PLUGIN_NOT_ALLOWED:
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
    case CR_AUTH_PLUGIN_ERR:
        return FAIL_AS(e, REFUSED, "refused", "the server asks for something else than this password: %s",
                       mysql_error(m));
    default:
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", session_problem(m));
    }
}

/* *ret_is_tls: TLS itself failed, perhaps since the certificate is another one by now. */
static RESULT connect_once(struct server *s, struct str user, const struct secret *password, struct arena *a,
                           MYSQL **ret, enum login_word *ret_word, bool *ret_is_tls, struct err *e)
{
    AUTOFREE(st_mysql) m = mysql_init(NULL);
    if (!m || !configure(m, s))
        return FAIL_AS(e, INTERNAL, "unsent", "libmariadb refuses its settings");
    const char *address = arena_cstr(a, s->target.address.address), *name = arena_cstr(a, user);
    const char *open = arena_cstr(a, secret_open(password));
    bool is_in = mysql_real_connect(m, address, name, open, NULL, (unsigned)s->target.address.port, NULL, 0) != NULL;
    *ret_is_tls = !is_in && mysql_errno(m) == CR_SSL_CONNECTION_ERROR;
    if (!is_in)
        return outcome(m, ret_word, e);
    if (m->passwd)
        wipe(m->passwd, strlen(m->passwd)); /* the library keeps it only for reconnecting */
    *ret_word = LOGIN_ACCEPTED;
    *ret = TAKE(m);
    return SUCCESS;
}

result session_open(struct server *s, struct str user, const struct secret *password, struct arena *a,
                    struct answer *answer, MYSQL **ret, enum login_word *ret_word, struct err *e)
{
    bool is_tls = false;
    if (s->fingerprint[0] == '\0')
        TRY(probe_run(s, a, answer, e));
    result done = connect_once(s, user, password, a, ret, ret_word, &is_tls, e);
    if (is_ok(done) || !is_tls || watchdog_has_expired())
        return done;
    char former[FINGERPRINT_DIGITS + 1];
    memcpy(former, s->fingerprint, sizeof(former));
    TRY(probe_run(s, a, answer, e));
    if (strcmp(former, s->fingerprint) == 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "TLS with the server failed");
    return connect_once(s, user, password, a, ret, ret_word, &is_tls, e);
}

static RESULT copy_rows(MYSQL *m, MYSQL_RES *rows, struct arena *a, struct table *ret, struct err *e)
{
    struct table t = {.columns = mysql_num_fields(rows)};
    AUTOBUF cells;
    size_t bytes = 0;
    buf_init(&cells, ROWS_MAX * sizeof(struct str) * 16);
    for (MYSQL_ROW row = mysql_fetch_row(rows); row; row = mysql_fetch_row(rows), t.rows++) {
        const unsigned long *lengths = mysql_fetch_lengths(rows);
        for (size_t i = 0; i < t.columns; i++) {
            struct str cell = row[i] ? arena_str(a, (struct str){row[i], lengths[i]}) : STR_ABSENT;
            buf_add_bytes(&cells, &cell, sizeof(cell));
            bytes += cell.n;
        }
        if (t.rows >= ROWS_MAX || bytes > REPLY_BYTES_MAX || cells.has_failed) {
            shutdown(mysql_get_socket(m), SHUT_RDWR); /* else the library reads the rest of it, however long */
            return FAIL_AS(e, UNREACHABLE, "unreachable", "the server answered too much");
        }
    }
    if (mysql_errno(m) != 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", session_problem(m));
    t.cells = arena_array(a, struct str, t.rows * t.columns);
    if (cells.n > 0)
        memcpy(t.cells, cells.p, cells.n);
    *ret = t;
    return SUCCESS;
}

result session_query(MYSQL *m, struct str statement, struct arena *a, struct table *ret, struct err *e)
{
    *ret = (struct table){0};
    if (mysql_real_query(m, statement.p, statement.n) != 0) {
        bool is_of_server = mysql_errno(m) < CR_MIN_ERROR && !watchdog_has_expired();
        return FAIL_AS(e, UNREACHABLE, is_of_server ? "unsent" : "unreachable", "%s", session_problem(m));
    }
    MYSQL_RES *rows = mysql_use_result(m);
    if (!rows && mysql_field_count(m) != 0)
        return FAIL_AS(e, UNREACHABLE, "unreachable", "%s", session_problem(m));
    if (!rows)
        return SUCCESS;
    result done = copy_rows(m, rows, a, ret, e);
    mysql_free_result(rows);
    return done;
}

struct str table_first(const struct table *t)
{
    return t->rows > 0 && t->columns > 0 ? t->cells[0] : STR_ABSENT;
}

struct str session_quote(MYSQL *m, struct str text, struct arena *a)
{
    char *quoted = arena_alloc(a, 2 * text.n + 3);
    unsigned long n = mysql_real_escape_string(m, quoted + 1, text.p, text.n);
    if (n > 2 * text.n)
        die("a text cannot be escaped for the server");
    quoted[0] = quoted[n + 1] = '\'';
    return (struct str){quoted, n + 2};
}
