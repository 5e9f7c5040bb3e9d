/* Writes to a mapped object where it has moved it, which nobody can answer: it is ended. */
#define _GNU_SOURCE
#include "behind.h"

int main(void) {
    mach_port_t object;
    vm_address_t address = 0, other = 0;
    OK(netname_look_up(name_server_port, "*", "letters", &object));
    OK(vm_map(SELF, &address, 16 * P, 0, TRUE, object, 0, FALSE, VM_PROT_READ | VM_PROT_WRITE,
              VM_PROT_READ | VM_PROT_WRITE, VM_INHERIT_NONE));
    /* Else the object would go, and its pages with it. */
    OK(vm_map(SELF, &other, P, 0, TRUE, object, 0, FALSE, VM_PROT_READ, VM_PROT_READ, VM_INHERIT_NONE));
    *(volatile char *)address = 'w';
    char *at = mremap((char *)address, 16 * P, 32 * P, MREMAP_MAYMOVE);
    CHECK(at != MAP_FAILED && *(volatile char *)at == 'w');
    /* The node has read of it, and a write may be sooner than what it does about it. */
    alarm(SOON / 1000);
    for (;;)
        *(volatile char *)at = 'x';
}
