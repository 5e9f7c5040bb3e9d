/* Memory of the node's that a forked child has not: touching it ends the child, and shows it nothing. */
#include "check.h"

#define MEBI ((vm_size_t)1 << 20)

/* Whether a child that touches a byte there lives. */
static int child_has(volatile char *byte) {
    pid_t child = fork();
    if (child == 0) {
        (void)*byte;
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0 || WIFSIGNALED(status));
    return status == 0;
}

int main(void) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, MEBI, TRUE));
    char *memory = (char *)address;
    memset(memory, 'p', MEBI);
    CHECK(child_has(memory));
    OK(vm_inherit(SELF, address + PAGE_SIZE, PAGE_SIZE, VM_INHERIT_NONE));
    CHECK(child_has(memory) && !child_has(memory + PAGE_SIZE) && child_has(memory + 2 * PAGE_SIZE));
    CHECK(memory[PAGE_SIZE] == 'p');
    OK(vm_inherit(SELF, address, MEBI, VM_INHERIT_COPY));
    CHECK(child_has(memory + PAGE_SIZE));

    OK(vm_inherit(SELF, address, MEBI, VM_INHERIT_SHARE));
    CHECK(child_has(memory) && *memory == 'p');
    vm_offset_t copy;
    mach_msg_type_number_t count;
    OK(vm_read(SELF, address, MEBI, &copy, &count));
    CHECK(child_has((char *)copy));

    /* A hole stays one. */
    OK(vm_deallocate(SELF, copy, count));
    CHECK(!child_has((char *)copy));
    return 0;
}
