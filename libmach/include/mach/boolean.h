/* boolean_t, TRUE and FALSE. A program that defines NOBOOL gets the type alone. */
#ifndef _MACH_BOOLEAN_H_
#define _MACH_BOOLEAN_H_

#include <mach/machine/boolean.h>

#endif

/* Outside of the guard: a header read later may want what one read earlier did not. */
#ifndef NOBOOL
#ifndef TRUE
#define TRUE ((boolean_t)1)
#endif
#ifndef FALSE
#define FALSE ((boolean_t)0)
#endif
#endif
