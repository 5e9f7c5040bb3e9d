#ifndef	_netname_user_
#define	_netname_user_

/* Module netname */

#include <mach/kern_return.h>
#include <mach/port.h>
#include <mach/message.h>

#include <mach/std_types.h>
#include <mach/mach_types.h>
#include <servers/netname_defs.h>

/* Routine netname_check_in */
#define MIG_RPC_HAVE_MIG_NETNAME_CHECK_IN
#define MIG_RPC_REQUEST_ID_MIG_NETNAME_CHECK_IN 1040
#define MIG_RPC_REPLY_ID_MIG_NETNAME_CHECK_IN 1140
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_netname_check_in
(
	mach_port_t server_port,
	const_netname_name_t port_name,
	mach_port_t signature,
	mach_port_t port_id
);

/* Routine netname_look_up */
#define MIG_RPC_HAVE_MIG_NETNAME_LOOK_UP
#define MIG_RPC_REQUEST_ID_MIG_NETNAME_LOOK_UP 1041
#define MIG_RPC_REPLY_ID_MIG_NETNAME_LOOK_UP 1141
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_netname_look_up
(
	mach_port_t server_port,
	const_netname_name_t host_name,
	const_netname_name_t port_name,
	mach_port_t *port_id
);

/* Routine netname_check_out */
#define MIG_RPC_HAVE_MIG_NETNAME_CHECK_OUT
#define MIG_RPC_REQUEST_ID_MIG_NETNAME_CHECK_OUT 1042
#define MIG_RPC_REPLY_ID_MIG_NETNAME_CHECK_OUT 1142
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_netname_check_out
(
	mach_port_t server_port,
	const_netname_name_t port_name,
	mach_port_t signature
);

/* Routine netname_version */
#define MIG_RPC_HAVE_MIG_NETNAME_VERSION
#define MIG_RPC_REQUEST_ID_MIG_NETNAME_VERSION 1043
#define MIG_RPC_REPLY_ID_MIG_NETNAME_VERSION 1143
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_netname_version
(
	mach_port_t server_port,
	netname_name_t version
);

#endif	/* not defined(_netname_user_) */
