/* What a program does by itself to memory of vm_allocate: the node finds out, and touches nothing of the program's own. */
#define _GNU_SOURCE
#include "behind.h"

static char *allocated(vm_size_t size) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, size, TRUE));
    memset((char *)address, 'n', size);
    return (char *)address;
}

static kern_return_t read_all(char *from, vm_size_t size) {
    vm_offset_t copy = 0;
    mach_msg_type_number_t count = 0;
    kern_return_t code = vm_read(SELF, (vm_address_t)from, size, &copy, &count);
    if (code == KERN_SUCCESS) {
        CHECK(count == size && all_are((char *)copy, size, 'n'));
        OK(vm_deallocate(SELF, copy, size));
    }
    return code;
}

/* Frozen or not, a hole is a hole, and what is in it is the program's. */
static void a_hole(vm_size_t size, int frozen) {
    char *memory = allocated(size), *hole = memory + 2 * P;
    vm_size_t len = size / 4;
    if (frozen)
        OK(read_all(memory, size));
    CHECK(munmap(hole, len) == 0);
    IS(read_all(memory, size), KERN_INVALID_ADDRESS);
    OK(read_all(memory, P));
    char *bytes = calloc(2, P);
    CHECK(bytes != NULL);
    IS(vm_write(SELF, (vm_address_t)hole, (vm_offset_t)bytes, 2 * P), KERN_INVALID_ADDRESS);
    IS(vm_copy(SELF, (vm_address_t)memory, P, (vm_address_t)hole), KERN_INVALID_ADDRESS);

    char *own = own_at(hole, len);
    IS(read_all(memory, size), KERN_INVALID_ADDRESS);
    IS(read_all(hole, P), KERN_INVALID_ADDRESS);
    IS(vm_write(SELF, (vm_address_t)hole, (vm_offset_t)bytes, 2 * P), KERN_INVALID_ADDRESS);
    OK(vm_protect(SELF, (vm_address_t)memory, size, FALSE, VM_PROT_READ));
    OK(vm_protect(SELF, (vm_address_t)memory, size, FALSE, VM_PROT_READ | VM_PROT_WRITE));
    OK(read_all(memory, P));
    CHECK(put_at(own, 'm') == 0);
    /* A child has it as any memory of the program's. */
    pid_t child = fork();
    if (child == 0)
        _exit(all_are(own, len, 'm') ? 0 : 1);
    ends_well(child);

    /* The rest goes, this stays, and nothing is mapped over it. */
    kern_return_t code = vm_deallocate(SELF, (vm_address_t)memory, size);
    IS(code, KERN_MEMORY_PRESENT);
    CHECK(byte_at(memory) == -SIGSEGV && byte_at(hole + len) == -SIGSEGV);
    for (int i = 0; i < 8; i++)
        allocated(size);
    vm_address_t wanted = (vm_address_t)hole;
    CHECK(vm_allocate(SELF, &wanted, P, FALSE) != KERN_SUCCESS);
    CHECK(all_are(own, len, 'm'));
    CHECK(munmap(own, len) == 0);
    free(bytes);
}

/* Where nothing came to lie the addresses are used again, for zeroes. */
static void a_hole_that_stays_one(void) {
    char *memory = allocated(16 * P);
    CHECK(munmap(memory + P, 4 * P) == 0);
    OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
    vm_address_t wanted = (vm_address_t)memory;
    OK(vm_allocate(SELF, &wanted, 16 * P, FALSE));
    CHECK(all_are(memory, 16 * P, 0));
    OK(vm_deallocate(SELF, wanted, 16 * P));
    CHECK(byte_at(memory + P) == -SIGSEGV);
}

/* Something of the program's where nothing was allocated yet. */
static void in_the_way(void) {
    char *memory = allocated(16 * P);
    OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
    CHECK(munmap(memory, 16 * P) == 0); /* it is not the program's any more */
    char *own = own_at(memory + P, P);
    vm_address_t wanted = (vm_address_t)memory;
    CHECK(vm_allocate(SELF, &wanted, 16 * P, FALSE) != KERN_SUCCESS);
    CHECK(all_are(own, P, 'm'));
    for (int i = 0; i < 4; i++)
        allocated(16 * P);
    CHECK(all_are(own, P, 'm') && munmap(own, P) == 0);
}

static void moved(int frozen) {
    vm_size_t size = 64 * P;
    char *memory = allocated(size);
    if (frozen)
        OK(read_all(memory, size));
    char *at = mremap(memory, size, 2 * size, MREMAP_MAYMOVE);
    CHECK(at != MAP_FAILED && at != memory);
    CHECK(all_are(at, size, 'n'));
    /* It has no more than it had. */
    CHECK(byte_at(at + size) == -SIGBUS && byte_at(at + 2 * size - 1) == -SIGBUS);
    IS(read_all(memory, size), KERN_INVALID_ADDRESS);
    OK(vm_deallocate(SELF, (vm_address_t)memory, size));
    CHECK(all_are(at, size, 'n') && byte_at(memory) == -SIGSEGV);
    CHECK(munmap(at, 2 * size) == 0);
}

static void advised(void) {
    vm_size_t size = 64 * P;
    char *memory = allocated(size);
    CHECK(madvise(memory, size, MADV_DONTNEED) == 0);
    CHECK(all_are(memory, size, 'n'));
    OK(read_all(memory, size));
    memory[5] = 'w';
    /* What it had written since it was copied it gives up. */
    CHECK(madvise(memory, P, MADV_DONTNEED) == 0);
    OK(read_all(memory, size));
    /* Nobody can take anything out of what was copied. */
    CHECK(madvise(memory, P, MADV_REMOVE) != 0);
    OK(read_all(memory, size));
    CHECK(mprotect(memory, P, PROT_NONE) == 0);
    IS(read_all(memory, P), KERN_MEMORY_ERROR);
    CHECK(mprotect(memory, P, PROT_READ | PROT_WRITE) == 0);
    OK(read_all(memory, size));
    OK(vm_deallocate(SELF, (vm_address_t)memory, size));
}

int main(void) {
    catch_faults();
    for (int frozen = 0; frozen < 2; frozen++) {
        a_hole(16 * P, frozen);
        a_hole(256 * P, frozen);
        moved(frozen);
    }
    a_hole_that_stays_one();
    in_the_way();
    advised();
    return 0;
}
