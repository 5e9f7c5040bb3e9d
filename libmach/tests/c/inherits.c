/* What a forked child gets of memory that the node mapped. */
#include "check.h"

#define MEBI ((vm_size_t)1 << 20)

static mach_port_t port;

static char *region_of(vm_inherit_t inheritance) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, MEBI, TRUE));
    memset((char *)address, 'p', MEBI);
    if (inheritance != VM_INHERIT_COPY)
        OK(vm_inherit(SELF, address, MEBI, inheritance));
    return (char *)address;
}

/* In the first page a counter of rounds that a child writes, and behind it what both wrote before. */
static void a_family(char *copied, char *shared, char round) {
    pid_t child = fork();
    if (child == 0) {
        CHECK(copied[0] == round && copied[MEBI - 1] == 'p' && shared[MEBI - 1] == 'p');
        copied[0] = shared[0] = 'c';
        memset(copied + PAGE_SIZE, 'c', PAGE_SIZE);
        shared[1] = round;
        /* It can become a task, with memory of its own. */
        vm_address_t own = 0;
        OK(vm_allocate(SELF, &own, MEBI, TRUE));
        *(char *)own = copied[0];
        _exit(*(char *)own == 'c' ? 0 : 1);
    }
    ends_well(child);
    CHECK(copied[0] == round && copied[PAGE_SIZE] == 'p');
    CHECK(shared[0] == 'c' && shared[1] == round);
}

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t type;
    char *data;
} memory_message;

/* Sends memory and gets it back; answers where. */
static char *passed(char *data) {
    memory_message m;
    memset(&m, 0, sizeof m);
    m.head = header_of(port, MACH_MSG_TYPE_MAKE_SEND, MACH_PORT_NULL, 0, sizeof m, 9);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.type = type_of(MACH_MSG_TYPE_BYTE, 8, MEBI, FALSE, FALSE);
    m.data = data;
    OK(send(&m.head));
    OK(receive(&m.head, sizeof m, port));
    return m.data;
}

int main(void) {
    port = new_port();
    char *copied = region_of(VM_INHERIT_COPY), *shared = region_of(VM_INHERIT_SHARE);
    for (char round = 1; round < 4; round++) {
        copied[0] = round; /* written since the last fork */
        a_family(copied, shared, round);
    }

    /* Memory that is shared with a child is copied into a message, and goes on being shared. */
    char *copy = passed(shared);
    CHECK(copy[0] == 'c' && copy[MEBI - 1] == 'p');
    a_family(copied, shared, copied[0]);
    CHECK(copy[1] == 3);
    return 0;
}
