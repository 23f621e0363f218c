/* unit/rotation/address.c: which addresses are dialled, in every spelling, and that our own places are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ifaddrs.h>

#include "rotation/address.h"

static int make_arena(void **state)
{
    *state = arena_new();
    return 0;
}

static int drop_arena(void **state)
{
    arena_free(*state);
    return 0;
}

#define OWN_TEXT "the system's address and port are Keyturn's own, or those of its database"

enum answer { FINE, NOT_THAT, OURS };

static enum answer ask(struct arena *a, const char *name, int64_t port, const struct dial_rules *rules)
{
    struct str address = STR_ABSENT;
    struct err e = {0};
    if (is_ok(address_resolve(a, str_of(name), port, rules, &address, &e))) {
        assert_true(str_is_set(address));
        return FINE;
    }
    assert_false(str_is_set(address));
    assert_int_equal(e.code, UNREACHABLE);
    assert_string_equal(e.word, "address");
    return strcmp(e.text, OWN_TEXT) == 0 ? OURS : NOT_THAT;
}

/* ---- what an address is ---- */

static const struct {
    const char *name;
    enum answer usually, with_loopback;
} kinds[] = {
    {"10.0.0.5", FINE, FINE},
    {"192.168.1.1", FINE, FINE},
    {"198.51.100.7", FINE, FINE},
    {"126.255.255.255", FINE, FINE},
    {"128.0.0.1", FINE, FINE},
    {"169.253.255.255", FINE, FINE},
    {"169.255.0.0", FINE, FINE},
    {"223.255.255.255", FINE, FINE},
    {"2001:db8::5", FINE, FINE},
    {"fd12:3456::5", FINE, FINE},
    {"::ffff:10.0.0.5", FINE, FINE},
    {"64:ff9b::10.0.0.5", FINE, FINE},
    {"2002:a00:5::1", FINE, FINE},
    /* loopback */
    {"127.0.0.1", NOT_THAT, FINE},
    {"127.1", NOT_THAT, FINE},
    {"2130706433", NOT_THAT, FINE},
    {"0x7f.1", NOT_THAT, FINE},
    {"127.255.255.255", NOT_THAT, FINE},
    {"::1", NOT_THAT, FINE},
    {"::ffff:127.0.0.1", NOT_THAT, FINE},
    {"::127.0.0.1", NOT_THAT, FINE},
    {"64:ff9b::7f00:1", NOT_THAT, FINE},
    {"2002:7f00:1::1", NOT_THAT, FINE},
    /* unspecified */
    {"0.0.0.0", NOT_THAT, NOT_THAT},
    {"0", NOT_THAT, NOT_THAT},
    {"0.1.2.3", NOT_THAT, NOT_THAT},
    {"::", NOT_THAT, NOT_THAT},
    {"::ffff:0.0.0.0", NOT_THAT, NOT_THAT},
    {"64:ff9b::", NOT_THAT, NOT_THAT},
    /* multicast and broadcast */
    {"224.0.0.1", NOT_THAT, NOT_THAT},
    {"239.255.255.255", NOT_THAT, NOT_THAT},
    {"240.0.0.1", NOT_THAT, NOT_THAT},
    {"255.255.255.255", NOT_THAT, NOT_THAT},
    {"ff02::1", NOT_THAT, NOT_THAT},
    {"ff0e::1", NOT_THAT, NOT_THAT},
    {"::ffff:224.0.0.1", NOT_THAT, NOT_THAT},
    {"2002:e000:1::1", NOT_THAT, NOT_THAT},
    /* link-local and what clouds tell their machines */
    {"169.254.0.1", NOT_THAT, NOT_THAT},
    {"169.254.169.254", NOT_THAT, NOT_THAT},
    {"::ffff:169.254.169.254", NOT_THAT, NOT_THAT},
    {"::169.254.169.254", NOT_THAT, NOT_THAT},
    {"64:ff9b::a9fe:a9fe", NOT_THAT, NOT_THAT},
    {"2002:a9fe:a9fe::", NOT_THAT, NOT_THAT},
    {"fe80::1", NOT_THAT, NOT_THAT},
    {"febf::1", NOT_THAT, NOT_THAT},
    {"fd00:ec2::254", NOT_THAT, NOT_THAT},
    /* none */
    {"", NOT_THAT, NOT_THAT},
    {"no such name", NOT_THAT, NOT_THAT},
};

static void test_what_an_address_is(void **state)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        enum answer usually = ask(*state, kinds[i].name, 22, &(struct dial_rules){0});
        enum answer with_loopback = ask(*state, kinds[i].name, 22, &(struct dial_rules){.loopback_allowed = true});
        if (usually != kinds[i].usually || with_loopback != kinds[i].with_loopback)
            fail_msg("%s: %d and %d", kinds[i].name, usually, with_loopback);
    }
}

/* ---- our own places ---- */

static const struct {
    const char *host;
    bool is_store;
    const char *dialled;
    enum answer usually, with_loopback;
} places[] = {
    {"127.0.0.1", false, "127.0.0.1", NOT_THAT, OURS},
    {"127.0.0.1", false, "::ffff:127.0.0.1", NOT_THAT, OURS},
    {"127.0.0.1", false, "64:ff9b::7f00:1", NOT_THAT, OURS},
    {"127.0.0.1", false, "127.0.0.2", NOT_THAT, FINE},
    {"127.0.0.1", false, "::1", NOT_THAT, FINE},
    {"::1", false, "::1", NOT_THAT, OURS},
    {"localhost", false, "127.0.0.1", NOT_THAT, OURS},
    {"198.51.100.7", false, "198.51.100.7", OURS, OURS},
    {"198.51.100.7", false, "::ffff:198.51.100.7", OURS, OURS},
    {"198.51.100.7", false, "198.51.100.8", FINE, FINE},
    {"198.51.100.7", false, "127.0.0.1", NOT_THAT, FINE},
    {"2001:db8::7", true, "2001:db8:0::7", OURS, OURS},
    {"2001:db8::7", true, "2001:db8::8", FINE, FINE},
    /* on all addresses of this machine */
    {"0.0.0.0", false, "127.0.0.1", NOT_THAT, OURS},
    {"0.0.0.0", false, "127.3.2.1", NOT_THAT, OURS},
    {"0.0.0.0", false, "198.51.100.7", FINE, FINE},
    {"::", false, "::1", NOT_THAT, OURS},
    {"0::0", false, "198.51.100.7", FINE, FINE},
    {"", true, "127.0.0.1", NOT_THAT, OURS},
    {"", true, "198.51.100.7", FINE, FINE},
    {"127.0.0.1", true, "::1", NOT_THAT, OURS},
    {"localhost", true, "127.0.0.2", NOT_THAT, OURS},
    {"198.51.100.7", true, "127.0.0.1", NOT_THAT, FINE},
    /* no way to tell */
    {"no such name", true, "198.51.100.7", OURS, OURS},
};

static void test_our_own_places(void **state)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const struct own_place own[] = {{S("198.51.100.99"), 5432, false},
                                        {str_of(places[i].host), 5432, places[i].is_store}};
        struct dial_rules rules = {.own = own, .own_count = 2};
        enum answer usually = ask(*state, places[i].dialled, 5432, &rules);
        enum answer elsewhere = ask(*state, places[i].dialled, 5433, &rules);
        rules.loopback_allowed = true;
        enum answer with_loopback = ask(*state, places[i].dialled, 5432, &rules);
        if (usually != places[i].usually || with_loopback != places[i].with_loopback || elsewhere == OURS)
            fail_msg("%s at %s: %d and %d, another port %d", places[i].dialled, places[i].host, usually, with_loopback,
                     elsewhere);
    }
}

/* On a machine that has none but loopback there is nothing to see. */
static void test_each_address_of_this_machine(void **state)
{
    struct ifaddrs *all = NULL;
    assert_int_equal(getifaddrs(&all), 0);
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
            continue;
        char text[INET_ADDRSTRLEN];
        const struct own_place everywhere = {S("0.0.0.0"), 8443, false}, socket = {S(""), 8443, true};
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, text, sizeof text);
        assert_int_equal(ask(*state, text, 8443, &(struct dial_rules){true, &everywhere, 1}), OURS);
        assert_int_equal(ask(*state, text, 8443, &(struct dial_rules){true, &socket, 1}), OURS);
        assert_int_equal(ask(*state, text, 22, &(struct dial_rules){true, &everywhere, 1}), FINE);
    }
    freeifaddrs(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_an_address_is, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_our_own_places, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_each_address_of_this_machine, make_arena, drop_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
