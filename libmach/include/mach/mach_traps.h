/* The calling task, thread and host, and a port for replies. */
#ifndef _MACH_MACH_TRAPS_H_
#define _MACH_MACH_TRAPS_H_

#include <mach/port.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The first call of any of these attaches the process to its node. Each answers MACH_PORT_NULL when that fails, after
 * it has said why on the standard error output.
 */

/* A new port to receive from. */
extern mach_port_name_t mach_reply_port(void);

/* The task's own port. The library keeps this reference: it is not to be deallocated. */
extern mach_port_name_t mach_task_self(void);

/* The calling thread's port, and the port of its host: each call gives one more user reference, to be deallocated. */
extern mach_port_name_t mach_thread_self(void);
extern mach_port_name_t mach_host_self(void);

/* Says a text on the standard error output, as it is. */
extern void mach_print(const char *text);

#ifdef __cplusplus
}
#endif

#endif
