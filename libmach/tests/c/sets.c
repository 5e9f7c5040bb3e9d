/* Port sets: a message of any member, which one it was, and what a member may not do. */
#include <pthread.h>

#include "check.h"

static mach_port_t set, first, second;

static void tell(mach_port_t port, int id) {
    mach_msg_header_t m = header_of(port, MACH_MSG_TYPE_MAKE_SEND, MACH_PORT_NULL, 0, sizeof m, id);
    OK(send(&m));
}

static void *later(void *none) {
    tell(second, 3);
    return none;
}

int main(void) {
    mach_msg_header_t m;
    pthread_t thread;
    first = new_port();
    second = new_port();
    OK(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &set));
    IS(mach_port_move_member(SELF, first, MACH_PORT_NULL), KERN_NOT_IN_SET);
    OK(mach_port_move_member(SELF, first, set));
    OK(mach_port_move_member(SELF, second, set));
    tell(second, 1);
    tell(first, 2);
    int seen = 0;
    for (int i = 0; i < 2; i++) {
        OK(receive(&m, sizeof m, set));
        IS(m.msgh_local_port, m.msgh_id == 1 ? second : first);
        IS(m.msgh_seqno, 0);
        seen += m.msgh_id;
    }
    IS(seen, 3);
    IS(mach_msg(&m, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof m, first, 0, 0), MACH_RCV_IN_SET);

    /* A receiver that waits hears of a message that another thread sends. */
    CHECK(pthread_create(&thread, NULL, later, NULL) == 0);
    OK(receive(&m, sizeof m, set));
    IS(m.msgh_id, 3);
    IS(m.msgh_seqno, 1);
    CHECK(pthread_join(thread, NULL) == 0);

    OK(mach_port_move_member(SELF, second, MACH_PORT_NULL));
    tell(second, 4);
    IS(mach_msg(&m, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof m, set, 0, 0), MACH_RCV_TIMED_OUT);
    OK(receive(&m, sizeof m, second));
    IS(m.msgh_id, 4);
    return 0;
}
