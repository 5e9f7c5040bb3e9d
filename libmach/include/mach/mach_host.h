/* What a host tells of itself, as far as a node has it today; `host` is its port. */
#ifndef _MACH_MACH_HOST_H_
#define _MACH_MACH_HOST_H_

#include <mach/mach_types.h>
#include <mach/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Facts by flavor; the count is the room that there is, and then what was said. */
extern kern_return_t host_info(mach_port_t host, int flavor, host_info_t host_info_out,
                               mach_msg_type_number_t *host_info_outCnt);
extern kern_return_t host_get_time(mach_port_t host, time_value_t *current_time);
extern kern_return_t host_get_kernel_version(mach_port_t host, new_kernel_version_t kernel_version);

/* Keeps the pages of a range that are on the task's node there; VM_PROT_NONE gives them up again. */
extern kern_return_t vm_wire(mach_port_t host, mach_port_t task, vm_address_t address, vm_size_t size,
                             vm_prot_t access);

#ifdef __cplusplus
}
#endif

#endif
