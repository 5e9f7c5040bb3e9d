/* Times as kernel routines give them. */
#ifndef _MACH_TIME_VALUE_H_
#define _MACH_TIME_VALUE_H_

#include <mach/machine/vm_types.h>

struct time_value {
    long_integer_t seconds;
    integer_t microseconds;
};

typedef struct time_value time_value_t;
typedef struct time_value rpc_time_value_t;

struct time_value64 {
    int64_t seconds;
    int64_t nanoseconds;
};

typedef struct time_value64 time_value64_t;

#define TIME_MICROS_MAX (1000000)
#define TIME_NANOS_MAX (1000000000)

/* Adds microseconds, fewer than a second of them. */
#define time_value_add_usec(val, micros)                                                                               \
    do {                                                                                                               \
        if (((val)->microseconds += (micros)) >= TIME_MICROS_MAX) {                                                    \
            (val)->microseconds -= TIME_MICROS_MAX;                                                                    \
            (val)->seconds++;                                                                                          \
        }                                                                                                              \
    } while (0)

#define time_value_add(result, addend)                                                                                 \
    do {                                                                                                               \
        (result)->seconds += (addend)->seconds;                                                                        \
        time_value_add_usec(result, (addend)->microseconds);                                                           \
    } while (0)

/* To and from struct timespec. */
#define TIME_VALUE_TO_TIMESPEC(tv, ts)                                                                                 \
    do {                                                                                                               \
        (ts)->tv_sec = (tv)->seconds;                                                                                  \
        (ts)->tv_nsec = (tv)->microseconds * 1000;                                                                     \
    } while (0)
#define TIMESPEC_TO_TIME_VALUE(tv, ts)                                                                                 \
    do {                                                                                                               \
        (tv)->seconds = (ts)->tv_sec;                                                                                  \
        (tv)->microseconds = (integer_t)((ts)->tv_nsec / 1000);                                                        \
    } while (0)
#define TIME_VALUE64_TO_TIMESPEC(tv, ts)                                                                               \
    do {                                                                                                               \
        (ts)->tv_sec = (tv)->seconds;                                                                                  \
        (ts)->tv_nsec = (tv)->nanoseconds;                                                                             \
    } while (0)
#define TIMESPEC_TO_TIME_VALUE64(tv, ts)                                                                               \
    do {                                                                                                               \
        (tv)->seconds = (ts)->tv_sec;                                                                                  \
        (tv)->nanoseconds = (ts)->tv_nsec;                                                                             \
    } while (0)

#endif
