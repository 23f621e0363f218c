/* ldap/left_out.c: what libldap starts by itself and this connector never uses. These take the place of the libraries'
 * own, for every library of this process. */
#include <netdb.h>

/* libldap asks for this machine's own name when it is first used; a connector asks no name service. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)name;
    (void)service;
    (void)hints;
    *ret = NULL;
    return EAI_FAIL;
}

/* It also loads every SASL plug-in of the machine; where it finds none it tells the system's log so, each time. */
int sasl_client_init(const void *callbacks);
int sasl_client_init(const void *callbacks)
{
    (void)callbacks;
    return 0;
}
