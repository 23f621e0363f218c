/* base/scope.h: release bound to scope; hand-over is spelled out. */
#pragma once

#include <unistd.h>

/* AUTOFREE(arena) a = arena_new();  calls arena_free(a) at the end of the scope, which takes NULL. */
#define AUTOFREE(type) __attribute__((cleanup(type##_autofree_))) struct type *
#define DEFINE_AUTOFREE(type)                                                                                          \
    static inline void type##_autofree_(struct type **p)                                                               \
    {                                                                                                                  \
        if (*p)                                                                                                        \
            type##_free(*p);                                                                                           \
    }

static inline void fd_autoclose_(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define AUTOCLOSE __attribute__((cleanup(fd_autoclose_))) int

/* Give away what an AUTO variable holds. */
#define TAKE(p)                                                                                                        \
    ({                                                                                                                 \
        __typeof__(p) taken_ = (p);                                                                                    \
        (p) = NULL;                                                                                                    \
        taken_;                                                                                                        \
    })
#define TAKE_FD(fd)                                                                                                    \
    ({                                                                                                                 \
        int taken_ = (fd);                                                                                             \
        (fd) = -1;                                                                                                     \
        taken_;                                                                                                        \
    })
