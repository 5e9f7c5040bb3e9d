/* The node is killed; what the program does to its memory afterwards neither hangs nor shows zeroes. */
#define _GNU_SOURCE
#include <pthread.h>

#include "behind.h"

int main(void) {
    mach_port_t object;
    vm_address_t address = 0;
    catch_faults();
    OK(netname_look_up(name_server_port, "*", "letters", &object));
    OK(vm_map(SELF, &address, 16 * P, 0, TRUE, object, 0, FALSE, VM_PROT_READ, VM_PROT_READ | VM_PROT_WRITE,
              VM_INHERIT_NONE));
    char *memory = (char *)address;
    for (int page = 0; page < 4; page++)
        CHECK(byte_at(memory + page * P) == 'a' + page);
    mach_port_t waited_for = new_port();
    puts("waiting");
    fflush(stdout);
    mach_msg_header_t m;
    IS(mach_msg(&m, MACH_RCV_MSG, 0, sizeof m, waited_for, 0, 0), MACH_RCV_PORT_DIED);
    CHECK(byte_at(memory) == 'a');
    CHECK(madvise(memory, P, MADV_DONTNEED) == 0 && byte_at(memory) == -SIGBUS);
    CHECK(madvise(memory + 4 * P, 12 * P, MADV_DONTNEED) == 0);
    for (int page = 4; page < 16; page++)
        CHECK(byte_at(memory + page * P) == -SIGBUS);
    CHECK(munmap(memory + P, P) == 0 && byte_at(memory + P) == -SIGSEGV);
    char *at = mremap(memory + 2 * P, P, 3 * P, MREMAP_MAYMOVE);
    CHECK(at != MAP_FAILED && (byte_at(at) == 'c' || byte_at(at) < 0) && byte_at(at + P) == -SIGBUS);
    CHECK(byte_at(memory + 3 * P) == 'd');
    CHECK(munmap(memory + 3 * P, 13 * P) == 0);
    return 0;
}
