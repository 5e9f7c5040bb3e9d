/*
 * Client and server of demo.defs as GNU MIG wrote them, in two threads; the stubs for mach_port and netname that MIG
 * wrote, against the node; and notify_server under mach_msg_server.
 */
#include <pthread.h>

#include <mach/mig_support.h>
#include <servers/netname.h>

#include "../c/check.h"
#include "demo_types.h"
#include "generated/demo.h"
#include "generated/demo_server.h"
#include "generated/mach_host.h"
#include "generated/mach_port.h"
#include "generated/netname.h"
#include "generated/notify_server.h"

static int noted, have_noted;
static mach_port_t dead_name, no_senders, own_port;

/* What the server does. Its functions are called S_... so that they stand beside the client's. */
kern_return_t S_demo_add(mach_port_t server, int left, int right, int *sum) {
    CHECK(server == own_port);
    *sum = left + right;
    return left == 0 ? KERN_INVALID_VALUE : KERN_SUCCESS;
}

kern_return_t S_demo_reverse(mach_port_t server, pointer_t data, mach_msg_type_number_t count, pointer_t *reversed,
                             mach_msg_type_number_t *reversed_count) {
    vm_address_t memory;
    (void)server;
    mig_allocate(&memory, count);
    for (unsigned i = 0; i < count; i++)
        ((char *)memory)[i] = ((char *)data)[count - 1 - i];
    mig_deallocate(data, count);
    *reversed = memory;
    *reversed_count = count;
    return KERN_SUCCESS;
}

kern_return_t S_demo_swap_rights(mach_port_t server, mach_port_t given, mach_port_t *taken) {
    mach_msg_header_t m = header_of(given, MACH_MSG_TYPE_MOVE_SEND, MACH_PORT_NULL, 0, sizeof m, 5);
    (void)server;
    OK(send(&m));
    *taken = new_port();
    return KERN_SUCCESS;
}

kern_return_t S_demo_greet(mach_port_t server, const_demo_name_t name, demo_text_t greeting) {
    (void)server;
    snprintf(greeting, sizeof(demo_text_t), "good day, %s", name);
    return KERN_SUCCESS;
}

kern_return_t S_demo_statistics(mach_port_t server, const demo_words_t words, mach_msg_type_number_t count,
                                demo_pair_t *range, int64_t *total, boolean_t *flag) {
    (void)server;
    range->low = range->high = words[0];
    *total = 0;
    for (unsigned i = 0; i < count; i++) {
        range->low = words[i] < range->low ? words[i] : range->low;
        range->high = words[i] > range->high ? words[i] : range->high;
        *total += words[i];
    }
    *flag = !*flag;
    return KERN_SUCCESS;
}

kern_return_t S_demo_count_rights(mach_port_t server, const mach_port_array_t rights, mach_msg_type_number_t number,
                                  int *count) {
    (void)server;
    *count = 0;
    for (unsigned i = 0; i < number; i++)
        if (MACH_PORT_VALID(rights[i])) {
            OK(mach_port_deallocate(SELF, rights[i]));
            ++*count;
        }
    OK(vm_deallocate(SELF, (vm_address_t)rights, number * sizeof *rights));
    return KERN_SUCCESS;
}

kern_return_t S_demo_note(mach_port_t server, int number) {
    (void)server;
    noted = number;
    have_noted = 1;
    return KERN_SUCCESS;
}

kern_return_t S_demo_noted(mach_port_t server, int *number) {
    (void)server;
    *number = noted;
    return have_noted ? KERN_SUCCESS : KERN_FAILURE;
}

kern_return_t do_mach_notify_port_deleted(mach_port_t notify, mach_port_name_t name) {
    (void)notify, (void)name;
    return KERN_FAILURE;
}

kern_return_t do_mach_notify_msg_accepted(mach_port_t notify, mach_port_name_t name) {
    (void)notify, (void)name;
    return KERN_FAILURE;
}

kern_return_t do_mach_notify_port_destroyed(mach_port_t notify, mach_port_t rights) {
    (void)notify, (void)rights;
    return KERN_FAILURE;
}

kern_return_t do_mach_notify_no_senders(mach_port_t notify, mach_port_mscount_t mscount) {
    IS(mscount, 1);
    no_senders = notify;
    return KERN_SUCCESS;
}

kern_return_t do_mach_notify_send_once(mach_port_t notify) {
    (void)notify;
    return KERN_FAILURE;
}

kern_return_t do_mach_notify_dead_name(mach_port_t notify, mach_port_name_t name) {
    (void)notify;
    dead_name = name;
    OK(mach_port_deallocate(SELF, name));
    return KERN_SUCCESS;
}

extern boolean_t notify_server(mach_msg_header_t *, mach_msg_header_t *);
extern boolean_t demo_server(mach_msg_header_t *, mach_msg_header_t *);

static boolean_t demux(mach_msg_header_t *request, mach_msg_header_t *reply) {
    return notify_server(request, reply) || demo_server(request, reply);
}

static void *serve(void *none) {
    CHECK(mach_msg_server(demux, 4096, own_port) != MACH_MSG_SUCCESS);
    return none;
}

static void calls(mach_port_t server) {
    int sum = 0, words[5] = {3, -9, 4, 1, 5}, number = 0, count = 0;
    demo_pair_t range;
    int64_t total;
    boolean_t flag = TRUE;
    demo_text_t greeting;
    static char text[300000];
    pointer_t reversed;
    mach_msg_type_number_t size;
    mach_port_t right = new_port(), taken = 0, rights[3];
    mach_msg_header_t m;

    IS(demo_noted(server, &number), KERN_FAILURE);
    OK(demo_add(server, 40, 2, &sum));
    IS(sum, 42);
    IS(demo_add(server, 0, 2, &sum), KERN_INVALID_VALUE);
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 3);
    OK(demo_reverse(server, (pointer_t)text, sizeof text, &reversed, &size));
    IS(size, sizeof text);
    for (unsigned i = 0; i < size; i++)
        CHECK(((char *)reversed)[i] == text[size - 1 - i]);
    OK(vm_deallocate(SELF, reversed, size));
    OK(demo_swap_rights(server, right, &taken));
    OK(receive(&m, sizeof m, right));
    IS(m.msgh_id, 5);
    IS(type_of_name(taken), MACH_PORT_TYPE_SEND_RECEIVE); /* client and server are one task */
    OK(mach_port_destroy(SELF, taken));
    OK(demo_greet(server, "Ada", greeting));
    CHECK(strcmp(greeting, "good day, Ada") == 0);
    OK(demo_statistics(server, words, 5, &range, &total, &flag));
    CHECK(range.low == -9 && range.high == 5 && total == 4 && flag == FALSE);
    rights[0] = right;
    rights[1] = MACH_PORT_NULL;
    rights[2] = right;
    OK(demo_count_rights(server, rights, 3, &count));
    IS(count, 2);
    OK(demo_note(server, 12));
    OK(demo_noted(server, &number));
    IS(number, 12);
    IS(demo_add(right, 1, 1, &sum), MACH_SEND_INVALID_DEST);
    OK(mach_port_destroy(SELF, right));
}

/* What the kernel tells arrives at functions that MIG calls. */
static void notices(mach_port_t server) {
    mach_port_t mortal = new_port(), previous, once;
    mach_msg_type_name_t how;
    int number;
    OK(mach_port_request_notification(SELF, mortal, MACH_NOTIFY_NO_SENDERS, 1, server, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                      &previous));
    add_send_right(mortal);
    OK(mach_port_deallocate(SELF, mortal));
    OK(mach_port_extract_right(SELF, mortal, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &how));
    OK(mach_port_request_notification(SELF, once, MACH_NOTIFY_DEAD_NAME, 0, server, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                      &previous));
    OK(mach_port_destroy(SELF, mortal));
    OK(demo_noted(server, &number)); /* by now the server has seen both */
    IS(no_senders, server);
    IS(dead_name, once);
    OK(mach_port_deallocate(SELF, once));
}

/* These are MIG's stubs, not the library's. */
static void against_the_node(void) {
    mach_port_t port, *names, found, once, previous;
    mach_msg_type_number_t count, types_count;
    mach_port_type_t *types;
    mach_port_status_t status;
    mach_msg_type_name_t how;
    netname_name_t version;
    OK(mig_mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port));
    OK(mig_mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND));
    OK(mig_mach_port_get_receive_status(SELF, port, &status));
    CHECK(status.mps_mscount == 1 && status.mps_srights == TRUE && status.mps_qlimit == MACH_PORT_QLIMIT_DEFAULT);
    OK(mig_mach_port_extract_right(SELF, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &how));
    IS(how, MACH_MSG_TYPE_PORT_SEND_ONCE);
    OK(mig_mach_port_deallocate(SELF, once));
    OK(mig_mach_port_request_notification(SELF, port, MACH_NOTIFY_NO_SENDERS, 9, port, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                          &previous));
    IS(previous, MACH_PORT_NULL);
    OK(mig_mach_port_names(SELF, &names, &count, &types, &types_count));
    CHECK(count == types_count && count > 3);
    OK(vm_deallocate(SELF, (vm_address_t)names, count * sizeof *names));
    OK(vm_deallocate(SELF, (vm_address_t)types, count * sizeof *types));
    OK(mig_netname_version(name_server_port, version));
    CHECK(strlen(version) > 0);
    OK(mig_netname_check_in(name_server_port, "mig", MACH_PORT_NULL, port));
    OK(mig_netname_look_up(name_server_port, "", "mig", &found));
    IS(found, port);
    IS(mig_netname_look_up(name_server_port, "", "gim", &found), NETNAME_NOT_CHECKED_IN);
    IS(mig_mach_port_deallocate(SELF, 0x7777), KERN_INVALID_NAME);
    OK(mach_port_destroy(SELF, port));

    mach_port_t host = mach_host_self();
    time_value_t now;
    host_basic_info_data_t basic;
    new_kernel_version_t kernel;
    count = HOST_BASIC_INFO_COUNT;
    OK(mig_host_get_time(host, &now));
    CHECK(now.seconds > 1700000000 && now.microseconds < TIME_MICROS_MAX);
    OK(mig_host_info(host, HOST_BASIC_INFO, (host_info_t)&basic, &count));
    CHECK(count == HOST_BASIC_INFO_COUNT && basic.avail_cpus > 0);
    OK(mig_host_get_kernel_version(host, kernel));
    CHECK(strlen(kernel) > 0);
    OK(mach_port_deallocate(SELF, host));
}

int main(void) {
    pthread_t thread;
    own_port = new_port();
    add_send_right(own_port);
    CHECK(pthread_create(&thread, NULL, serve, NULL) == 0);
    calls(own_port);
    notices(own_port);
    against_the_node();
    OK(mach_port_destroy(SELF, own_port));
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}
