/* Kinds of processor, as far as a node can run on one. */
#ifndef _MACH_MACHINE_H_
#define _MACH_MACHINE_H_

#include <mach/boolean.h>
#include <mach/machine/vm_types.h>

typedef integer_t cpu_type_t;
typedef integer_t cpu_subtype_t;

#endif
