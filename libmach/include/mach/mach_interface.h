/* Operations on a task, its threads and its memory, as far as a node has them today; `target_task` is the task's port. */
#ifndef _MACH_MACH_INTERFACE_H_
#define _MACH_MACH_INTERFACE_H_

#include <mach/mach_types.h>
#include <mach/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A task without a process, with what it inherits of another's memory. A process becomes it with MACH_TOKEN (below). */
extern kern_return_t task_create(mach_port_t target_task, boolean_t inherit_memory, mach_port_t *child_task);
extern kern_return_t task_terminate(mach_port_t target_task);
extern kern_return_t task_get_special_port(mach_port_t task, int which_port, mach_port_t *special_port);
extern kern_return_t task_set_special_port(mach_port_t task, int which_port, mach_port_t special_port);

/* A send right to each thread, in memory to be deallocated. */
extern kern_return_t task_threads(mach_port_t target_task, thread_array_t *thread_list,
                                  mach_msg_type_number_t *thread_listCnt);
/* Ends the mach_msg in which a thread waits: MACH_SEND_INTERRUPTED or MACH_RCV_INTERRUPTED. */
extern kern_return_t thread_abort(mach_port_t target_thread);
extern kern_return_t thread_get_special_port(mach_port_t thread, int which_port, mach_port_t *special_port);

extern kern_return_t vm_allocate(mach_port_t target_task, vm_address_t *address, vm_size_t size, boolean_t anywhere);
extern kern_return_t vm_deallocate(mach_port_t target_task, vm_address_t address, vm_size_t size);
extern kern_return_t vm_protect(mach_port_t target_task, vm_address_t address, vm_size_t size, boolean_t set_maximum,
                                vm_prot_t new_protection);
/* What a child would get of a range. */
extern kern_return_t vm_read(mach_port_t target_task, vm_address_t address, vm_size_t size, vm_offset_t *data,
                             mach_msg_type_number_t *data_count);
extern kern_return_t vm_write(mach_port_t target_task, vm_address_t address, vm_offset_t data,
                              mach_msg_type_number_t data_count);
extern kern_return_t vm_copy(mach_port_t target_task, vm_address_t source_address, vm_size_t size,
                             vm_address_t dest_address);
extern kern_return_t vm_inherit(mach_port_t target_task, vm_address_t address, vm_size_t size,
                                vm_inherit_t new_inheritance);
extern kern_return_t vm_region(mach_port_t target_task, vm_address_t *address, vm_size_t *size,
                               vm_prot_t *protection, vm_prot_t *max_protection, vm_inherit_t *inheritance,
                               boolean_t *is_shared, mach_port_t *object_name, vm_offset_t *offset);
extern kern_return_t vm_map(mach_port_t target_task, vm_address_t *address, vm_size_t size, vm_address_t mask,
                            boolean_t anywhere, mach_port_t memory_object, vm_offset_t offset, boolean_t copy,
                            vm_prot_t cur_protection, vm_prot_t max_protection, vm_inherit_t inheritance);
/* Counts of the memory of the task's node. */
extern kern_return_t vm_statistics(mach_port_t target_task, vm_statistics_data_t *vm_stats);
/* Always an error: a PC has no such attribute. */
extern kern_return_t vm_machine_attribute(mach_port_t target_task, vm_address_t address, vm_size_t size,
                                          vm_machine_attribute_t attribute, vm_machine_attribute_val_t *value);
extern kern_return_t vm_msync(mach_port_t target_task, vm_address_t address, vm_size_t size, vm_sync_t sync_flags);

/* Not Mach's. What a process has as MACH_TOKEN in its environment to become a task that has no process yet. */
extern kern_return_t mach_task_token(mach_port_t task, unsigned long *token);
/* Not Mach's. All that a task has mapped, in memory to be deallocated, and the memory objects that it shows; and the reverse:
   the same mapped in a task at the same addresses, where nothing may be yet. Memory that a task is given in messages lies far from
   what it allocates, so a space that came so is not in its own way. The objects' rights stay the caller's. */
extern kern_return_t vm_read_space(mach_port_t target_task, vm_offset_t *space, vm_size_t *space_size,
                                   mach_port_array_t *objects, mach_msg_type_number_t *objectsCnt);
extern kern_return_t vm_map_space(mach_port_t target_task, vm_offset_t space, vm_size_t space_size,
                                  const mach_port_t *objects, mach_msg_type_number_t objectsCnt);

#ifdef __cplusplus
}
#endif

#endif
