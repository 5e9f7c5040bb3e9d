/* Codes as text. */
#ifndef _MACH_ERROR_
#define _MACH_ERROR_ 1

#include <mach/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a code means. Answers a text for every code; it must not be changed or freed. */
extern char *mach_error_string(mach_error_t error_value);

/* Where a code comes from, such as "(ipc/send)". */
extern char *mach_error_type(mach_error_t error_value);

/* Says `str`, the code and what it means on the standard error output. */
extern void mach_error(const char *str, mach_error_t error_value);

#ifdef __cplusplus
}
#endif

#endif
