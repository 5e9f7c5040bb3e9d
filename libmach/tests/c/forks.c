/* A forked child is a task of its own: other ports, another reply port, and nothing of its parent's. */
#include <pthread.h>

#include <mach/mig_support.h>
#include <servers/netname.h>

#include "check.h"

static void *reply_port_of_a_thread(void *place) {
    *(mach_port_t *)place = mig_get_reply_port();
    return NULL;
}

int main(void) {
    mach_port_t reply = mig_get_reply_port(), port = new_port(), task = SELF, other = 0;
    CHECK(MACH_PORT_VALID(reply) && mig_get_reply_port() == reply);
    mig_put_reply_port(reply);
    CHECK(mig_get_reply_port() == reply);

    /* A thread has a port of its own, which goes with it. */
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, reply_port_of_a_thread, &other) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(other != reply && MACH_PORT_VALID(other) && type_of_name(other) == MACH_PORT_TYPE_NONE);

    add_send_right(port);
    OK(netname_check_in(name_server_port, "parent", MACH_PORT_NULL, port));
    vm_address_t memory = 0;
    mig_allocate(&memory, 100);
    strcpy((char *)memory, "of the parent");

    pid_t child = fork();
    if (child == 0) {
        /* The child's own, whatever number they have. */
        CHECK(MACH_PORT_VALID(SELF) && type_of_name(SELF) == MACH_PORT_TYPE_SEND);
        mach_port_t fresh = mig_get_reply_port();
        CHECK(type_of_name(fresh) == MACH_PORT_TYPE_RECEIVE && mig_get_reply_port() == fresh);
        CHECK(strcmp((char *)memory, "of the parent") == 0);
        mach_port_t found;
        OK(netname_look_up(name_server_port, "", "parent", &found));
        mach_msg_header_t m = header_of(found, MACH_MSG_TYPE_COPY_SEND, SELF, MACH_MSG_TYPE_COPY_SEND, sizeof m, 8);
        OK(send(&m));
        _exit(0);
    }
    ends_well(child);
    mach_msg_header_t m;
    OK(receive(&m, sizeof m, port));
    IS(m.msgh_id, 8);
    CHECK(m.msgh_remote_port != task);
    CHECK(SELF == task && mig_get_reply_port() == reply && type_of_name(reply) == MACH_PORT_TYPE_RECEIVE);

    mig_dealloc_reply_port(reply);
    CHECK(type_of_name(reply) == MACH_PORT_TYPE_NONE);
    CHECK(MACH_PORT_VALID(mig_get_reply_port()) && mig_get_reply_port() != reply);
    mig_deallocate(memory, 100);
    return 0;
}
