/* A task that has no descriptors left, or may write no long files, is told so, and reads all of its memory when it may again. */
#include "check.h"

#include <fcntl.h>
#include <sys/resource.h>

#define BYTES ((vm_size_t)4 << 20)
#define FILES 64

static int taken[FILES];
static int count;

static void take_all_but(int left) {
    int fd;
    while (count < FILES && (fd = open("/dev/null", O_RDONLY)) >= 0)
        taken[count++] = fd;
    CHECK(count < FILES && count >= left);
    for (int n = 0; n < left; n++)
        close(taken[--count]);
}

static void give_back(void) {
    while (count > 0)
        close(taken[--count]);
}

/* What is read, or the code for having no descriptors, or no long file. */
static int tries_to_read(char *memory) {
    vm_offset_t copy;
    mach_msg_type_number_t read;
    kern_return_t code = vm_read(SELF, (vm_address_t)memory, BYTES, &copy, &read);
    if (code == KERN_RESOURCE_SHORTAGE)
        return 0;
    OK(code);
    IS(read, BYTES);
    IS(memcmp((char *)copy, memory, BYTES), 0);
    OK(vm_deallocate(SELF, copy, BYTES));
    return 1;
}

static void writes_no_long_file(void) {
    struct rlimit before, limit;
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, BYTES, TRUE));
    char *memory = (char *)address;
    memset(memory, 1, BYTES);
    CHECK(tries_to_read(memory));
    memset(memory, 2, BYTES);
    OK(getrlimit(RLIMIT_FSIZE, &before));
    limit = before;
    limit.rlim_cur = BYTES / 2;
    OK(setrlimit(RLIMIT_FSIZE, &limit));
    CHECK(!tries_to_read(memory));
    IS(memory[BYTES - 1], 2);
    /* Nor is it sent, and the port is as it was. */
    mach_port_t port = new_port();
    add_send_right(port);
    struct {
        mach_msg_header_t header;
        mach_msg_type_long_t type;
        char *data;
    } m;
    memset(&m, 0, sizeof m);
    m.header = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 1);
    m.data = memory;
    m.header.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.type.msgtl_header.msgt_longform = TRUE;
    m.type.msgtl_name = MACH_MSG_TYPE_BYTE;
    m.type.msgtl_size = 8;
    m.type.msgtl_number = BYTES;
    IS(send(&m.header), MACH_SEND_NO_BUFFER);
    OK(setrlimit(RLIMIT_FSIZE, &before));
    CHECK(tries_to_read(memory));
    OK(vm_deallocate(SELF, address, BYTES));
}

int main(void) {
    writes_no_long_file();
    struct rlimit limit = {FILES, FILES};
    OK(setrlimit(RLIMIT_NOFILE, &limit));
    for (int left = 0; left < 6; left++) {
        vm_address_t address = 0;
        OK(vm_allocate(SELF, &address, BYTES, TRUE));
        char *memory = (char *)address;
        memset(memory, 1, BYTES);
        take_all_but(left);
        tries_to_read(memory);
        memory[left] = 2;
        tries_to_read(memory);
        vm_address_t other = 0;
        kern_return_t code = vm_allocate(SELF, &other, BYTES, TRUE);
        CHECK(code == 0 || code == KERN_RESOURCE_SHORTAGE);
        give_back();
        memory[BYTES - 1] = 3;
        CHECK(tries_to_read(memory));
        vm_offset_t space;
        vm_size_t size;
        mach_port_array_t objects;
        mach_msg_type_number_t objects_count;
        OK(vm_read_space(SELF, &space, &size, &objects, &objects_count));
        CHECK(size > BYTES);
        OK(vm_deallocate(SELF, space, size));
        OK(vm_deallocate(SELF, address, BYTES));
        if (code == 0)
            OK(vm_deallocate(SELF, other, BYTES));
    }
    return 0;
}
