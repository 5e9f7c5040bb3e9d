/* The name under which GNU has <mach/mach.h>. */
#ifndef _MACH_H
#define _MACH_H 1

#include <mach/mach.h>
#include <mach/mig_support.h>

#endif
