#ifndef	_demo_user_
#define	_demo_user_

/* Module demo */

#include <mach/kern_return.h>
#include <mach/port.h>
#include <mach/message.h>

#include <mach/std_types.h>
#include <mach/mach_types.h>
#include "demo_types.h"

/* Routine demo_add */
#define MIG_RPC_HAVE_DEMO_ADD
#define MIG_RPC_REQUEST_ID_DEMO_ADD 77000
#define MIG_RPC_REPLY_ID_DEMO_ADD 77100
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t demo_add
(
	mach_port_t server,
	int left,
	int right,
	int *sum
);

/* Routine demo_reverse */
#define MIG_RPC_HAVE_DEMO_REVERSE
#define MIG_RPC_REQUEST_ID_DEMO_REVERSE 77001
#define MIG_RPC_REPLY_ID_DEMO_REVERSE 77101
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t demo_reverse
(
	mach_port_t server,
	vm_offset_t data,
	mach_msg_type_number_t dataCnt,
	vm_offset_t *reversed,
	mach_msg_type_number_t *reversedCnt
);

/* Routine demo_swap_rights */
#define MIG_RPC_HAVE_DEMO_SWAP_RIGHTS
#define MIG_RPC_REQUEST_ID_DEMO_SWAP_RIGHTS 77002
#define MIG_RPC_REPLY_ID_DEMO_SWAP_RIGHTS 77102
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t demo_swap_rights
(
	mach_port_t server,
	mach_port_t given,
	mach_port_t *taken
);

/* Routine demo_greet */
#define MIG_RPC_HAVE_DEMO_GREET
#define MIG_RPC_REQUEST_ID_DEMO_GREET 77003
#define MIG_RPC_REPLY_ID_DEMO_GREET 77103
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t demo_greet
(
	mach_port_t server,
	const_demo_name_t name,
	char *greeting /* max of 200 elements */
);

/* Routine demo_statistics */
#define MIG_RPC_HAVE_DEMO_STATISTICS
#define MIG_RPC_REQUEST_ID_DEMO_STATISTICS 77004
#define MIG_RPC_REPLY_ID_DEMO_STATISTICS 77104
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t demo_statistics
(
	mach_port_t server,
	const demo_words_t words,
	mach_msg_type_number_t wordsCnt,
	demo_pair_t *range,
	int64_t *total,
	boolean_t *flag
);

/* Routine demo_count_rights */
#define MIG_RPC_HAVE_DEMO_COUNT_RIGHTS
#define MIG_RPC_REQUEST_ID_DEMO_COUNT_RIGHTS 77005
#define MIG_RPC_REPLY_ID_DEMO_COUNT_RIGHTS 77105
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t demo_count_rights
(
	mach_port_t server,
	mach_port_array_t rights,
	mach_msg_type_number_t rightsCnt,
	int *count
);

/* SimpleRoutine demo_note */
#define MIG_RPC_HAVE_DEMO_NOTE
#define MIG_RPC_REQUEST_ID_DEMO_NOTE 77006
#define MIG_RPC_REPLY_ID_DEMO_NOTE 77106
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t demo_note
(
	mach_port_t server,
	int number
);

/* Routine demo_noted */
#define MIG_RPC_HAVE_DEMO_NOTED
#define MIG_RPC_REQUEST_ID_DEMO_NOTED 77007
#define MIG_RPC_REPLY_ID_DEMO_NOTED 77107
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t demo_noted
(
	mach_port_t server,
	int *number
);

#endif	/* not defined(_demo_user_) */
