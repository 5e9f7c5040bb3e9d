/* What GNU Mach has beside Mach, as far as a node has it today; `host` is the host's port. */
#ifndef _MACH_GNUMACH_H_
#define _MACH_GNUMACH_H_

#include <mach/mach_interface.h>
#include <mach/mach_types.h>
#include <mach/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* VM_WIRE_CURRENT, as far as a task may wire so much, or VM_WIRE_NONE. */
extern kern_return_t vm_wire_all(mach_port_t host, mach_port_t task, vm_wire_t flags);
/* Always an error: no process is given memory by its place in the machine, or told that place. */
extern kern_return_t vm_allocate_contiguous(mach_port_t host, mach_port_t target_task, vm_address_t *vaddr,
                                            rpc_phys_addr_t *paddr, vm_size_t size, rpc_phys_addr_t pmin,
                                            rpc_phys_addr_t pmax, rpc_phys_addr_t palign);
extern kern_return_t vm_pages_phys(mach_port_t host, mach_port_t target_task, vm_address_t vaddr, vm_size_t size,
                                   rpc_phys_addr_array_t *pages, mach_msg_type_number_t *pagesCnt);

#ifdef __cplusplus
}
#endif

#endif
