/* What generated stubs call. */
#ifndef _MACH_MIG_SUPPORT_H_
#define _MACH_MIG_SUPPORT_H_

#include <string.h>

#include <mach/mach_types.h>
#include <mach/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forgets the calling thread's reply port; whoever calls it before any stub loses nothing. */
extern void mig_init(void *first);

/* Memory for out-of-line data; *addr_p is 0 when there is none. */
extern void mig_allocate(vm_address_t *addr_p, vm_size_t size);
extern void mig_deallocate(vm_address_t addr, vm_size_t size);

/* The calling thread's port for replies: kept from call to call, given back, or given up after a failed call. */
extern mach_port_name_t mig_get_reply_port(void);
extern void mig_put_reply_port(mach_port_t port);
extern void mig_dealloc_reply_port(mach_port_t port);

/* Makes `reply` the answer MIG_BAD_ID to `request`: where a server's function begins. */
extern void mig_reply_setup(const mach_msg_header_t *request, mach_msg_header_t *reply);

/* Copies a string into `len` bytes, always ended by a NUL; answers how many it took, the NUL included. */
extern vm_size_t mig_strncpy(char *dest, const char *src, vm_size_t len);

#ifdef __cplusplus
}
#endif

#endif
