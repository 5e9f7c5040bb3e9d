/* A call and its answer between the two ends of one task: header, seqno, sizes, and what becomes of the reply right. */
#include "check.h"

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t type;
    int number;
    int pad;
} number_message;

int main(void) {
    mach_port_t port = new_port(), reply = mach_reply_port();
    number_message m;

    CHECK(MACH_PORT_VALID(reply) && type_of_name(reply) == MACH_PORT_TYPE_RECEIVE);
    CHECK(MACH_PORT_VALID(SELF) && SELF == mach_task_self_ && mach_task_self() == SELF);
    add_send_right(port);
    for (int round = 0; round < 3; round++) {
        m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof m, 400 + round);
        m.type = type_of(MACH_MSG_TYPE_INTEGER_32, 32, 1, TRUE, FALSE);
        m.number = 7 * round;
        OK(send(&m.head));

        memset(&m, 0xff, sizeof m);
        OK(receive(&m.head, sizeof m, port));
        IS(m.head.msgh_size, sizeof m);
        IS(m.head.msgh_id, 400 + round);
        IS(m.head.msgh_seqno, round);
        IS(m.head.msgh_local_port, port);
        IS(m.head.msgh_bits, MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND));
        IS(m.number, 7 * round);
        mach_port_t once = m.head.msgh_remote_port;
        CHECK(once != reply && type_of_name(once) == MACH_PORT_TYPE_SEND_ONCE);

        /* The answer and the wait for it in one call, as a client does. */
        m.head = header_of(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_PORT_NULL, 0, sizeof m, 500 + round);
        m.number = 8 * round;
        OK(mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, sizeof m, sizeof m, reply, SOON, 0));
        IS(m.head.msgh_id, 500 + round);
        IS(m.head.msgh_bits, MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE));
        IS(m.head.msgh_remote_port, MACH_PORT_NULL);
        IS(m.number, 8 * round);
        CHECK(type_of_name(once) == MACH_PORT_TYPE_NONE);
    }

    /* What a message is refused for, and where the error says it lies. */
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 1);
    IS(mach_msg(&m.head, MACH_SEND_MSG, 24, 0, 0, 0, 0), MACH_SEND_MSG_TOO_SMALL);
    IS(mach_msg(&m.head, MACH_SEND_MSG, sizeof m - 4, 0, 0, 0, 0), MACH_SEND_MSG_TOO_SMALL);
    IS(mach_msg((mach_msg_header_t *)8, MACH_SEND_MSG, sizeof m, 0, 0, 0, 0), MACH_SEND_INVALID_DATA);
    m.head.msgh_remote_port = 0x7777;
    IS(send(&m.head), MACH_SEND_INVALID_DEST);
    m.head.msgh_remote_port = MACH_PORT_NULL;
    IS(send(&m.head), MACH_SEND_INVALID_DEST);
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, 0x7777, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof m, 1);
    IS(send(&m.head), MACH_SEND_INVALID_REPLY);
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, reply, 0, sizeof m, 1);
    IS(send(&m.head), MACH_SEND_INVALID_HEADER);
    m.head = header_of(port, 0, MACH_PORT_NULL, 0, sizeof m, 1);
    IS(send(&m.head), MACH_SEND_INVALID_HEADER);
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 1);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.type = type_of(MACH_MSG_TYPE_INTEGER_32, 32, 1, TRUE, TRUE);
    IS(send(&m.head), MACH_SEND_INVALID_TYPE);
    m.type = type_of(MACH_MSG_TYPE_INTEGER_32, 32, 9, TRUE, FALSE);
    IS(send(&m.head), MACH_SEND_MSG_TOO_SMALL);
    IS(receive(&m.head, sizeof m, 0x7777), MACH_RCV_INVALID_NAME);
    OK(mach_msg(&m.head, 0, 0, 0, 0, 0, 0));

    /* A buffer that cannot be written loses the message. */
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 1);
    OK(send(&m.head));
    IS(receive((mach_msg_header_t *)8, sizeof m, port), MACH_RCV_INVALID_DATA);
    IS(mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof m, port, 0, 0), MACH_RCV_TIMED_OUT);
    return 0;
}
