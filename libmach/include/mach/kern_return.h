/* What kernel routines answer. */
#ifndef _MACH_KERN_RETURN_H_
#define _MACH_KERN_RETURN_H_

#include <mach/machine/kern_return.h>

#define KERN_SUCCESS 0
#define KERN_INVALID_ADDRESS 1           /* nothing is mapped there */
#define KERN_PROTECTION_FAILURE 2        /* mapped, but not for this access */
#define KERN_NO_SPACE 3                  /* no free addresses or names */
#define KERN_INVALID_ARGUMENT 4          /* an argument that has no meaning here */
#define KERN_FAILURE 5                   /* any other reason */
#define KERN_RESOURCE_SHORTAGE 6         /* a limit, or no memory */
#define KERN_NOT_RECEIVER 7              /* the receive right is not the caller's */
#define KERN_NO_ACCESS 8                 /* not permitted */
#define KERN_MEMORY_FAILURE 9            /* the memory object is gone for good */
#define KERN_MEMORY_ERROR 10             /* its pager could not bring the page */
#define KERN_NOT_IN_SET 12               /* not a member of a port set */
#define KERN_NAME_EXISTS 13              /* the name is in use */
#define KERN_ABORTED 14                  /* given up half-way */
#define KERN_INVALID_NAME 15             /* the name denotes nothing */
#define KERN_INVALID_TASK 16             /* no task */
#define KERN_INVALID_RIGHT 17            /* the name denotes another kind of right */
#define KERN_INVALID_VALUE 18            /* out of range */
#define KERN_UREFS_OVERFLOW 19           /* too many user references */
#define KERN_INVALID_CAPABILITY 20       /* the right is null or dead */
#define KERN_RIGHT_EXISTS 21             /* the task has the right under another name */
#define KERN_INVALID_HOST 22             /* no host */
#define KERN_MEMORY_PRESENT 23           /* the page is there already */
#define KERN_WRITE_PROTECTION_FAILURE 24 /* written while its pager is to be asked first */
#define KERN_TERMINATED 26               /* the object has ended */
#define KERN_TIMEDOUT 27                 /* the time is up */
#define KERN_INTERRUPTED 28              /* something else came in between */

#endif
