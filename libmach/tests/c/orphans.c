/* The node is killed while threads wait: receives end with MACH_RCV_PORT_DIED, a server returns, a send has no
   destination. Says a line when everything waits. */
#include <pthread.h>

#include <mach/mig_errors.h>

#include "check.h"

static mach_port_t waited_for, full, reply, served;

static void *receives(void *nothing) {
    mach_msg_header_t m;
    IS(mach_msg(&m, MACH_RCV_MSG, 0, sizeof m, waited_for, 0, 0), MACH_RCV_PORT_DIED);
    return nothing;
}

static void *calls(void *nothing) {
    mach_msg_header_t m = header_of(full, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof m, 1);
    IS(mach_msg(&m, MACH_SEND_MSG | MACH_RCV_MSG, sizeof m, sizeof m, reply, 0, 0), MACH_RCV_PORT_DIED);
    return nothing;
}

static boolean_t demux(mach_msg_header_t *request, mach_msg_header_t *answer) {
    (void)request, (void)answer;
    return FALSE;
}

static void *serves(void *nothing) {
    IS(mach_msg_server(demux, 1024, served), MACH_RCV_PORT_DIED);
    return nothing;
}

int main(void) {
    void *(*waits[])(void *) = {receives, calls, serves};
    pthread_t threads[3];
    waited_for = new_port();
    full = new_port();
    reply = mach_reply_port();
    served = new_port();
    add_send_right(full);
    add_send_right(served);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, waits[i], NULL) == 0);
    mach_port_status_t status;
    do
        OK(mach_port_get_receive_status(SELF, full, &status));
    while (status.mps_msgcount == 0);
    /* The server has answered once. */
    mig_reply_header_t m;
    memset(&m, 0, sizeof m);
    mach_port_t own = mach_reply_port();
    m.Head = header_of(served, MACH_MSG_TYPE_COPY_SEND, own, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof m.Head, 1);
    OK(mach_msg(&m.Head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof m.Head, sizeof m, own, 0, 0));
    IS(m.RetCode, MIG_BAD_ID);

    puts("waiting");
    fflush(stdout);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    m.Head = header_of(served, MACH_MSG_TYPE_COPY_SEND, own, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof m.Head, 1);
    IS(receive(&m.Head, sizeof m, waited_for), MACH_RCV_PORT_DIED);
    IS(mach_msg_server(demux, 1024, served), MACH_RCV_PORT_DIED);
    m.Head = header_of(served, MACH_MSG_TYPE_COPY_SEND, own, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof m.Head, 1);
    IS(send(&m.Head), MACH_SEND_INVALID_DEST);
    IS(mach_msg(&m.Head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof m.Head, sizeof m, own, 0, 0), MACH_SEND_INVALID_DEST);
    return 0;
}
