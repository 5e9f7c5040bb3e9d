/* Copies of a memory object, in the own task and in another, by vm_map. The node exports "object", which has "seven pages" at
 * the start of each of its seven pages. */
#include "check.h"

#include <servers/netname.h>

#define PAGES 7

static mach_port_t object_of(void) {
    mach_port_t object;
    OK(netname_look_up(name_server_port, "", "object", &object));
    return object;
}

static kern_return_t copy(task_t task, vm_address_t *at, int anywhere, vm_prot_t now, vm_prot_t most) {
    return vm_map(task, at, PAGES * PAGE_SIZE, 0, anywhere, object_of(), 0, TRUE, now, most, VM_INHERIT_COPY);
}

static unsigned regions_of(task_t task) {
    vm_address_t at = 0;
    vm_size_t size;
    vm_prot_t now, most;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t name;
    vm_offset_t offset;
    unsigned count = 0;
    for (; vm_region(task, &at, &size, &now, &most, &inheritance, &shared, &name, &offset) == KERN_SUCCESS; at += size)
        count++;
    return count;
}

static void in_the_own_task(void) {
    unsigned before = regions_of(SELF);
    vm_address_t at = 0, other = 0;
    OK(copy(SELF, &at, TRUE, VM_PROT_DEFAULT, VM_PROT_ALL));
    OK(copy(SELF, &other, TRUE, VM_PROT_READ, VM_PROT_READ));
    CHECK(regions_of(SELF) == before + 2);
    for (int page = 0; page < PAGES; page++)
        CHECK(strcmp((char *)at + page * PAGE_SIZE, "seven pages") == 0);
    strcpy((char *)at + PAGE_SIZE, "its own");
    CHECK(strcmp((char *)other + PAGE_SIZE, "seven pages") == 0);
    IS(vm_protect(SELF, other, PAGE_SIZE, FALSE, VM_PROT_DEFAULT), KERN_PROTECTION_FAILURE);
    vm_address_t taken = at;
    IS(copy(SELF, &taken, FALSE, VM_PROT_READ, VM_PROT_READ), KERN_NO_SPACE);
    IS(copy(SELF, &taken, TRUE, VM_PROT_DEFAULT, VM_PROT_READ), KERN_INVALID_ARGUMENT);
    IS(vm_map(SELF, &taken, PAGE_SIZE, 0, TRUE, object_of(), 5, TRUE, 1, 1, 1), KERN_INVALID_ARGUMENT);
    OK(vm_deallocate(SELF, at, PAGES * PAGE_SIZE));
    OK(copy(SELF, &taken, FALSE, VM_PROT_READ, VM_PROT_READ));
    CHECK(taken == at && strcmp((char *)at + PAGE_SIZE, "seven pages") == 0);
    OK(vm_deallocate(SELF, at, PAGES * PAGE_SIZE));
    OK(vm_deallocate(SELF, other, PAGES * PAGE_SIZE));
}

static void in_another_task(void) {
    int up[2], down[2];
    char byte;
    CHECK(pipe(up) == 0 && pipe(down) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(down[1]); /* or it would wait for itself */
        OK(netname_check_in(name_server_port, "child", SELF, SELF));
        CHECK(write(up[1], "x", 1) == 1);
        CHECK(read(down[0], &byte, 1) == 0);
        _exit(0);
    }
    CHECK(read(up[0], &byte, 1) == 1);
    task_t task;
    OK(netname_look_up(name_server_port, "", "child", &task));
    vm_address_t at = 0;
    OK(copy(task, &at, TRUE, VM_PROT_DEFAULT, VM_PROT_ALL));
    CHECK(regions_of(task) == 1);
    vm_offset_t data;
    mach_msg_type_number_t count;
    OK(vm_read(task, at + 3 * PAGE_SIZE, PAGE_SIZE, &data, &count));
    CHECK(count == PAGE_SIZE && strcmp((char *)data, "seven pages") == 0);
    OK(vm_deallocate(SELF, data, count));
    IS(copy(task, &at, FALSE, VM_PROT_READ, VM_PROT_READ), KERN_NO_SPACE);
    close(down[1]);
    ends_well(child);
}

int main(void) {
    in_the_own_task();
    in_another_task();
    return 0;
}
