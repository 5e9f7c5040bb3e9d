#ifndef	_notify_server_
#define	_notify_server_

/* Module notify */

#include <mach/kern_return.h>
#include <mach/port.h>
#include <mach/message.h>

#include <mach/mig_errors.h>
#include <mach/std_types.h>

/* SimpleRoutine mach_notify_port_deleted */
#define MIG_RPC_HAVE_DO_MACH_NOTIFY_PORT_DELETED
#define MIG_RPC_REQUEST_ID_DO_MACH_NOTIFY_PORT_DELETED 65
#define MIG_RPC_REPLY_ID_DO_MACH_NOTIFY_PORT_DELETED 165
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t do_mach_notify_port_deleted
(
	mach_port_t notify,
	mach_port_name_t name
);

/* SimpleRoutine mach_notify_msg_accepted */
#define MIG_RPC_HAVE_DO_MACH_NOTIFY_MSG_ACCEPTED
#define MIG_RPC_REQUEST_ID_DO_MACH_NOTIFY_MSG_ACCEPTED 66
#define MIG_RPC_REPLY_ID_DO_MACH_NOTIFY_MSG_ACCEPTED 166
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t do_mach_notify_msg_accepted
(
	mach_port_t notify,
	mach_port_name_t name
);

/* SimpleRoutine mach_notify_port_destroyed */
#define MIG_RPC_HAVE_DO_MACH_NOTIFY_PORT_DESTROYED
#define MIG_RPC_REQUEST_ID_DO_MACH_NOTIFY_PORT_DESTROYED 69
#define MIG_RPC_REPLY_ID_DO_MACH_NOTIFY_PORT_DESTROYED 169
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t do_mach_notify_port_destroyed
(
	mach_port_t notify,
	mach_port_t rights
);

/* SimpleRoutine mach_notify_no_senders */
#define MIG_RPC_HAVE_DO_MACH_NOTIFY_NO_SENDERS
#define MIG_RPC_REQUEST_ID_DO_MACH_NOTIFY_NO_SENDERS 70
#define MIG_RPC_REPLY_ID_DO_MACH_NOTIFY_NO_SENDERS 170
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t do_mach_notify_no_senders
(
	mach_port_t notify,
	mach_port_mscount_t mscount
);

/* SimpleRoutine mach_notify_send_once */
#define MIG_RPC_HAVE_DO_MACH_NOTIFY_SEND_ONCE
#define MIG_RPC_REQUEST_ID_DO_MACH_NOTIFY_SEND_ONCE 71
#define MIG_RPC_REPLY_ID_DO_MACH_NOTIFY_SEND_ONCE 171
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t do_mach_notify_send_once
(
	mach_port_t notify
);

/* SimpleRoutine mach_notify_dead_name */
#define MIG_RPC_HAVE_DO_MACH_NOTIFY_DEAD_NAME
#define MIG_RPC_REQUEST_ID_DO_MACH_NOTIFY_DEAD_NAME 72
#define MIG_RPC_REPLY_ID_DO_MACH_NOTIFY_DEAD_NAME 172
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t do_mach_notify_dead_name
(
	mach_port_t notify,
	mach_port_name_t name
);

extern mig_routine_t notify_server_routines[];
static __inline mig_routine_t notify_server_routine
	(const mach_msg_header_t *InHeadP)
{
	int msgh_id;

	msgh_id = InHeadP->msgh_id - 64;

	if ((msgh_id > 8) || (msgh_id < 0))
		return 0;

	return notify_server_routines[msgh_id];
}

#endif	/* not defined(_notify_server_) */
