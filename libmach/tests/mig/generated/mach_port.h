#ifndef	_mach_port_user_
#define	_mach_port_user_

/* Module mach_port */

#include <mach/kern_return.h>
#include <mach/port.h>
#include <mach/message.h>

#include <mach/std_types.h>
#include <mach/mach_types.h>

/* Routine mach_port_names */
#define MIG_RPC_HAVE_MIG_MACH_PORT_NAMES
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_NAMES 3200
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_NAMES 3300
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_names
(
	mach_port_t task,
	mach_port_name_array_t *names,
	mach_msg_type_number_t *namesCnt,
	mach_port_type_array_t *types,
	mach_msg_type_number_t *typesCnt
);

/* Routine mach_port_type */
#define MIG_RPC_HAVE_MIG_MACH_PORT_TYPE
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_TYPE 3201
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_TYPE 3301
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_type
(
	mach_port_t task,
	mach_port_name_t name,
	mach_port_type_t *ptype
);

/* Routine mach_port_rename */
#define MIG_RPC_HAVE_MIG_MACH_PORT_RENAME
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_RENAME 3202
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_RENAME 3302
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_rename
(
	mach_port_t task,
	mach_port_name_t old_name,
	mach_port_name_t new_name
);

/* Routine mach_port_allocate_name */
#define MIG_RPC_HAVE_MIG_MACH_PORT_ALLOCATE_NAME
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_ALLOCATE_NAME 3203
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_ALLOCATE_NAME 3303
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_allocate_name
(
	mach_port_t task,
	mach_port_right_t right,
	mach_port_name_t name
);

/* Routine mach_port_allocate */
#define MIG_RPC_HAVE_MIG_MACH_PORT_ALLOCATE
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_ALLOCATE 3204
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_ALLOCATE 3304
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_allocate
(
	mach_port_t task,
	mach_port_right_t right,
	mach_port_name_t *name
);

/* Routine mach_port_destroy */
#define MIG_RPC_HAVE_MIG_MACH_PORT_DESTROY
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_DESTROY 3205
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_DESTROY 3305
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_destroy
(
	mach_port_t task,
	mach_port_name_t name
);

/* Routine mach_port_deallocate */
#define MIG_RPC_HAVE_MIG_MACH_PORT_DEALLOCATE
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_DEALLOCATE 3206
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_DEALLOCATE 3306
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_deallocate
(
	mach_port_t task,
	mach_port_name_t name
);

/* Routine mach_port_get_refs */
#define MIG_RPC_HAVE_MIG_MACH_PORT_GET_REFS
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_GET_REFS 3207
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_GET_REFS 3307
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_get_refs
(
	mach_port_t task,
	mach_port_name_t name,
	mach_port_right_t right,
	mach_port_urefs_t *refs
);

/* Routine mach_port_mod_refs */
#define MIG_RPC_HAVE_MIG_MACH_PORT_MOD_REFS
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_MOD_REFS 3208
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_MOD_REFS 3308
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_mod_refs
(
	mach_port_t task,
	mach_port_name_t name,
	mach_port_right_t right,
	mach_port_delta_t delta
);

/* Routine mach_port_set_qlimit */
#define MIG_RPC_HAVE_MIG_MACH_PORT_SET_QLIMIT
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_SET_QLIMIT 3210
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_SET_QLIMIT 3310
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_set_qlimit
(
	mach_port_t task,
	mach_port_name_t name,
	mach_port_msgcount_t qlimit
);

/* Routine mach_port_set_mscount */
#define MIG_RPC_HAVE_MIG_MACH_PORT_SET_MSCOUNT
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_SET_MSCOUNT 3211
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_SET_MSCOUNT 3311
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_set_mscount
(
	mach_port_t task,
	mach_port_name_t name,
	mach_port_mscount_t mscount
);

/* Routine mach_port_get_set_status */
#define MIG_RPC_HAVE_MIG_MACH_PORT_GET_SET_STATUS
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_GET_SET_STATUS 3212
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_GET_SET_STATUS 3312
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_get_set_status
(
	mach_port_t task,
	mach_port_name_t name,
	mach_port_name_array_t *members,
	mach_msg_type_number_t *membersCnt
);

/* Routine mach_port_move_member */
#define MIG_RPC_HAVE_MIG_MACH_PORT_MOVE_MEMBER
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_MOVE_MEMBER 3213
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_MOVE_MEMBER 3313
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_move_member
(
	mach_port_t task,
	mach_port_name_t member,
	mach_port_name_t after
);

/* Routine mach_port_request_notification */
#define MIG_RPC_HAVE_MIG_MACH_PORT_REQUEST_NOTIFICATION
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_REQUEST_NOTIFICATION 3214
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_REQUEST_NOTIFICATION 3314
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_request_notification
(
	mach_port_t task,
	mach_port_name_t name,
	mach_msg_id_t id,
	mach_port_mscount_t sync,
	mach_port_t notify,
	mach_msg_type_name_t notifyPoly,
	mach_port_t *previous
);

/* Routine mach_port_insert_right */
#define MIG_RPC_HAVE_MIG_MACH_PORT_INSERT_RIGHT
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_INSERT_RIGHT 3215
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_INSERT_RIGHT 3315
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_insert_right
(
	mach_port_t task,
	mach_port_name_t name,
	mach_port_t poly,
	mach_msg_type_name_t polyPoly
);

/* Routine mach_port_extract_right */
#define MIG_RPC_HAVE_MIG_MACH_PORT_EXTRACT_RIGHT
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_EXTRACT_RIGHT 3216
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_EXTRACT_RIGHT 3316
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_extract_right
(
	mach_port_t task,
	mach_port_name_t name,
	mach_msg_type_name_t msgt_name,
	mach_port_t *poly,
	mach_msg_type_name_t *polyPoly
);

/* Routine mach_port_get_receive_status */
#define MIG_RPC_HAVE_MIG_MACH_PORT_GET_RECEIVE_STATUS
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_GET_RECEIVE_STATUS 3217
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_GET_RECEIVE_STATUS 3317
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_get_receive_status
(
	mach_port_t task,
	mach_port_name_t name,
	mach_port_status_t *status
);

/* Routine mach_port_set_seqno */
#define MIG_RPC_HAVE_MIG_MACH_PORT_SET_SEQNO
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_SET_SEQNO 3218
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_SET_SEQNO 3318
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_set_seqno
(
	mach_port_t task,
	mach_port_name_t name,
	mach_port_seqno_t seqno
);

/* Routine mach_port_set_protected_payload */
#define MIG_RPC_HAVE_MIG_MACH_PORT_SET_PROTECTED_PAYLOAD
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_SET_PROTECTED_PAYLOAD 3221
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_SET_PROTECTED_PAYLOAD 3321
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_set_protected_payload
(
	mach_port_t task,
	mach_port_name_t name,
	rpc_uintptr_t payload
);

/* Routine mach_port_clear_protected_payload */
#define MIG_RPC_HAVE_MIG_MACH_PORT_CLEAR_PROTECTED_PAYLOAD
#define MIG_RPC_REQUEST_ID_MIG_MACH_PORT_CLEAR_PROTECTED_PAYLOAD 3222
#define MIG_RPC_REPLY_ID_MIG_MACH_PORT_CLEAR_PROTECTED_PAYLOAD 3322
#ifdef	mig_external
mig_external
#else
extern
#endif
kern_return_t mig_mach_port_clear_protected_payload
(
	mach_port_t task,
	mach_port_name_t name
);

#endif	/* not defined(_mach_port_user_) */
