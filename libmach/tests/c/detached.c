/* Without a node: every call answers an error, nothing crashes, and the reason is said once. */
#include <mach/mig_support.h>
#include <servers/netname.h>

#include "check.h"

int main(void) {
    mach_port_t port = 1;
    vm_address_t address = 0;
    mach_msg_header_t m = header_of(1, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 1);
    CHECK(mach_task_self() == MACH_PORT_NULL && mach_reply_port() == MACH_PORT_NULL);
    CHECK(mach_thread_self() == MACH_PORT_NULL && mach_host_self() == MACH_PORT_NULL && mig_get_reply_port() == MACH_PORT_NULL);
    CHECK(name_server_port == MACH_PORT_NULL && bootstrap_port == MACH_PORT_NULL);
    IS(send(&m), MACH_SEND_INVALID_DEST);
    IS(receive(&m, sizeof m, 1), MACH_RCV_PORT_DIED);
    IS(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), MACH_SEND_INVALID_DEST);
    IS(vm_allocate(SELF, &address, PAGE_SIZE, TRUE), MACH_SEND_INVALID_DEST);
    IS(netname_look_up(name_server_port, "", "x", &port), MACH_SEND_INVALID_DEST);
    mach_msg_destroy(&m);
    CHECK(strcmp(mach_error_type(MACH_SEND_INVALID_DEST), "(ipc/send)") == 0);
    CHECK(strlen(mach_error_string(KERN_INVALID_NAME)) > 0);
    mach_error("here", KERN_INVALID_NAME);
    mach_print("and so on\n");
    mach_print(NULL);
    mach_error(NULL, KERN_SUCCESS);
    CHECK(vm_page_size == PAGE_SIZE);
    return 0;
}
