/* Operations on the port names of a task; `task` is its port. */
#ifndef _MACH_MACH_PORT_H_
#define _MACH_MACH_PORT_H_

#include <mach/mach_types.h>
#include <mach/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All names and their types, in memory to be deallocated. */
extern kern_return_t mach_port_names(mach_port_t task, mach_port_name_array_t *names,
                                     mach_msg_type_number_t *namesCnt, mach_port_type_array_t *types,
                                     mach_msg_type_number_t *typesCnt);
extern kern_return_t mach_port_type(mach_port_t task, mach_port_name_t name, mach_port_type_t *ptype);
extern kern_return_t mach_port_rename(mach_port_t task, mach_port_name_t old_name, mach_port_name_t new_name);
extern kern_return_t mach_port_allocate_name(mach_port_t task, mach_port_right_t right, mach_port_name_t name);
extern kern_return_t mach_port_allocate(mach_port_t task, mach_port_right_t right, mach_port_name_t *name);
extern kern_return_t mach_port_destroy(mach_port_t task, mach_port_name_t name);
extern kern_return_t mach_port_deallocate(mach_port_t task, mach_port_name_t name);
extern kern_return_t mach_port_get_refs(mach_port_t task, mach_port_name_t name, mach_port_right_t right,
                                        mach_port_urefs_t *refs);
extern kern_return_t mach_port_mod_refs(mach_port_t task, mach_port_name_t name, mach_port_right_t right,
                                        mach_port_delta_t delta);
extern kern_return_t mach_port_set_qlimit(mach_port_t task, mach_port_name_t name, mach_port_msgcount_t qlimit);
extern kern_return_t mach_port_set_mscount(mach_port_t task, mach_port_name_t name, mach_port_mscount_t mscount);
/* The members of a set, in memory to be deallocated. */
extern kern_return_t mach_port_get_set_status(mach_port_t task, mach_port_name_t name,
                                              mach_port_name_array_t *members, mach_msg_type_number_t *membersCnt);
/* Puts a receive right into a set, or with MACH_PORT_NULL out of the one it is in. */
extern kern_return_t mach_port_move_member(mach_port_t task, mach_port_name_t member, mach_port_name_t after);
/* Asks to be told of `id`; `previous` is the send-once right of the request that stood there, or null. */
extern kern_return_t mach_port_request_notification(mach_port_t task, mach_port_name_t name, mach_msg_id_t id,
                                                    mach_port_mscount_t sync, mach_port_t notify,
                                                    mach_msg_type_name_t notifyPoly, mach_port_t *previous);
extern kern_return_t mach_port_insert_right(mach_port_t task, mach_port_name_t name, mach_port_t poly,
                                            mach_msg_type_name_t polyPoly);
extern kern_return_t mach_port_extract_right(mach_port_t task, mach_port_name_t name,
                                             mach_msg_type_name_t msgt_name, mach_port_t *poly,
                                             mach_msg_type_name_t *polyPoly);
extern kern_return_t mach_port_get_receive_status(mach_port_t task, mach_port_name_t name,
                                                  mach_port_status_t *status);
extern kern_return_t mach_port_set_seqno(mach_port_t task, mach_port_name_t name, mach_port_seqno_t seqno);
extern kern_return_t mach_port_set_protected_payload(mach_port_t task, mach_port_name_t name, rpc_uintptr_t payload);
extern kern_return_t mach_port_clear_protected_payload(mach_port_t task, mach_port_name_t name);

#ifdef __cplusplus
}
#endif

#endif
