/* Calls that fail in every way, and the one behind each of them: no answer of one is taken for that of the next. */
#include <mach/mig_errors.h>
#include <mach/mig_support.h>
#include <servers/netname.h>

#include "check.h"

#define NOBODY 0x123456 /* a name that denotes nothing */

/* The next calls get their own answers. */
static void next_is_right(void) {
    mach_port_t port = MACH_PORT_NULL;
    mach_port_type_t type = 0;
    OK(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &port));
    OK(mach_port_type(SELF, port, &type));
    IS(type, MACH_PORT_TYPE_PORT_SET);
    OK(mach_port_destroy(SELF, port));
    IS(mach_port_type(SELF, port, &type), KERN_INVALID_NAME);
}

#define FAILS(what, code)                                                                                              \
    do {                                                                                                               \
        IS(what, code);                                                                                                \
        next_is_right();                                                                                               \
    } while (0)

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t type;
    mach_port_name_inlined_t right;
    char room[64];
} carrying_message;

/* What a stub does: a call with a right, that ends with `code` and its reply port given up. */
static void stub_fails(mach_port_t to, mach_port_t right, int option, mach_msg_return_t code) {
    carrying_message m;
    memset(&m, 0, sizeof m);
    unsigned size = offsetof(carrying_message, room);
    m.head = header_of(to, MACH_MSG_TYPE_COPY_SEND, mig_get_reply_port(), MACH_MSG_TYPE_MAKE_SEND_ONCE, size, 77);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.type = type_of(MACH_MSG_TYPE_COPY_SEND, 64, 1, TRUE, FALSE);
    m.right.name = right;
    IS(mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG | option, size, sizeof m, m.head.msgh_local_port, 0, 0), code);
    mig_dealloc_reply_port(m.head.msgh_local_port);
}

/* What a stub does: a call that is answered. */
static void stub_works(void) {
    mach_port_t reply = mig_get_reply_port();
    mig_reply_header_t m;
    memset(&m, 0, sizeof m);
    m.Head = header_of(SELF, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, sizeof m.Head, 999999);
    OK(mach_msg(&m.Head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, sizeof m.Head, sizeof m, reply, SOON, 0));
    IS(m.Head.msgh_id, 999999 + 100);
    IS(m.RetCode, MIG_BAD_ID);
    mig_put_reply_port(reply);
    IS(mig_get_reply_port(), reply);
}

static unsigned names(void) {
    mach_port_array_t array;
    mach_port_type_array_t types;
    mach_msg_type_number_t count, types_count;
    OK(mach_port_names(SELF, &array, &count, &types, &types_count));
    OK(vm_deallocate(SELF, (vm_address_t)array, count * sizeof *array));
    OK(vm_deallocate(SELF, (vm_address_t)types, types_count * sizeof *types));
    return count;
}

int main(void) {
    mach_port_t port = new_port(), dead = new_port(), previous = MACH_PORT_NULL, full = new_port();
    vm_address_t address = 0;
    add_send_right(port);
    next_is_right();
    stub_works();
    add_send_right(full);
    add_send_right(dead);
    OK(mach_port_mod_refs(SELF, dead, MACH_PORT_RIGHT_RECEIVE, -1));
    unsigned before = names();

    FAILS(mach_port_insert_right(SELF, 0x5555, NOBODY, MACH_MSG_TYPE_COPY_SEND), MACH_SEND_INVALID_RIGHT);
    FAILS(mach_port_insert_right(SELF, 0x5555, port, MACH_MSG_TYPE_MOVE_SEND_ONCE), MACH_SEND_INVALID_RIGHT);
    FAILS(mach_port_request_notification(SELF, port, MACH_NOTIFY_NO_SENDERS, 0, NOBODY, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                         &previous),
          MACH_SEND_INVALID_RIGHT);
    FAILS(netname_check_in(name_server_port, "x", 0, NOBODY), MACH_SEND_INVALID_RIGHT);
    FAILS(task_set_special_port(SELF, TASK_BOOTSTRAP_PORT, NOBODY), MACH_SEND_INVALID_RIGHT);
    FAILS(vm_map(SELF, &address, PAGE_SIZE, 0, TRUE, NOBODY, 0, FALSE, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_COPY),
          MACH_SEND_INVALID_RIGHT);
    FAILS(mach_port_destroy(NOBODY, port), MACH_SEND_INVALID_DEST);
    FAILS(mach_port_allocate(dead, MACH_PORT_RIGHT_RECEIVE, &previous), MACH_SEND_INVALID_DEST);
    IS(names(), before);

    OK(mach_port_set_qlimit(SELF, full, 1));
    stub_fails(SELF, NOBODY, 0, MACH_SEND_INVALID_RIGHT);
    stub_works();
    stub_fails(dead, port, 0, MACH_SEND_INVALID_DEST);
    stub_works();
    /* No answer in time. */
    stub_fails(full, port, MACH_RCV_TIMEOUT, MACH_RCV_TIMED_OUT);
    stub_works();
    /* No room: the message comes back, with a right to reply of its own. */
    stub_fails(full, port, MACH_SEND_TIMEOUT, MACH_SEND_TIMED_OUT);
    stub_works();
    next_is_right();
    mig_dealloc_reply_port(mig_get_reply_port());
    stub_works();
    return 0;
}
