/* The truth value of a message: one 32-bit integer. */
#ifndef _MACH_MACHINE_BOOLEAN_H_
#define _MACH_MACHINE_BOOLEAN_H_

typedef int boolean_t;

#endif
