/* Kinds of exception. */
#ifndef _MACH_EXCEPTION_H_
#define _MACH_EXCEPTION_H_

#define EXC_BAD_ACCESS 1
#define EXC_BAD_INSTRUCTION 2
#define EXC_ARITHMETIC 3
#define EXC_EMULATION 4
#define EXC_SOFTWARE 5
#define EXC_BREAKPOINT 6

#endif
