/* Notifications through a server loop: no more senders, a dead name, a send-once right that was not used. */
#include "check.h"

static mach_port_t notified;
static int senders_gone, dead, unused, others;
static mach_port_t watched;

static boolean_t demux(mach_msg_header_t *request, mach_msg_header_t *reply) {
    (void)reply;
    switch (request->msgh_id) {
    case MACH_NOTIFY_NO_SENDERS: {
        mach_no_senders_notification_t *notice = (mach_no_senders_notification_t *)request;
        IS(request->msgh_size, sizeof *notice);
        IS(notice->not_type.msgt_name, MACH_MSG_TYPE_INTEGER_32);
        IS(notice->not_count, 1);
        senders_gone++;
        return TRUE;
    }
    case MACH_NOTIFY_DEAD_NAME: {
        mach_dead_name_notification_t *notice = (mach_dead_name_notification_t *)request;
        IS(notice->not_type.msgt_name, MACH_MSG_TYPE_PORT_NAME);
        IS(notice->not_port, watched);
        /* One reference is the right's, one the notification's. */
        IS(refs_of(watched, MACH_PORT_RIGHT_DEAD_NAME), 2);
        OK(mach_port_mod_refs(SELF, watched, MACH_PORT_RIGHT_DEAD_NAME, -2));
        dead++;
        return TRUE;
    }
    case MACH_NOTIFY_SEND_ONCE:
        IS(request->msgh_size, sizeof(mach_send_once_notification_t));
        unused++;
        return TRUE;
    default:
        others++;
        return FALSE;
    }
}

int main(void) {
    mach_port_t port = new_port(), previous, once;
    mach_msg_type_name_t how;
    notified = new_port();

    OK(mach_port_request_notification(SELF, port, MACH_NOTIFY_NO_SENDERS, 1, notified, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                      &previous));
    add_send_right(port);
    OK(mach_port_deallocate(SELF, port));

    /* A send-once right keeps a name of its own when its port is gone. */
    mach_port_t mortal = new_port();
    OK(mach_port_extract_right(SELF, mortal, MACH_MSG_TYPE_MAKE_SEND_ONCE, &watched, &how));
    OK(mach_port_request_notification(SELF, watched, MACH_NOTIFY_DEAD_NAME, 0, notified, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                      &previous));
    OK(mach_port_destroy(SELF, mortal));

    OK(mach_port_extract_right(SELF, notified, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &how));
    OK(mach_port_deallocate(SELF, once));

    IS(mach_msg_server_timeout(demux, 256, notified, MACH_RCV_TIMEOUT, 200), MACH_RCV_TIMED_OUT);
    IS(senders_gone, 1);
    IS(dead, 1);
    IS(unused, 1);
    IS(others, 0);
    IS(type_of_name(watched), MACH_PORT_TYPE_NONE);
    return 0;
}
