/* What a program does by itself to a mapped object. The object "letters" has 16 pages, of one letter each. */
#define _GNU_SOURCE
#include <pthread.h>

#include "behind.h"

#define RW (VM_PROT_READ | VM_PROT_WRITE)

static mach_port_t object;

static char *mapped(vm_prot_t current, vm_prot_t most) {
    vm_address_t address = 0;
    OK(vm_map(SELF, &address, 16 * P, 0, TRUE, object, 0, FALSE, current, most, VM_INHERIT_NONE));
    return (char *)address;
}

static char letter(int page) {
    return (char)('a' + page);
}

static void unmapped(char *other) {
    char *memory = mapped(RW, RW);
    CHECK(byte_at(memory) == 'a' && put_at(memory + P, 'U') == 0);
    CHECK(munmap(memory, 2 * P) == 0);
    vm_address_t region = (vm_address_t)memory;
    CHECK(region_at(&region) == 14 * P && region == (vm_address_t)memory + 2 * P);
    CHECK(byte_at(memory) == -SIGSEGV && byte_at(memory + 2 * P) == letter(2));
    CHECK(byte_at(other + P) == 'U');
    /* Replaced, it is the program's. */
    char *own = mmap(memory + 4 * P, P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(own == memory + 4 * P);
    memset(own, 'm', P);
    CHECK(region_at(&region) == 2 * P);
    OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
    CHECK(all_are(own, P, 'm') && byte_at(memory + 5 * P) == -SIGSEGV && byte_at(memory) == -SIGSEGV);
    CHECK(byte_at(other + 4 * P) == letter(4));
    CHECK(munmap(own, P) == 0);
}

/* What may only be read is mapped in another way, and what is written there is the program's own. */
static void moved_by_a_reader(void) {
    char *memory = mapped(VM_PROT_READ, VM_PROT_READ);
    CHECK(byte_at(memory + 5 * P) == letter(5));
    char *at = mremap(memory + 5 * P, P, 2 * P, MREMAP_MAYMOVE);
    CHECK(at != MAP_FAILED && byte_at(at) == letter(5) && put_at(at, 'x') == SIGSEGV);
    CHECK(byte_at(at + P) == -SIGBUS && byte_at(memory + 6 * P) == letter(6) && byte_at(memory + 5 * P) == -SIGSEGV);
    CHECK(munmap(at, 2 * P) == 0);
    OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
}

static void moved(char *other) {
    char *memory = mapped(RW, RW);
    CHECK(put_at(memory + 2 * P, 'V') == 0 && byte_at(memory + 3 * P) == letter(3));
    char *at = mremap(memory + 2 * P, 2 * P, 8 * P, MREMAP_MAYMOVE);
    CHECK(at != MAP_FAILED);
    vm_address_t region = (vm_address_t)memory;
    CHECK(region_at(&region) == 2 * P);
    region += 2 * P;
    CHECK(region_at(&region) == 12 * P && region == (vm_address_t)memory + 4 * P);
    CHECK(byte_at(other + 2 * P) == 'V');
    /* What came along is as the object is; what did not never comes. */
    CHECK(byte_at(at) == 'V' && put_at(other + 2 * P + 1, 'v') == 0 && byte_at(at + 1) == 'v');
    CHECK(byte_at(at + P) == letter(3));
    for (int page = 2; page < 8; page++)
        CHECK(byte_at(at + page * P) == -SIGBUS);
    CHECK(byte_at(memory + P) == 'U' && byte_at(memory + 4 * P) == letter(4));
    CHECK(byte_at(other + 2 * P) == 'V' && byte_at(other + 3 * P) == letter(3));
    CHECK(munmap(at, 8 * P) == 0);
    /* Without a copy of its own, and so without a page. */
    char *second = mremap(memory + 4 * P, 0, 2 * P, MREMAP_MAYMOVE);
    CHECK(second != MAP_FAILED && byte_at(second) == -SIGBUS && put_at(second + P, 'x') == SIGBUS);
    CHECK(byte_at(memory + 4 * P) == letter(4) && munmap(second, 2 * P) == 0);
    OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
}

static void advised(char *other) {
    char *memory = mapped(RW, RW);
    CHECK(byte_at(memory + 6 * P) == letter(6) && put_at(memory + 7 * P, 'W') == 0);
    CHECK(madvise(memory + 6 * P, 2 * P, MADV_DONTNEED) == 0);
    CHECK(byte_at(memory + 6 * P) == letter(6) && byte_at(memory + 7 * P) == 'W');
    CHECK(put_at(memory + 7 * P + 1, 'X') == 0 && byte_at(other + 7 * P + 1) == 'X');
    /* A writer's zeroes are seen by all, and go to the pager. */
    CHECK(put_at(memory + 8 * P, 'Y') == 0 && byte_at(other + 8 * P) == 'Y');
    CHECK(madvise(memory + 8 * P, P, MADV_REMOVE) == 0);
    CHECK(all_are(other + 8 * P, P, 0) && all_are(memory + 8 * P, P, 0));
    CHECK(put_at(memory + 8 * P + 1, 'Z') == 0 && byte_at(other + 8 * P + 1) == 'Z');
    CHECK(put_at(memory + 9 * P, 'Y') == 0 && madvise(memory + 9 * P, P, MADV_REMOVE) == 0);
    OK(vm_msync(SELF, (vm_address_t)memory, 16 * P, VM_SYNC_SYNCHRONOUS));
    CHECK(byte_at(memory + 9 * P) == 0);
    OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
}

static void protected(char *other) {
    /* Raised by the program itself, it is lowered again. */
    char *memory = mapped(VM_PROT_READ, RW);
    CHECK(byte_at(memory + 10 * P) == letter(10));
    CHECK(mprotect(memory + 10 * P, 2 * P, PROT_READ | PROT_WRITE) == 0);
    CHECK(put_at(memory + 10 * P, 'x') == SIGSEGV && put_at(memory + 11 * P, 'x') == SIGSEGV);
    CHECK(put_at(other + 12 * P, 'w') == 0 && byte_at(memory + 12 * P) == 'w');
    CHECK(mprotect(memory + 12 * P, P, PROT_READ | PROT_WRITE) == 0);
    CHECK(put_at(memory + 12 * P, 'x') == SIGSEGV && byte_at(memory + 12 * P) == 'w');
    OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
    /* Who may never write gets a copy that nobody else sees. */
    memory = mapped(VM_PROT_READ, VM_PROT_READ);
    CHECK(mprotect(memory + 10 * P, P, PROT_READ | PROT_WRITE) == 0);
    CHECK(put_at(memory + 10 * P, 'x') == 0 && byte_at(memory + 10 * P) == 'x');
    CHECK(byte_at(other + 10 * P) == letter(10));
    /* Less is the program's own affair. */
    CHECK(mprotect(memory + 11 * P, P, PROT_NONE) == 0 && byte_at(memory + 11 * P) == -SIGSEGV);
    OK(vm_protect(SELF, (vm_address_t)memory + 11 * P, P, FALSE, VM_PROT_NONE));
    OK(vm_protect(SELF, (vm_address_t)memory + 11 * P, P, FALSE, VM_PROT_READ));
    CHECK(byte_at(memory + 11 * P) == letter(11));
    OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
}

/* Threads that read, map and unmap while another changes its own memory without end. */
static volatile int over;

static void *changes(void *nothing) {
    while (!over) {
        char *memory = mapped(RW, RW);
        CHECK(munmap(memory + 8 * P, 2 * P) == 0);
        /* In one piece it cannot be moved, and what is moved is lost. */
        char *at = mremap(memory, 2 * P, 4 * P, MREMAP_MAYMOVE);
        CHECK(at != MAP_FAILED && munmap(at, 4 * P) == 0);
        OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
    }
    return nothing;
}

static void all_at_once(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, changes, NULL) == 0);
    for (int round = 0; round < 200; round++) {
        char *memory = mapped(RW, RW);
        for (int page = 13; page < 16; page++)
            CHECK(*(volatile char *)(memory + page * P) == (page == 15 && round > 0 ? (char)(round - 1) : letter(page)));
        *(volatile char *)(memory + 15 * P) = (char)round;
        OK(vm_deallocate(SELF, (vm_address_t)memory, 16 * P));
    }
    over = 1;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(void) {
    catch_faults();
    OK(netname_look_up(name_server_port, "*", "letters", &object));
    char *other = mapped(RW, RW);
    unmapped(other);
    moved(other);
    moved_by_a_reader();
    advised(other);
    protected(other);
    OK(vm_deallocate(SELF, (vm_address_t)other, 16 * P));
    vm_address_t none = 0;
    CHECK(region_at(&none) == 0);
    all_at_once();
    return 0;
}
