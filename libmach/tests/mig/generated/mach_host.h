#ifndef	_mach_host_user_
#define	_mach_host_user_

/* Module mach_host */

#include <mach/kern_return.h>
#include <mach/port.h>
#include <mach/message.h>

#include <mach/std_types.h>
#include <mach/mach_types.h>

/* Routine host_get_time */
#define MIG_RPC_HAVE_MIG_HOST_GET_TIME
#define MIG_RPC_REQUEST_ID_MIG_HOST_GET_TIME 2634
#define MIG_RPC_REPLY_ID_MIG_HOST_GET_TIME 2734
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_host_get_time
(
	mach_port_t host,
	time_value_t *current_time
);

/* Routine host_info */
#define MIG_RPC_HAVE_MIG_HOST_INFO
#define MIG_RPC_REQUEST_ID_MIG_HOST_INFO 2638
#define MIG_RPC_REPLY_ID_MIG_HOST_INFO 2738
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_host_info
(
	mach_port_t host,
	int flavor,
	host_info_t host_info_out,
	mach_msg_type_number_t *host_info_outCnt
);

/* Routine host_get_kernel_version */
#define MIG_RPC_HAVE_MIG_HOST_GET_KERNEL_VERSION
#define MIG_RPC_REQUEST_ID_MIG_HOST_GET_KERNEL_VERSION 2646
#define MIG_RPC_REPLY_ID_MIG_HOST_GET_KERNEL_VERSION 2746
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_host_get_kernel_version
(
	mach_port_t host,
	new_kernel_version_t kernel_version
);

#endif	/* not defined(_mach_host_user_) */
