/* A child by fork(2) as a task: its map, what it shares and copies of memory of every kind, and its own children. */
#include <servers/netname.h>

#include "check.h"

#define PAGES 32
#define SIZE (PAGES * PAGE_SIZE)

static char *allocated(char byte) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, SIZE, TRUE));
    memset((char *)address, byte, SIZE);
    return (char *)address;
}

static char *mapped(mach_port_t object, vm_inherit_t inheritance) {
    vm_address_t address = 0;
    OK(vm_map(SELF, &address, SIZE, 0, TRUE, object, 0, FALSE, VM_PROT_DEFAULT, VM_PROT_DEFAULT, inheritance));
    return (char *)address;
}

/* Checks what vm_region says of a page, of this task. */
static void region_is(const char *at, vm_prot_t protection, vm_prot_t maximum, vm_inherit_t inheritance, int shared) {
    vm_address_t address = (vm_address_t)at;
    vm_size_t size;
    vm_prot_t is_protection, is_maximum;
    vm_inherit_t is_inheritance;
    boolean_t is_shared;
    mach_port_t name;
    vm_offset_t offset;
    OK(vm_region(SELF, &address, &size, &is_protection, &is_maximum, &is_inheritance, &is_shared, &name, &offset));
    CHECK(address <= (vm_address_t)at && (vm_address_t)at < address + size);
    IS(is_protection, protection);
    IS(is_maximum, maximum);
    IS(is_inheritance, inheritance);
    IS(is_shared, shared);
}

int main(void) {
    mach_port_t object;
    OK(netname_look_up(name_server_port, "", "object", &object));
    char *copied = mapped(object, VM_INHERIT_COPY), *shared = mapped(object, VM_INHERIT_SHARE);
    char *none = mapped(object, VM_INHERIT_NONE), *plain = allocated('p'), *wired = allocated('w');
    char *mixed = allocated('m'), *reader = allocated('r'), *family = allocated('f');
    memset(shared, 'o', SIZE);
    CHECK(copied[0] == 'o' && none[1] == 'o');
    OK(vm_wire(mach_host_self(), SELF, (vm_address_t)wired + PAGE_SIZE, PAGE_SIZE, VM_PROT_DEFAULT));
    OK(vm_inherit(SELF, (vm_address_t)mixed, PAGE_SIZE, VM_INHERIT_SHARE));
    OK(vm_inherit(SELF, (vm_address_t)mixed + PAGE_SIZE, PAGE_SIZE, VM_INHERIT_NONE));
    OK(vm_protect(SELF, (vm_address_t)reader, SIZE, FALSE, VM_PROT_READ));
    OK(vm_protect(SELF, (vm_address_t)reader, PAGE_SIZE, TRUE, VM_PROT_READ));

    for (int round = 0; round < 3; round++) {
        shared[0] = plain[0] = wired[PAGE_SIZE] = mixed[0] = mixed[2 * PAGE_SIZE] = family[0] = (char)('0' + round);
        pid_t child = fork();
        if (child == 0) {
            char now = (char)('0' + round);
            /* The same at the same addresses, with the same attributes; wiring is the parent's alone. */
            CHECK(copied[0] == now && shared[0] == now && plain[0] == now && plain[SIZE - 1] == 'p');
            CHECK(wired[PAGE_SIZE] == now && wired[0] == 'w' && mixed[0] == now && mixed[2 * PAGE_SIZE] == now);
            CHECK(reader[SIZE - 1] == 'r' && family[0] == now);
            region_is(copied, VM_PROT_DEFAULT, VM_PROT_DEFAULT, VM_INHERIT_COPY, FALSE);
            region_is(shared, VM_PROT_DEFAULT, VM_PROT_DEFAULT, VM_INHERIT_SHARE, TRUE);
            region_is(mixed, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_SHARE, TRUE);
            region_is(reader, VM_PROT_READ, VM_PROT_READ, VM_INHERIT_COPY, FALSE);
            region_is(reader + PAGE_SIZE, VM_PROT_READ, VM_PROT_ALL, VM_INHERIT_COPY, FALSE);
            vm_address_t next = (vm_address_t)none;
            vm_size_t size;
            vm_prot_t any;
            vm_inherit_t inheritance;
            boolean_t is_shared;
            mach_port_t name;
            vm_offset_t offset;
            OK(vm_region(SELF, &next, &size, &any, &any, &inheritance, &is_shared, &name, &offset));
            CHECK(next != (vm_address_t)none);
            /* It is the child's to change, to give up and to hand on. */
            OK(vm_protect(SELF, (vm_address_t)reader + PAGE_SIZE, PAGE_SIZE, FALSE, VM_PROT_DEFAULT));
            reader[PAGE_SIZE] = copied[0] = plain[0] = wired[PAGE_SIZE] = mixed[2 * PAGE_SIZE] = 'c';
            shared[1] = mixed[1] = 'c';
            pid_t grandchild = fork();
            if (grandchild == 0) {
                CHECK(copied[0] == 'c' && shared[1] == 'c' && plain[0] == 'c' && mixed[1] == 'c');
                CHECK(reader[PAGE_SIZE] == 'c' && wired[PAGE_SIZE] == 'c');
                shared[2] = mixed[2] = 'g';
                _exit(0);
            }
            ends_well(grandchild);
            CHECK(shared[2] == 'g' && mixed[2] == 'g');
            vm_offset_t read;
            mach_msg_type_number_t count;
            OK(vm_read(SELF, (vm_address_t)plain, SIZE, &read, &count));
            CHECK(count == SIZE && *(char *)read == 'c' && ((char *)read)[SIZE - 1] == 'p');
            OK(vm_deallocate(SELF, (vm_address_t)shared, SIZE));
            OK(vm_deallocate(SELF, (vm_address_t)mixed, SIZE));
            vm_address_t fresh = (vm_address_t)mixed;
            OK(vm_allocate(SELF, &fresh, SIZE, FALSE));
            CHECK(*(char *)fresh == 0);
            *(char *)fresh = 'x';
            _exit(0);
        }
        ends_well(child);
        /* What is shared is as the family left it, and there for as long as one of them has it. */
        char now = (char)('0' + round);
        CHECK(shared[0] == now && shared[1] == 'c' && shared[2] == 'g');
        CHECK(mixed[0] == now && mixed[1] == 'c' && mixed[2] == 'g' && mixed[2 * PAGE_SIZE] == now);
        CHECK(plain[0] == now && wired[PAGE_SIZE] == now && reader[PAGE_SIZE] == 'r');
        shared[1] = shared[2] = mixed[1] = mixed[2] = '.';
    }

    /* Memory that was copied, for a child or into a message, is shared when it is to be. */
    OK(vm_inherit(SELF, (vm_address_t)family, SIZE, VM_INHERIT_SHARE));
    family[0] = 'F';
    pid_t child = fork();
    if (child == 0) {
        CHECK(family[0] == 'F' && family[SIZE - 1] == 'f');
        family[1] = 'C';
        _exit(0);
    }
    ends_well(child);
    CHECK(family[0] == 'F' && family[1] == 'C');

    /* A child goes on when its parent is gone. */
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    child = fork();
    if (child == 0) {
        pid_t orphan = fork();
        if (orphan == 0) {
            char said = 1;
            CHECK(read(pipes[0], &said, 1) == 1);
            if (plain[SIZE - 1] == 'p' && shared[0] == '2' && copied[SIZE - 1] == 'o')
                family[2] = 'O';
            _exit(0);
        }
        _exit(0);
    }
    ends_well(child);
    CHECK(write(pipes[1], "!", 1) == 1);
    for (int tries = 0; ((volatile char *)family)[2] != 'O'; tries++) {
        CHECK(tries < SOON);
        usleep(1000);
    }
    return 0;
}
