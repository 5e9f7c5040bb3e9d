/* Sizes of the system. */
#ifndef _MACH_MACH_PARAM_H_
#define _MACH_MACH_PARAM_H_

#define TASK_PORT_REGISTER_MAX 4

#endif
