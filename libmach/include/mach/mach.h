/* All of Mach that a task of a node has. */
#ifndef _MACH_MACH_H_
#define _MACH_MACH_H_

#include <mach/gnumach.h>
#include <mach/kern_return.h>
#include <mach/mach_host.h>
#include <mach/mach_interface.h>
#include <mach/mach_param.h>
#include <mach/mach_port.h>
#include <mach/mach_traps.h>
#include <mach/mach_types.h>
#include <mach/message.h>
#include <mach/notify.h>
#include <mach/port.h>
#include <mach/vm_param.h>
#include <mach_init.h>

#endif
