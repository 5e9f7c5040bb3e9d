/* The smaller calls of virtual memory: attributes of ranges, counts, wiring, and what is refused. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/resource.h>

#include <mach/mig_errors.h>

#include "check.h"

#define MEBI ((vm_size_t)1 << 20)

static vm_inherit_t inheritance_at(vm_address_t address, vm_size_t *size) {
    vm_prot_t now, most;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t object;
    vm_offset_t offset;
    vm_address_t found = address;
    OK(vm_region(SELF, &found, size, &now, &most, &inheritance, &shared, &object, &offset));
    IS(found, address);
    return inheritance;
}

static void inheritance(void) {
    vm_address_t address = 0;
    vm_size_t size;
    OK(vm_allocate(SELF, &address, 3 * PAGE_SIZE, TRUE));
    IS(inheritance_at(address, &size), VM_INHERIT_COPY);
    IS(size, 3 * PAGE_SIZE);
    OK(vm_inherit(SELF, address + PAGE_SIZE + 5, 1, VM_INHERIT_SHARE));
    IS(inheritance_at(address, &size), VM_INHERIT_COPY);
    IS(size, PAGE_SIZE);
    IS(inheritance_at(address + PAGE_SIZE, &size), VM_INHERIT_SHARE);
    IS(vm_inherit(SELF, address, 3 * PAGE_SIZE, 3), KERN_INVALID_ARGUMENT);
    IS(vm_inherit(SELF, address, 0 - address, VM_INHERIT_NONE), KERN_INVALID_ARGUMENT);
    OK(vm_inherit(SELF, address, 0, VM_INHERIT_NONE));
    OK(vm_inherit(SELF, address, 9 * PAGE_SIZE, VM_INHERIT_NONE));
    IS(inheritance_at(address + 2 * PAGE_SIZE, &size), VM_INHERIT_NONE);
    OK(vm_deallocate(SELF, address, 3 * PAGE_SIZE));

    /* Linux's own memory: a child has a copy of it, or nothing. */
    static char page[4 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
    OK(vm_inherit(SELF, (vm_address_t)page, PAGE_SIZE, VM_INHERIT_NONE));
    IS(vm_inherit(SELF, (vm_address_t)page, PAGE_SIZE, VM_INHERIT_SHARE), KERN_FAILURE);
    pid_t child = fork();
    if (child == 0) {
        page[PAGE_SIZE] = 1;
        page[0] = 1;
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    OK(vm_inherit(SELF, (vm_address_t)page, PAGE_SIZE, VM_INHERIT_COPY));
    child = fork();
    if (child == 0) {
        page[0] = 1;
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    IS(page[0], 0);
}

static unsigned wired(void) {
    vm_statistics_data_t counts;
    OK(vm_statistics(SELF, &counts));
    return (unsigned)counts.wire_count;
}

static void counting(void) {
    vm_statistics_data_t counts;
    memset(&counts, 0x5a, sizeof counts);
    OK(vm_statistics(SELF, &counts));
    IS(counts.pagesize, PAGE_SIZE);
    CHECK(counts.free_count > 0);
    CHECK(counts.inactive_count < 0x5a5a5a5a && counts.reactivations <= counts.faults);
    IS(counts.cow_faults, 0);
    CHECK(counts.hits <= counts.lookups);
    IS(vm_statistics(SELF, NULL), KERN_INVALID_ARGUMENT);
    CHECK(vm_statistics(0x7777, &counts) != KERN_SUCCESS);
}

/* Bytes that Linux keeps in memory for this process. */
static vm_size_t locked(void) {
    char line[256];
    unsigned long kibi = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmLck: %lu kB", &kibi) == 1)
            break;
    fclose(status);
    return kibi * 1024;
}

static int may_lock(vm_size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    int may = mlock2(memory, bytes, MLOCK_ONFAULT) == 0;
    CHECK(munmap(memory, bytes) == 0);
    return may;
}

/* What Linux lets a process lock may be less than what the node lets a task wire. */
static void wiring_little(void) {
    mach_port_t host = mach_host_self();
    vm_address_t address = 0;
    unsigned before = wired();
    OK(vm_allocate(SELF, &address, 16 * PAGE_SIZE, TRUE));
    OK(vm_wire(host, SELF, address, 16 * PAGE_SIZE, VM_PROT_READ));
    IS(locked(), 16 * PAGE_SIZE);
    OK(vm_wire(host, SELF, address + 4 * PAGE_SIZE, PAGE_SIZE, VM_PROT_NONE));
    IS(locked(), 15 * PAGE_SIZE);
    IS(wired(), before + 15);
    OK(vm_deallocate(SELF, address, 8 * PAGE_SIZE));
    IS(locked(), 8 * PAGE_SIZE);
    OK(vm_deallocate(SELF, address, 16 * PAGE_SIZE));
    IS(locked(), 0);
    IS(wired(), before);

    /* Memory that was copied before, and is copied again once it was written to. */
    vm_offset_t copy;
    mach_msg_type_number_t count;
    OK(vm_allocate(SELF, &address, 64 * PAGE_SIZE, TRUE));
    memset((char *)address, 1, 64 * PAGE_SIZE);
    for (int round = 0; round < 3; round++) {
        OK(vm_read(SELF, address, 64 * PAGE_SIZE, &copy, &count));
        OK(vm_deallocate(SELF, copy, count));
        OK(vm_wire(host, SELF, address, 16 * PAGE_SIZE, VM_PROT_READ));
        IS(locked(), 16 * PAGE_SIZE);
        memset((char *)address, round, 20 * PAGE_SIZE);
    }
    OK(vm_deallocate(SELF, address, 64 * PAGE_SIZE));
    IS(locked(), 0);

    /* A child that may lock nothing: refused by Linux, and not wired. */
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        CHECK(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
        OK(vm_allocate(SELF, &address, PAGE_SIZE, TRUE));
        kern_return_t code = vm_wire(mach_host_self(), SELF, address, PAGE_SIZE, VM_PROT_READ);
        if (code != KERN_SUCCESS || locked() != PAGE_SIZE)
            IS(code, KERN_RESOURCE_SHORTAGE);
        IS(wired(), before + (code == KERN_SUCCESS));
        _exit(0);
    }
    ends_well(child);
}

static void wiring(void) {
    mach_port_t host = mach_host_self();
    vm_address_t address = 0;
    unsigned before = wired();
    OK(vm_allocate(SELF, &address, 10 * MEBI, TRUE));
    OK(vm_wire(host, SELF, address + 1, PAGE_SIZE, VM_PROT_READ | VM_PROT_WRITE));
    IS(wired(), before + 2);
    IS(vm_wire(host, SELF, address, 9 * MEBI, VM_PROT_READ), KERN_NO_ACCESS);
    IS(vm_wire(host, SELF, address, PAGE_SIZE, VM_PROT_ALL), KERN_NO_SPACE);
    IS(vm_wire(host, SELF, address, PAGE_SIZE, 8), KERN_INVALID_ARGUMENT);
    IS(vm_wire(host, host, address, PAGE_SIZE, VM_PROT_READ), KERN_INVALID_TASK);
    OK(vm_wire(host, SELF, address, 8 * MEBI, VM_PROT_READ));
    IS(wired(), before + 8 * MEBI / PAGE_SIZE);
    OK(vm_wire(host, SELF, address, 10 * MEBI, VM_PROT_NONE));
    IS(wired(), before);
    IS(vm_wire_all(host, SELF, VM_WIRE_CURRENT), KERN_NO_ACCESS);
    OK(vm_deallocate(SELF, address, 9 * MEBI));
    OK(vm_wire_all(host, SELF, VM_WIRE_CURRENT));
    CHECK(wired() >= before + MEBI / PAGE_SIZE);
    IS(vm_wire_all(host, SELF, VM_WIRE_FUTURE), KERN_NO_ACCESS);
    IS(vm_wire_all(host, SELF, 4), KERN_INVALID_ARGUMENT);
    OK(vm_wire_all(host, SELF, VM_WIRE_NONE));
    IS(wired(), before);
    IS(vm_wire(SELF, SELF, address + 9 * MEBI, PAGE_SIZE, VM_PROT_READ), MIG_BAD_ID);
    OK(vm_deallocate(SELF, address + 9 * MEBI, MEBI));
    IS(vm_wire(host, SELF, address + 9 * MEBI, PAGE_SIZE, VM_PROT_READ), KERN_NO_SPACE);
}

static void refused(void) {
    mach_port_t host = mach_host_self();
    vm_address_t address = ~(vm_address_t)0; /* with `anywhere` it says nothing */
    rpc_phys_addr_t place, *places;
    mach_msg_type_number_t count;
    vm_machine_attribute_val_t value = MATTR_VAL_GET;
    OK(vm_allocate(SELF, &address, PAGE_SIZE, TRUE));
    IS(vm_machine_attribute(SELF, address, PAGE_SIZE, MATTR_CACHE, &value), KERN_INVALID_ADDRESS);
    IS(vm_machine_attribute(SELF, 0, PAGE_SIZE, MATTR_CACHE, &value), KERN_INVALID_ARGUMENT);
    IS(value, MATTR_VAL_GET);
    IS(vm_pages_phys(host, SELF, address, PAGE_SIZE, &places, &count), KERN_NO_ACCESS);
    IS(vm_allocate_contiguous(host, SELF, &address, &place, PAGE_SIZE, 0, 0, 0), KERN_RESOURCE_SHORTAGE);
    IS(vm_allocate_contiguous(host, SELF, &address, &place, 0, 0, 0, 0), KERN_INVALID_ARGUMENT);
    IS(vm_msync(SELF, address, PAGE_SIZE, VM_SYNC_ASYNCHRONOUS | VM_SYNC_SYNCHRONOUS), KERN_INVALID_ARGUMENT);
    OK(vm_msync(SELF, address, PAGE_SIZE, VM_SYNC_SYNCHRONOUS));

    /* Where there is no memory to be had. */
    vm_address_t at = 0;
    IS(vm_allocate(SELF, &at, PAGE_SIZE, FALSE), KERN_INVALID_ADDRESS);
    at = 1ul << 48;
    IS(vm_allocate(SELF, &at, PAGE_SIZE, FALSE), KERN_INVALID_ADDRESS);
    at = -PAGE_SIZE;
    IS(vm_allocate(SELF, &at, PAGE_SIZE, FALSE), KERN_INVALID_ARGUMENT);
    at = address;
    IS(vm_allocate(SELF, &at, -at, FALSE), KERN_INVALID_ARGUMENT);
    IS(vm_allocate(SELF, &at, PAGE_SIZE, FALSE), KERN_NO_SPACE);
    IS(vm_allocate(SELF, &at, -1ul, TRUE), KERN_NO_SPACE);

    /* A processor may read what can be written. */
    OK(vm_protect(SELF, address, PAGE_SIZE, FALSE, VM_PROT_WRITE));
    IS(vm_read(SELF, address, 1, &at, &count), KERN_PROTECTION_FAILURE);
    OK(vm_protect(SELF, address, PAGE_SIZE, FALSE, VM_PROT_DEFAULT));

    /* Mappings that mean nothing. */
    at = 0;
    IS(vm_read(SELF, address, -1ul, &at, &count), KERN_INVALID_ARGUMENT);
    IS(vm_read(SELF, -PAGE_SIZE, PAGE_SIZE, &at, &count), KERN_INVALID_ARGUMENT);
    OK(vm_allocate(SELF, &at, PAGE_SIZE, TRUE));
    *(char *)at = 7;
    IS(vm_deallocate(SELF, at, 1ul << 63), KERN_INVALID_ADDRESS);
    IS(*(char *)at, 7);
    OK(vm_deallocate(SELF, at, PAGE_SIZE));
    IS(vm_map(SELF, &at, 0, 0, TRUE, MACH_PORT_NULL, 0, FALSE, 1, 1, 1), KERN_INVALID_ARGUMENT);
    IS(vm_map(SELF, &at, 1, 0, TRUE, MACH_PORT_NULL, 0, FALSE, 1, 1, 3), KERN_INVALID_ARGUMENT);
    IS(vm_map(SELF, &at, 1, 0, TRUE, MACH_PORT_NULL, 0, FALSE, 3, 1, 1), KERN_INVALID_ARGUMENT);
    IS(vm_map(SELF, &at, 1, 0, TRUE, MACH_PORT_NULL, 0, FALSE, 8, 8, 1), KERN_INVALID_ARGUMENT);
    IS(vm_map(SELF, &at, 1, 0, TRUE, SELF, 0, FALSE, 1, 1, 1), KERN_INVALID_ARGUMENT);
    OK(vm_map(SELF, &at, 1, 0xffff, TRUE, MACH_PORT_NULL, 123, TRUE, 3, 7, 2));
    IS(at % 0x10000, 0);
    IS(*(char *)at, 0);
    OK(vm_deallocate(SELF, at, 1));
    OK(vm_deallocate(SELF, address, PAGE_SIZE));
}

int main(void) {
    inheritance();
    counting();
    wiring_little();
    if (may_lock(8 * MEBI))
        wiring();
    refused();
    return 0;
}
