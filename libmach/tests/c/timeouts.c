/* Full queues, empty queues, buffers that are too small, and messages that come back. */
#include "check.h"

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t right_type;
    mach_port_name_inlined_t right;
    mach_msg_type_t data_type;
    char *data;
} big_message;

static mach_port_t port;

static big_message message_of(mach_port_t right, unsigned how, char *data) {
    big_message m;
    memset(&m, 0, sizeof m);
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 9);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.right_type = type_of(how, 64, 1, TRUE, FALSE);
    m.right.name = right;
    m.data_type = type_of(MACH_MSG_TYPE_CHAR, 8, 6, FALSE, TRUE);
    m.data = data;
    return m;
}

static char *text(void) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, PAGE_SIZE, TRUE));
    strcpy((char *)address, "hello");
    return (char *)address;
}

int main(void) {
    mach_port_t a = new_port();
    big_message m;
    port = new_port();
    add_send_right(port);

    IS(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof m, port, 0, 0), MACH_RCV_TIMED_OUT);
    IS(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof m, port, 30, 0), MACH_RCV_TIMED_OUT);

    /* Not even a header has room: the message stays, or is destroyed, and nothing is written. */
    for (unsigned size = 0; size < sizeof(mach_msg_header_t); size += 4) {
        _Alignas(8) char buffer[64], untouched[64];
        memset(untouched, 0x5a, sizeof untouched);
        memset(buffer, 0x5a, sizeof buffer);
        m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m.head, 3);
        OK(send(&m.head));
        mach_msg_header_t *small = (mach_msg_header_t *)buffer;
        IS(mach_msg(small, MACH_RCV_MSG | MACH_RCV_LARGE, 0, size, port, 0, 0), MACH_RCV_TOO_LARGE);
        CHECK(memcmp(buffer, untouched, sizeof buffer) == 0);
        if (size % 8 == 0)
            OK(receive(&m.head, sizeof m, port));
        else
            IS(receive(small, size, port), MACH_RCV_TOO_LARGE);
        CHECK(memcmp(buffer, untouched, sizeof buffer) == 0);
        IS(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof m, port, 0, 0), MACH_RCV_TIMED_OUT);
    }

    OK(mach_port_set_qlimit(SELF, port, 1));
    m = message_of(a, MACH_MSG_TYPE_MAKE_SEND, text());
    OK(send(&m.head));

    /* The queue is full: the message comes back, its rights and memory as though received. */
    char *data = text();
    m = message_of(a, MACH_MSG_TYPE_MAKE_SEND, data);
    IS(mach_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof m, 0, 0, 20, 0), MACH_SEND_TIMED_OUT);
    IS(m.head.msgh_remote_port, port);
    IS(MACH_MSGH_BITS_REMOTE(m.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND);
    IS(m.head.msgh_id, 9);
    IS(m.right_type.msgt_name, MACH_MSG_TYPE_PORT_SEND);
    IS(m.right.name, a);
    IS(refs_of(a, MACH_PORT_RIGHT_SEND), 1);
    CHECK(m.data != data && strcmp(m.data, "hello") == 0);
    IS(refs_of(port, MACH_PORT_RIGHT_SEND), 2);
    mach_msg_destroy(&m.head);
    IS(refs_of(a, MACH_PORT_RIGHT_SEND), 0);
    IS(refs_of(port, MACH_PORT_RIGHT_SEND), 1);

    /* Taken over the limit, and told when it was received. */
    mach_port_t told = new_port();
    m = message_of(a, MACH_MSG_TYPE_MAKE_SEND, text());
    m.head.msgh_id = 10;
    IS(mach_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_SEND_NOTIFY, sizeof m, 0, 0, 0, told),
       MACH_SEND_WILL_NOTIFY);
    m = message_of(a, MACH_MSG_TYPE_MAKE_SEND, text());
    IS(mach_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_SEND_NOTIFY, sizeof m, 0, 0, 0, told),
       MACH_SEND_NOTIFY_IN_PROGRESS);
    mach_msg_destroy(&m.head);
    OK(receive(&m.head, sizeof m, port));
    IS(m.head.msgh_id, 9);
    mach_msg_destroy(&m.head);
    OK(receive(&m.head, sizeof m, port));
    IS(m.head.msgh_id, 10);
    mach_msg_destroy(&m.head);
    union {
        mach_msg_accepted_notification_t notice;
        char room[128];
    } n;
    OK(receive(&n.notice.not_header, sizeof n, told));
    IS(n.notice.not_header.msgh_id, MACH_NOTIFY_MSG_ACCEPTED);
    IS(n.notice.not_port, port);
    m = message_of(a, MACH_MSG_TYPE_MAKE_SEND, text());
    OK(send(&m.head));

    /* Too large, and told how large; then with the room it asks for. */
    mach_msg_header_t small;
    IS(mach_msg(&small, MACH_RCV_MSG | MACH_RCV_LARGE, 0, sizeof small, port, 0, 0), MACH_RCV_TOO_LARGE);
    IS(small.msgh_size, sizeof m);
    IS(mach_msg(&small, MACH_RCV_MSG | MACH_RCV_LARGE, 0, sizeof small, port, 0, 0), MACH_RCV_TOO_LARGE);
    OK(receive(&m.head, small.msgh_size, port));
    CHECK(strcmp(m.data, "hello") == 0);
    mach_msg_destroy(&m.head);

    /* Without MACH_RCV_LARGE it is gone, and all that it carried. */
    m = message_of(a, MACH_MSG_TYPE_MAKE_SEND, text());
    OK(send(&m.head));
    IS(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof m - 8, port, SOON, 0), MACH_RCV_TOO_LARGE);
    IS(m.head.msgh_local_port, port);
    IS(m.head.msgh_remote_port, MACH_PORT_NULL);
    IS(refs_of(a, MACH_PORT_RIGHT_SEND), 0);
    IS(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof m, port, 0, 0), MACH_RCV_TIMED_OUT);
    return 0;
}
