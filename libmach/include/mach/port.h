/* Ports, rights and what can be asked about them. */
#ifndef _MACH_PORT_H_
#define _MACH_PORT_H_

#include <mach/boolean.h>
#include <mach/machine/vm_types.h>

/* A name in the task's own space; it means nothing in another's. */
typedef unsigned int mach_port_name_t;
typedef mach_port_name_t *mach_port_name_array_t;
typedef const mach_port_name_t *const_mach_port_name_array_t;

/* In a task a port is its name. */
typedef mach_port_name_t mach_port_t;
typedef mach_port_t *mach_port_array_t;
typedef const mach_port_t *const_mach_port_array_t;

typedef int *rpc_signature_info_t;

/* No port; and a port that died on its way here. Both may stand wherever a right may. */
#define MACH_PORT_NULL 0
#define MACH_PORT_DEAD ((mach_port_t)~0)
#define MACH_PORT_NAME_NULL ((mach_port_name_t)0)
#define MACH_PORT_NAME_DEAD ((mach_port_name_t)~0)
#define MACH_PORT_VALID(port) ((port) != MACH_PORT_NULL && (port) != MACH_PORT_DEAD)
#define MACH_PORT_NAME_VALID(name) ((name) != MACH_PORT_NAME_NULL && (name) != MACH_PORT_NAME_DEAD)

/* The kinds of right. */
typedef natural_t mach_port_right_t;

#define MACH_PORT_RIGHT_SEND ((mach_port_right_t)0)
#define MACH_PORT_RIGHT_RECEIVE ((mach_port_right_t)1)
#define MACH_PORT_RIGHT_SEND_ONCE ((mach_port_right_t)2)
#define MACH_PORT_RIGHT_PORT_SET ((mach_port_right_t)3)
#define MACH_PORT_RIGHT_DEAD_NAME ((mach_port_right_t)4)
#define MACH_PORT_RIGHT_NUMBER ((mach_port_right_t)5)

/* What one name denotes: a bit for each kind, and two for requests that wait. */
typedef natural_t mach_port_type_t;
typedef mach_port_type_t *mach_port_type_array_t;

#define MACH_PORT_TYPE(right) ((mach_port_type_t)(1 << ((right) + 16)))
#define MACH_PORT_TYPE_NONE ((mach_port_type_t)0)
#define MACH_PORT_TYPE_SEND MACH_PORT_TYPE(MACH_PORT_RIGHT_SEND)
#define MACH_PORT_TYPE_RECEIVE MACH_PORT_TYPE(MACH_PORT_RIGHT_RECEIVE)
#define MACH_PORT_TYPE_SEND_ONCE MACH_PORT_TYPE(MACH_PORT_RIGHT_SEND_ONCE)
#define MACH_PORT_TYPE_PORT_SET MACH_PORT_TYPE(MACH_PORT_RIGHT_PORT_SET)
#define MACH_PORT_TYPE_DEAD_NAME MACH_PORT_TYPE(MACH_PORT_RIGHT_DEAD_NAME)

#define MACH_PORT_TYPE_SEND_RECEIVE (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE)
#define MACH_PORT_TYPE_SEND_RIGHTS (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_SEND_ONCE)
#define MACH_PORT_TYPE_PORT_RIGHTS (MACH_PORT_TYPE_SEND_RIGHTS | MACH_PORT_TYPE_RECEIVE)
#define MACH_PORT_TYPE_PORT_OR_DEAD (MACH_PORT_TYPE_PORT_RIGHTS | MACH_PORT_TYPE_DEAD_NAME)
#define MACH_PORT_TYPE_ALL_RIGHTS (MACH_PORT_TYPE_PORT_OR_DEAD | MACH_PORT_TYPE_PORT_SET)

#define MACH_PORT_TYPE_DNREQUEST 0x80000000U
#define MACH_PORT_TYPE_MAREQUEST 0x40000000
#define MACH_PORT_TYPE_COMPAT 0x20000000

/* User references of a name, and a change of them. */
typedef natural_t mach_port_urefs_t;
typedef integer_t mach_port_delta_t;

/* Counters of a port. */
typedef natural_t mach_port_seqno_t;
typedef unsigned int mach_port_mscount_t;
typedef unsigned int mach_port_msgcount_t;
typedef unsigned int mach_port_rights_t;

typedef struct mach_port_status {
    mach_port_name_t mps_pset;         /* the set it is a member of, or null */
    mach_port_seqno_t mps_seqno;       /* of the message that is received next */
    mach_port_mscount_t mps_mscount;   /* send rights made */
    mach_port_msgcount_t mps_qlimit;   /* messages queued before senders wait */
    mach_port_msgcount_t mps_msgcount; /* messages queued now */
    mach_port_rights_t mps_sorights;   /* send-once rights there are */
    boolean_t mps_srights;             /* whether there are send rights */
    boolean_t mps_pdrequest;           /* whether its destruction is to be told */
    boolean_t mps_nsrequest;           /* whether the end of its senders is to be told */
} mach_port_status_t;

/* The maximum is the node's own; GNU Mach has 16. */
#define MACH_PORT_QLIMIT_DEFAULT ((mach_port_msgcount_t)5)
#define MACH_PORT_QLIMIT_MAX ((mach_port_msgcount_t)1024)

#endif
