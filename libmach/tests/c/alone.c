/* The first thread ends, and the others go on as the task. */
#include <pthread.h>

#include "behind.h"

static pthread_t first;

static void *goes_on(void *nothing) {
    mach_port_t object;
    vm_address_t address = 0;
    CHECK(pthread_join(first, NULL) == 0);
    OK(netname_look_up(name_server_port, "*", "letters", &object));
    OK(vm_map(SELF, &address, 16 * P, 0, TRUE, object, 0, FALSE, VM_PROT_READ, VM_PROT_READ, VM_INHERIT_NONE));
    puts("alone");
    fflush(stdout);
    for (int page = 0; page < 16; page++) {
        usleep(20000);
        CHECK(*(volatile char *)(address + page * P) == 'a' + page);
    }
    exit(0);
    return nothing;
}

int main(void) {
    pthread_t thread;
    CHECK(SELF != MACH_PORT_NULL);
    first = pthread_self();
    CHECK(pthread_create(&thread, NULL, goes_on, NULL) == 0);
    pthread_exit(NULL);
}
