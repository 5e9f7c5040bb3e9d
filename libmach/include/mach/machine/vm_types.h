/* Integers and addresses of x86-64, under Mach's names. */
#ifndef _MACHINE_VM_TYPES_H_
#define _MACHINE_VM_TYPES_H_

#include <stdint.h>

/* Counters of 32 bits, whatever the width of an address. */
typedef unsigned int natural_t;
typedef int integer_t;
/* Counters that 32 bits may be too few for. */
typedef unsigned long long long_natural_t;
typedef long long long_integer_t;

/* Addresses and sizes of memory. */
typedef uintptr_t vm_offset_t;
typedef vm_offset_t *vm_offset_array_t;
typedef uintptr_t vm_size_t;
typedef vm_size_t *vm_size_array_t;
typedef unsigned long long phys_addr_t;

/* The same as they stand in a message: task and node have one word size here. */
typedef uintptr_t rpc_uintptr_t;
typedef vm_offset_t rpc_vm_address_t;
typedef vm_offset_t rpc_vm_offset_t;
typedef rpc_vm_offset_t *rpc_vm_offset_array_t;
typedef vm_size_t rpc_vm_size_t;
typedef rpc_vm_size_t *rpc_vm_size_array_t;
typedef long_natural_t rpc_long_natural_t;
typedef long_integer_t rpc_long_integer_t;
typedef unsigned long long rpc_phys_addr_t;
typedef rpc_phys_addr_t *rpc_phys_addr_array_t;

#define MACH_MSG_TYPE_INTEGER_T MACH_MSG_TYPE_INTEGER_32

#endif
