/* mach_msg_server: replies, errors that destroy their request, requests that get no reply. */
#include <pthread.h>

#include <mach/mig_errors.h>
#include <mach/mig_support.h>

#include "check.h"

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t type;
    mach_port_name_inlined_t right;
} request_message;

static mach_port_t port, kept;

/* 100 answers success; 101 keeps the right and says nothing; 102 refuses; 103 ends the service. */
static boolean_t demux(mach_msg_header_t *request, mach_msg_header_t *reply) {
    mig_reply_header_t *answer = (mig_reply_header_t *)reply;
    if (request->msgh_id < 100 || request->msgh_id > 103)
        return FALSE;
    mig_reply_setup(request, reply);
    IS(answer->RetCode, MIG_BAD_ID);
    answer->RetCode = KERN_SUCCESS;
    if (request->msgh_id == 101) {
        kept = ((request_message *)request)->right.name;
        answer->RetCode = MIG_NO_REPLY;
    } else if (request->msgh_id == 102) {
        answer->RetCode = KERN_NO_ACCESS;
    } else if (request->msgh_id == 103) {
        OK(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1));
    }
    return TRUE;
}

static void *serve(void *none) {
    mach_msg_return_t code = mach_msg_server(demux, 512, port);
    CHECK(code == MACH_RCV_INVALID_NAME || code == MACH_RCV_PORT_DIED);
    return none;
}

static int call(int id, mach_port_t right) {
    mach_port_t reply = mig_get_reply_port();
    union {
        request_message in;
        mig_reply_header_t out;
        char room[512];
    } m;
    memset(&m, 0, sizeof m);
    m.in.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof m.in, id);
    m.in.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.in.type = type_of(MACH_MSG_TYPE_MAKE_SEND, 64, 1, TRUE, FALSE);
    m.in.right.name = right;
    OK(mach_msg(&m.in.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, sizeof m.in, sizeof m, reply, SOON, 0));
    if (m.out.Head.msgh_id == MACH_NOTIFY_SEND_ONCE)
        return MIG_SERVER_DIED;
    IS(m.out.Head.msgh_id, id + 100);
    IS(m.out.Head.msgh_size, sizeof m.out);
    return m.out.RetCode;
}

int main(void) {
    mach_port_t right = new_port();
    mach_port_status_t status;
    pthread_t thread;
    port = new_port();
    add_send_right(port);
    CHECK(pthread_create(&thread, NULL, serve, NULL) == 0);

    IS(call(7, right), MIG_BAD_ID);
    IS(refs_of(right, MACH_PORT_RIGHT_SEND), 0); /* what came with it was given up */
    IS(call(102, right), KERN_NO_ACCESS);
    IS(refs_of(right, MACH_PORT_RIGHT_SEND), 0);
    IS(call(100, right), KERN_SUCCESS);
    IS(refs_of(right, MACH_PORT_RIGHT_SEND), 1); /* a server that succeeds has taken it */
    OK(mach_port_get_receive_status(SELF, right, &status));
    IS(status.mps_mscount, 3);

    /* A request that nobody answers, larger than the server takes: its client is told. */
    struct {
        request_message request;
        char more[1024];
    } large;
    memset(&large, 0, sizeof large);
    mach_port_t reply = mach_reply_port();
    large.request.head =
        header_of(port, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof large, 100);
    OK(mach_msg(&large.request.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, sizeof large, sizeof large, reply,
                SOON, 0));
    IS(large.request.head.msgh_id, MACH_NOTIFY_SEND_ONCE);

    IS(call(103, MACH_PORT_NULL), KERN_SUCCESS);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}
