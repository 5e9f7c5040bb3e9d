/* What a task finds when it begins. */
#ifndef _MACH_INIT_H
#define _MACH_INIT_H 1

#include <mach/mach_traps.h>
#include <mach/mach_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The task's own port, as a variable. In a forked child it is the child's. */
#define mach_task_self_ (mach_task_self())

/*
 * Ports that the task was given, as variables: of its bootstrap server (the node's name server, unless whoever
 * prepared the task gave another) and of the node's name server.
 */
extern mach_port_t *mach_bootstrap_port_location(void);
extern mach_port_t *mach_name_server_port_location(void);
#define bootstrap_port (*mach_bootstrap_port_location())
#define name_server_port (*mach_name_server_port_location())

/* Bytes of a page. */
extern const vm_size_t vm_page_size;

#ifdef __cplusplus
}
#endif

#endif
