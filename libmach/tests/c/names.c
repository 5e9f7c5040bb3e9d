/* The name service; and a server in one process for a client in another. */
#include <servers/netname.h>

#include "check.h"

int main(int count, char **arguments) {
    mach_port_t port, found, signature;
    mach_msg_header_t m;
    netname_name_t version;

    if (count == 2) { /* the client: calls the service and waits for its answer */
        OK(netname_look_up(name_server_port, "*", arguments[1], &found));
        mach_port_t reply = mach_reply_port();
        m = header_of(found, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof m, 41);
        OK(mach_msg(&m, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, sizeof m, sizeof m, reply, SOON, 0));
        IS(m.msgh_id, 42);
        return 0;
    }
    CHECK(MACH_PORT_VALID(name_server_port) && MACH_PORT_VALID(bootstrap_port));
    OK(netname_version(name_server_port, version));
    CHECK(strlen(version) > 0);
    port = new_port();
    signature = new_port();
    add_send_right(port);
    add_send_right(signature);
    IS(netname_look_up(name_server_port, "", "c-service", &found), NETNAME_NOT_CHECKED_IN);
    OK(netname_check_in(name_server_port, "c-service", signature, port));
    IS(netname_check_in(name_server_port, "c-service", port, port), NETNAME_NOT_YOURS);
    OK(netname_look_up(name_server_port, "", "c-service", &found));
    IS(found, port);

    pid_t child = fork();
    if (child == 0) {
        execl(arguments[0], arguments[0], "c-service", (char *)NULL);
        _exit(127);
    }
    OK(receive(&m, sizeof m, port));
    IS(m.msgh_id, 41);
    m = header_of(m.msgh_remote_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_PORT_NULL, 0, sizeof m, 42);
    OK(send(&m));
    ends_well(child);

    IS(netname_check_out(name_server_port, "c-service", port), NETNAME_NOT_YOURS);
    OK(netname_check_out(name_server_port, "c-service", signature));
    IS(netname_look_up(name_server_port, "", "c-service", &found), NETNAME_NOT_CHECKED_IN);
    IS(netname_look_up(MACH_PORT_NULL, "", "x", &found), MACH_SEND_INVALID_DEST);
    return 0;
}
