/* Ports that every thread has, by number. */
#ifndef _MACH_THREAD_SPECIAL_PORTS_H_
#define _MACH_THREAD_SPECIAL_PORTS_H_

#define THREAD_KERNEL_PORT 1
#define THREAD_EXCEPTION_PORT 3

#endif
