/* Out-of-line memory: copied and given away, of any size, and refused where there is none. */
#include "check.h"

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t type;
    char *data;
    mach_msg_type_t number_type;
    int number;
    int pad;
} memory_message;

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t first_type;
    char *first;
    mach_msg_type_t second_type;
    char *second;
} pair_message;

static mach_port_t port;

static memory_message message_of(char *data, unsigned bytes, int deallocate) {
    memory_message m;
    memset(&m, 0, sizeof m);
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 9);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.type = type_of(MACH_MSG_TYPE_BYTE, 8, bytes, FALSE, deallocate);
    m.data = data;
    m.number_type = type_of(MACH_MSG_TYPE_INTEGER_32, 32, 1, TRUE, FALSE);
    m.number = 77;
    return m;
}

static int is_mapped(char *address) {
    /* A message of this memory can be sent if it is there. */
    memory_message m = message_of(address, 1, FALSE);
    mach_msg_return_t code = send(&m.head);
    if (code == MACH_SEND_INVALID_MEMORY)
        return 0;
    OK(code);
    OK(receive(&m.head, sizeof m, port));
    mach_msg_destroy(&m.head);
    return 1;
}

static void there_and_back(unsigned bytes) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, bytes + 100, TRUE));
    char *data = (char *)address + 100;
    for (unsigned i = 0; i < bytes; i++)
        data[i] = (char)(i * 7 + i / 251);

    memory_message m = message_of(data, bytes, FALSE);
    OK(send(&m.head));
    memset(data, 0, bytes); /* the message has a copy */
    OK(receive(&m.head, sizeof m, port));
    IS(m.type.msgt_number, bytes);
    IS(m.type.msgt_inline, FALSE);
    IS(m.number, 77);
    /* Elsewhere, at the same place of a page, with nothing of anybody else's before it or behind it. */
    CHECK(m.data != data && (vm_address_t)m.data % PAGE_SIZE == (vm_address_t)data % PAGE_SIZE);
    CHECK(m.data[-1] == 0 && m.data[-100] == 0);
    for (unsigned i = 0; i < bytes; i++)
        CHECK(m.data[i] == (char)(i * 7 + i / 251));
    CHECK(m.data[bytes] == 0);

    /* What came is sent on and given away. */
    char *first = m.data;
    memory_message n = message_of(m.data, bytes, TRUE);
    OK(send(&n.head));
    CHECK(!is_mapped(first));
    OK(receive(&n.head, sizeof n, port));
    CHECK(n.data[bytes - 1] == (char)((bytes - 1) * 7 + (bytes - 1) / 251));
    char *second = n.data;
    mach_msg_destroy(&n.head);
    CHECK(!is_mapped(second));
    OK(vm_deallocate(SELF, address, bytes + 100));
    CHECK(!is_mapped(data));
}

int main(void) {
    port = new_port();
    add_send_right(port);
    there_and_back(1);
    there_and_back(4096);
    there_and_back(100000);
    there_and_back(9 * 1024 * 1024 + 5);

    memory_message m = message_of((char *)1, 0, FALSE);
    OK(send(&m.head));
    OK(receive(&m.head, sizeof m, port));
    CHECK(m.data == NULL && m.type.msgt_number == 0);
    mach_msg_destroy(&m.head);

    /* A hole: nothing is sent, and nothing of it is taken away. */
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, 3 * PAGE_SIZE, TRUE));
    memset((char *)address, 'x', 3 * PAGE_SIZE);
    OK(vm_deallocate(SELF, address + PAGE_SIZE, PAGE_SIZE));
    m = message_of((char *)address, 3 * PAGE_SIZE, TRUE);
    IS(send(&m.head), MACH_SEND_INVALID_MEMORY);
    CHECK(is_mapped((char *)address) && !is_mapped((char *)address + PAGE_SIZE));
    OK(vm_protect(SELF, address, PAGE_SIZE, FALSE, VM_PROT_NONE));
    CHECK(!is_mapped((char *)address));
    OK(vm_protect(SELF, address, PAGE_SIZE, FALSE, VM_PROT_DEFAULT));
    CHECK(is_mapped((char *)address) && *(char *)address == 'x');
    OK(vm_deallocate(SELF, address, 3 * PAGE_SIZE));

    /* What is given away goes with its pages, item by item. */
    OK(vm_allocate(SELF, &address, 3 * PAGE_SIZE, TRUE));
    m = message_of((char *)address + PAGE_SIZE + 100, PAGE_SIZE, TRUE);
    OK(send(&m.head));
    OK(receive(&m.head, sizeof m, port));
    CHECK(is_mapped((char *)address) && !is_mapped((char *)address + PAGE_SIZE) &&
          !is_mapped((char *)address + 3 * PAGE_SIZE - 1));
    mach_msg_destroy(&m.head);
    for (int apart = 0; apart < 2; apart++) {
        vm_address_t given = 0;
        OK(vm_allocate(SELF, &given, 2 * PAGE_SIZE, TRUE));
        pair_message twice;
        memset(&twice, 0, sizeof twice);
        twice.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof twice, 9);
        twice.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
        twice.first_type = twice.second_type = type_of(MACH_MSG_TYPE_BYTE, 8, 100, FALSE, TRUE);
        twice.first = (char *)given;
        twice.second = (char *)given + (apart ? PAGE_SIZE : 100);
        IS(send(&twice.head), apart ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_MEMORY);
        if (apart)
            OK(receive(&twice.head, sizeof twice, port));
        CHECK(!is_mapped((char *)given) && is_mapped((char *)given + PAGE_SIZE) == !apart);
        if (apart)
            mach_msg_destroy(&twice.head);
    }

    /* Order of judgement: the destination first, then the memory. */
    m = message_of((char *)8, 100, FALSE);
    m.head.msgh_remote_port = 0x7777;
    IS(send(&m.head), MACH_SEND_INVALID_DEST);
    return 0;
}
