/* For programs that change their memory themselves, behind the node's back. */
#ifndef BEHIND_H
#define BEHIND_H

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <servers/netname.h>

#include "check.h"

#ifndef MADV_REMOVE
#define MADV_REMOVE 9
#endif

#define P PAGE_SIZE

static sigjmp_buf back;
static volatile sig_atomic_t touching;
static struct sigaction librarys[2];

static void on_fault(int number, siginfo_t *info, void *context) {
    if (touching)
        siglongjmp(back, number);
    librarys[number == SIGBUS].sa_sigaction(number, info, context);
}

/* Errors of `touch` are told from now on; the library has installed its handlers before. */
static inline void catch_faults(void) {
    struct sigaction action;
    CHECK(SELF != MACH_PORT_NULL);
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    CHECK(sigaction(SIGSEGV, &action, &librarys[0]) == 0 && sigaction(SIGBUS, &action, &librarys[1]) == 0);
    CHECK(librarys[0].sa_flags & SA_SIGINFO && librarys[1].sa_flags & SA_SIGINFO);
}

/* The byte; below 0 the signal that reading it is. */
static inline int byte_at(const char *address) {
    int number = sigsetjmp(back, 1);
    if (number != 0) {
        touching = 0;
        return -number;
    }
    touching = 1;
    int byte = *(const volatile unsigned char *)address;
    touching = 0;
    return byte;
}

/* Writes a byte; the signal if it cannot be written. */
static inline int put_at(char *address, char byte) {
    int number = sigsetjmp(back, 1);
    if (number == 0) {
        touching = 1;
        *(volatile char *)address = byte;
    }
    touching = 0;
    return number;
}

static inline int all_are(const char *bytes, size_t size, char byte) {
    for (size_t i = 0; i < size; i++)
        if (byte_at(bytes + i) != byte)
            return 0;
    return 1;
}

/* Memory of the program's own in a place where nothing is, as malloc might get it. */
static inline char *own_at(char *address, size_t size) {
    void *own = mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(own == address);
    memset(own, 'm', size);
    return own;
}

/* The first region at or behind an address: its size, 0 for none. */
static inline vm_size_t region_at(vm_address_t *address) {
    vm_size_t size;
    vm_prot_t protection, most;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t name;
    vm_offset_t offset;
    kern_return_t code =
        vm_region(SELF, address, &size, &protection, &most, &inheritance, &shared, &name, &offset);
    if (code == KERN_SUCCESS && name != MACH_PORT_NULL)
        OK(mach_port_deallocate(SELF, name));
    return code == KERN_SUCCESS ? size : 0;
}

#endif
