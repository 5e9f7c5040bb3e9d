/* What generated stubs answer by themselves, and the reply that carries a code alone. */
#ifndef _MACH_MIG_ERRORS_H_
#define _MACH_MIG_ERRORS_H_

#include <mach/kern_return.h>
#include <mach/message.h>

#define MIG_TYPE_ERROR -300      /* the reply is not of the routine's types */
#define MIG_REPLY_MISMATCH -301  /* the reply answers another request */
#define MIG_REMOTE_ERROR -302    /* the server failed and has no code for it */
#define MIG_BAD_ID -303          /* the server has no such routine */
#define MIG_BAD_ARGUMENTS -304   /* the request is not of the routine's types */
#define MIG_NO_REPLY -305        /* from a server's function: a reply comes later, or never */
#define MIG_EXCEPTION -306       /* the server raised an exception */
#define MIG_ARRAY_TOO_LARGE -307 /* the caller's array has no room */
#define MIG_SERVER_DIED -308     /* the server died before it replied */
#define MIG_DESTROY_REQUEST -309 /* from a server's function: no reply, and give up the request's rights */

typedef struct {
    mach_msg_header_t Head;
    mach_msg_type_t RetCodeType;
    kern_return_t RetCode;
} mig_reply_header_t;

/* The name that other Machs have for it. */
typedef mig_reply_header_t mig_reply_error_t;

typedef struct mig_symtab {
    char *ms_routine_name;
    int ms_routine_number;
    void (*ms_routine)(void);
} mig_symtab_t;

/* Unpacks a request, calls the server's function, packs the reply. */
typedef void (*mig_routine_t)(mach_msg_header_t *request, mach_msg_header_t *reply);

#endif
