/* Rights in messages, inline and out of line, and the routines on names. */
#include <mach_debug/mach_debug.h>

#include "check.h"

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t one_type;
    mach_port_name_inlined_t one;
    mach_msg_type_t two_type;
    mach_port_name_inlined_t two[2];
    mach_msg_type_t array_type;
    mach_port_t *array;
} rights_message;

static mach_port_t port;

static void exchange(rights_message *m) {
    OK(send(&m->head));
    memset(m, 0xff, sizeof *m);
    OK(receive(&m->head, sizeof *m, port));
    IS(m->head.msgh_size, sizeof *m);
    CHECK(m->head.msgh_bits & MACH_MSGH_BITS_COMPLEX);
}

static void in_messages(void) {
    mach_port_t a = new_port(), b = new_port();
    mach_port_t array[3] = {a, MACH_PORT_NULL, MACH_PORT_DEAD};
    rights_message m;

    memset(&m, 0, sizeof m);
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 9);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.one_type = type_of(MACH_MSG_TYPE_MAKE_SEND, 64, 1, TRUE, FALSE);
    m.one.name = a;
    m.two_type = type_of(MACH_MSG_TYPE_MAKE_SEND_ONCE, 64, 2, TRUE, FALSE);
    m.two[0].name = b;
    m.two[1].name = MACH_PORT_NULL;
    m.array_type = type_of(MACH_MSG_TYPE_MAKE_SEND, 32, 3, FALSE, FALSE);
    m.array = array;
    exchange(&m);

    IS(m.one_type.msgt_name, MACH_MSG_TYPE_PORT_SEND);
    IS(m.one.name, a);
    IS(m.two_type.msgt_name, MACH_MSG_TYPE_PORT_SEND_ONCE);
    CHECK(m.two[0].name != b && type_of_name(m.two[0].name) == MACH_PORT_TYPE_SEND_ONCE);
    IS(m.two[1].name, MACH_PORT_NULL);
    IS(m.array_type.msgt_name, MACH_MSG_TYPE_PORT_SEND);
    IS(m.array_type.msgt_number, 3);
    CHECK(m.array != array && page_aligned(m.array));
    IS(m.array[0], a);
    IS(m.array[1], MACH_PORT_NULL);
    IS(m.array[2], MACH_PORT_DEAD);
    IS(refs_of(a, MACH_PORT_RIGHT_SEND), 2);

    /* Everything that came is given up; what was there before stays. */
    mach_msg_destroy(&m.head);
    IS(refs_of(a, MACH_PORT_RIGHT_SEND), 0);
    IS(type_of_name(a), MACH_PORT_TYPE_RECEIVE);
    IS(type_of_name(m.two[0].name), MACH_PORT_TYPE_NONE);

    /* The port itself goes into a message, and comes out of it. */
    memset(&m, 0, sizeof m);
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, offsetof(rights_message, two_type), 9);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.one_type = type_of(MACH_MSG_TYPE_MOVE_RECEIVE, 64, 1, TRUE, FALSE);
    m.one.name = b;
    OK(send(&m.head));
    IS(type_of_name(b), MACH_PORT_TYPE_NONE);
    OK(receive(&m.head, sizeof m, port));
    IS(m.one_type.msgt_name, MACH_MSG_TYPE_PORT_RECEIVE);
    IS(type_of_name(m.one.name), MACH_PORT_TYPE_RECEIVE);
    mach_msg_destroy(&m.head);
    IS(type_of_name(m.one.name), MACH_PORT_TYPE_NONE);

    /* A right that is none of the task's. */
    m.head = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, offsetof(rights_message, two_type), 9);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.one_type = type_of(MACH_MSG_TYPE_COPY_SEND, 64, 1, TRUE, FALSE);
    m.one.name = 0x7777;
    IS(send(&m.head), MACH_SEND_INVALID_RIGHT);
    OK(mach_port_destroy(SELF, a));
}

static void by_name(void) {
    mach_port_t a = new_port(), previous, set, *names, once;
    mach_msg_type_name_t how;
    mach_port_type_t *types;
    mach_msg_type_number_t count, types_count;
    mach_port_status_t status;

    add_send_right(a);
    OK(mach_port_mod_refs(SELF, a, MACH_PORT_RIGHT_SEND, 4));
    IS(refs_of(a, MACH_PORT_RIGHT_SEND), 5);
    IS(refs_of(a, MACH_PORT_RIGHT_SEND_ONCE), 0);
    OK(mach_port_deallocate(SELF, a));
    IS(mach_port_mod_refs(SELF, a, MACH_PORT_RIGHT_SEND, -5), KERN_INVALID_VALUE);
    IS(mach_port_mod_refs(SELF, a, 9, 1), KERN_INVALID_VALUE);
    IS(mach_port_insert_right(SELF, a, a, MACH_MSG_TYPE_INTEGER_32), KERN_INVALID_VALUE);
    IS(mach_port_insert_right(SELF, a, MACH_PORT_DEAD, MACH_MSG_TYPE_COPY_SEND), KERN_INVALID_CAPABILITY);
    IS(mach_port_deallocate(SELF, 0x7777), KERN_INVALID_NAME);
    IS(mach_port_deallocate(MACH_PORT_NULL, a), MACH_SEND_INVALID_DEST);
    OK(mach_port_set_qlimit(SELF, a, 3));
    OK(mach_port_get_receive_status(SELF, a, &status));
    IS(status.mps_qlimit, 3);
    IS(status.mps_mscount, 1);
    IS(status.mps_srights, TRUE);
    IS(status.mps_nsrequest, FALSE);

    OK(mach_port_extract_right(SELF, a, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &how));
    IS(how, MACH_MSG_TYPE_PORT_SEND_ONCE);
    IS(type_of_name(once), MACH_PORT_TYPE_SEND_ONCE);
    OK(mach_port_request_notification(SELF, a, MACH_NOTIFY_NO_SENDERS, 9, a, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
    IS(previous, MACH_PORT_NULL);
    OK(mach_port_get_receive_status(SELF, a, &status));
    IS(status.mps_nsrequest, TRUE);
    OK(mach_port_request_notification(SELF, a, MACH_NOTIFY_NO_SENDERS, 0, 0, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
    IS(type_of_name(previous), MACH_PORT_TYPE_SEND_ONCE);
    OK(mach_port_deallocate(SELF, previous));

    OK(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &set));
    OK(mach_port_move_member(SELF, a, set));
    OK(mach_port_get_receive_status(SELF, a, &status));
    IS(status.mps_pset, set);
    IS(mach_port_move_member(SELF, set, set), KERN_INVALID_RIGHT);

    OK(mach_port_names(SELF, &names, &count, &types, &types_count));
    CHECK(count == types_count && count >= 4);
    int seen = 0;
    for (unsigned i = 0; i < count; i++)
        if (names[i] == a) {
            IS(types[i], MACH_PORT_TYPE_SEND_RECEIVE);
            seen++;
        }
    IS(seen, 1);
    OK(vm_deallocate(SELF, (vm_address_t)names, count * sizeof *names));
    OK(vm_deallocate(SELF, (vm_address_t)types, count * sizeof *types));

    OK(mach_port_get_set_status(SELF, set, &names, &count));
    CHECK(count == 1 && names[0] == a);
    OK(vm_deallocate(SELF, (vm_address_t)names, count * sizeof *names));
    OK(mach_port_set_mscount(SELF, a, 20));
    OK(mach_port_set_seqno(SELF, a, 21));
    OK(mach_port_get_receive_status(SELF, a, &status));
    CHECK(status.mps_mscount == 20 && status.mps_seqno == 21);
    OK(mach_port_allocate_name(SELF, MACH_PORT_RIGHT_DEAD_NAME, 0x123400));
    IS(mach_port_allocate_name(SELF, MACH_PORT_RIGHT_RECEIVE, 0x123400), KERN_NAME_EXISTS);
    OK(mach_port_rename(SELF, 0x123400, 0x567800));
    IS(type_of_name(0x123400), MACH_PORT_TYPE_NONE);
    IS(type_of_name(0x567800), MACH_PORT_TYPE_DEAD_NAME);
    OK(mach_port_deallocate(SELF, 0x567800));

    OK(mach_port_move_member(SELF, a, MACH_PORT_NULL));
    OK(mach_port_set_protected_payload(SELF, a, 0x123456789abcdefUL));
    mach_msg_header_t m = header_of(a, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 3);
    OK(send(&m));
    OK(receive(&m, sizeof m, a));
    CHECK(m.msgh_protected_payload == 0x123456789abcdefUL && m.msgh_seqno == 21);
    IS(MACH_MSGH_BITS_LOCAL(m.msgh_bits), MACH_MSG_TYPE_PROTECTED_PAYLOAD);
    OK(mach_port_clear_protected_payload(SELF, a));

    OK(mach_port_destroy(SELF, set));
    OK(mach_port_destroy(SELF, a));
    IS(type_of_name(a), MACH_PORT_TYPE_NONE);
    IS(type_of_name(once), MACH_PORT_TYPE_DEAD_NAME);
    OK(mach_port_deallocate(SELF, once));

    mach_port_t host = mach_host_self();
    CHECK(MACH_PORT_VALID(host) && refs_of(host, MACH_PORT_RIGHT_SEND) >= 2);
    OK(mach_port_deallocate(SELF, host));
    CHECK(refs_of(host, MACH_PORT_RIGHT_SEND) >= 1);
}

int main(void) {
    port = new_port();
    add_send_right(port);
    in_messages();
    by_name();

    /* What is behind names. */
    mach_port_t seen = new_port(), previous, told = new_port();
    mach_port_rights_t srights = 99;
    unsigned total = 0, used = 99, kind = 99;
    vm_offset_t object = 99;
    OK(mach_port_get_srights(SELF, seen, &srights));
    IS(srights, 0);
    add_send_right(seen);
    OK(mach_port_get_srights(SELF, seen, &srights));
    IS(srights, 1);
    IS(mach_port_get_srights(SELF, 0x123456, &srights), KERN_INVALID_NAME);
    OK(mach_port_dnrequest_info(SELF, seen, &total, &used));
    IS(used, 0);
    OK(mach_port_request_notification(SELF, seen, MACH_NOTIFY_DEAD_NAME, 0, told, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
    OK(mach_port_dnrequest_info(SELF, seen, &total, &used));
    CHECK(used == 1 && total >= used);
    OK(mach_port_kernel_object(SELF, SELF, &kind, &object));
    CHECK(kind != 0 && kind != 99);
    IS(mach_port_kernel_object(SELF, 0x123456, &kind, &object), KERN_INVALID_NAME);
    return 0;
}
