/* Memory of the node's in messages and calls: copied by copy-on-write, written to by both, given away. */
#include "check.h"

#define MEBI ((vm_size_t)1 << 20)

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t type;
    char *data;
} memory_message;

static mach_port_t port;

static memory_message message_of(char *data, unsigned bytes, int deallocate) {
    memory_message m;
    memset(&m, 0, sizeof m);
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 9);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.type = type_of(MACH_MSG_TYPE_BYTE, 8, bytes, FALSE, deallocate);
    m.data = data;
    return m;
}

static char *region_of(vm_size_t bytes) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, bytes, TRUE));
    for (vm_size_t i = 0; i < bytes; i++)
        ((char *)address)[i] = (char)(i * 7 + i / 251);
    return (char *)address;
}

static int is_as_made(const char *data, vm_size_t bytes) {
    for (vm_size_t i = 0; i < bytes; i++)
        if (data[i] != (char)(i * 7 + i / 251))
            return 0;
    return 1;
}

/* Whether the node has mapped something at an address. */
static int is_the_nodes(char *data) {
    vm_address_t at = (vm_address_t)data;
    vm_size_t size;
    vm_prot_t now, most;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t object;
    vm_offset_t offset;
    kern_return_t code = vm_region(SELF, &at, &size, &now, &most, &inheritance, &shared, &object, &offset);
    return code == KERN_SUCCESS && at <= (vm_address_t)data;
}

static void there_and_back(int deallocate) {
    char *data = region_of(4 * MEBI);
    for (int round = 0; round < 3; round++) {
        memory_message m = message_of(data, 4 * MEBI, deallocate);
        OK(send(&m.head));
        if (deallocate)
            CHECK(!is_the_nodes(data));
        else
            memset(data + MEBI, round, MEBI); /* the message has a copy */
        OK(receive(&m.head, sizeof m, port));
        CHECK(m.type.msgt_deallocate && m.type.msgt_number == 4 * MEBI);
        CHECK(is_the_nodes(m.data) && is_as_made(m.data, 4 * MEBI));
        memset(m.data, 99, MEBI); /* and what came is the receiver's */
        if (deallocate) {
            data = m.data;
            for (vm_size_t i = 0; i < MEBI; i++)
                data[i] = (char)(i * 7 + i / 251);
        } else {
            CHECK(is_as_made(data, MEBI) && data[MEBI] == (char)round);
            for (vm_size_t i = MEBI; i < 2 * MEBI; i++)
                data[i] = (char)(i * 7 + i / 251);
            OK(vm_deallocate(SELF, (vm_address_t)m.data, 4 * MEBI));
            CHECK(!is_the_nodes(m.data));
        }
    }
    OK(vm_deallocate(SELF, (vm_address_t)data, 4 * MEBI));
}

static void calls(void) {
    char *data = region_of(4 * MEBI);
    vm_offset_t copy;
    mach_msg_type_number_t count;
    OK(vm_read(SELF, (vm_address_t)data, 4 * MEBI, &copy, &count));
    CHECK(count == 4 * MEBI && is_as_made((char *)copy, count));
    data[5] = 1;
    CHECK(is_as_made((char *)copy, count));
    OK(vm_write(SELF, (vm_address_t)data, copy, count));
    CHECK(is_as_made(data, 4 * MEBI));
    OK(vm_copy(SELF, (vm_address_t)data, 3 * MEBI, (vm_address_t)data + MEBI)); /* they overlap */
    CHECK(is_as_made(data, MEBI) && memcmp(data + MEBI, (char *)copy, 3 * MEBI) == 0);
    OK(vm_deallocate(SELF, copy, count));

    /* Any bytes can be read; whole pages are written. */
    OK(vm_read(SELF, (vm_address_t)data + 5, 7, &copy, &count));
    CHECK(count == 7 && memcmp((char *)copy, data + 5, 7) == 0);
    IS(vm_write(SELF, (vm_address_t)data, copy, 7), KERN_INVALID_ARGUMENT);
    OK(vm_deallocate(SELF, copy, count));
    OK(vm_read(SELF, (vm_address_t)data, 0, &copy, &count));
    IS(count, 0);
    IS(vm_read(SELF, (vm_address_t)data, 8 * MEBI, &copy, &count), KERN_INVALID_ADDRESS);
    OK(vm_protect(SELF, (vm_address_t)data, PAGE_SIZE, FALSE, VM_PROT_NONE));
    IS(vm_read(SELF, (vm_address_t)data, MEBI, &copy, &count), KERN_PROTECTION_FAILURE);
    IS(vm_copy(SELF, (vm_address_t)data + MEBI, PAGE_SIZE, (vm_address_t)data), KERN_PROTECTION_FAILURE);
    OK(vm_deallocate(SELF, (vm_address_t)data, 4 * MEBI));

    /* The program's own memory, which the node did not map. */
    static char page[PAGE_SIZE] = "its own";
    OK(vm_read(SELF, (vm_address_t)page, sizeof page, &copy, &count));
    CHECK(count == sizeof page && strcmp((char *)copy, "its own") == 0);
    OK(vm_deallocate(SELF, copy, count));
    IS(vm_read(SELF, 8, 8, &copy, &count), KERN_INVALID_ADDRESS);
}

int main(void) {
    port = new_port();
    OK(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND));
    there_and_back(FALSE);
    there_and_back(TRUE);
    calls();
    return 0;
}
