/* What is behind the port names of a task; `task` is its port. */
#ifndef _MACH_DEBUG_MACH_DEBUG_H_
#define _MACH_DEBUG_MACH_DEBUG_H_

#include <mach/mach_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Send rights that there are for a receive right of the task. */
extern kern_return_t mach_port_get_srights(mach_port_t task, mach_port_name_t name, mach_port_rights_t *srights);
/* Dead-name requests at a receive right of the task: room for them, and how many there are. */
extern kern_return_t mach_port_dnrequest_info(mach_port_t task, mach_port_name_t name, unsigned int *total,
                                              unsigned int *used);
/* What the kernel does for a port of its own. */
extern kern_return_t mach_port_kernel_object(mach_port_t task, mach_port_name_t name, unsigned int *object_type,
                                             vm_offset_t *object_addr);

#ifdef __cplusplus
}
#endif

#endif
