/*
 * A server and its client in C, by hand: `echo serve` answers, `echo say TEXT` calls it from anywhere in the cluster.
 *
 *   gcc echo.c -o echo $(pkg-config --cflags --libs libmach)
 *   MACH_SOCKET=... ./echo serve
 */
#include <stdio.h>
#include <string.h>

#include <mach/mach.h>
#include <mach/mig_errors.h>
#include <mach_error.h>
#include <servers/netname.h>

#define ECHO_ID 88000

/* The request and the reply: a header, and one string of 80 bytes. */
typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t type;
    char text[80];
} echo_message;

static echo_message message_to(mach_port_t port, unsigned how, mach_port_t reply, unsigned reply_how, int id) {
    echo_message m;
    memset(&m, 0, sizeof m);
    m.head.msgh_bits = MACH_MSGH_BITS(how, reply_how);
    m.head.msgh_size = sizeof m;
    m.head.msgh_remote_port = port;
    m.head.msgh_local_port = reply;
    m.head.msgh_id = id;
    m.type.msgt_name = MACH_MSG_TYPE_STRING_C;
    m.type.msgt_size = 8;
    m.type.msgt_number = sizeof m.text;
    m.type.msgt_inline = TRUE;
    return m;
}

/* mach_msg_server calls this for each request, and sends what it leaves in `reply`. */
static boolean_t answer(mach_msg_header_t *request, mach_msg_header_t *reply) {
    echo_message *asked = (echo_message *)request, *told = (echo_message *)reply;
    if (request->msgh_id != ECHO_ID || request->msgh_size != sizeof *asked)
        return FALSE; /* mach_msg_server has left MIG_BAD_ID in the reply */
    *told = message_to(request->msgh_remote_port, MACH_MSGH_BITS_REMOTE(request->msgh_bits), MACH_PORT_NULL, 0,
                       ECHO_ID + 100);
    memcpy(told->text, asked->text, sizeof told->text);
    return TRUE;
}

static int serve(void) {
    mach_port_t port;
    kern_return_t code = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
    if (code == KERN_SUCCESS)
        code = mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND);
    if (code == KERN_SUCCESS)
        code = netname_check_in(name_server_port, "echo", MACH_PORT_NULL, port);
    if (code == KERN_SUCCESS)
        code = mach_msg_server(answer, sizeof(echo_message), port);
    mach_error("echo", code);
    return 1;
}

static int say(const char *text) {
    mach_port_t server;
    kern_return_t code = netname_look_up(name_server_port, "*", "echo", &server);
    if (code == KERN_SUCCESS) {
        mach_port_t reply = mach_reply_port();
        echo_message m = message_to(server, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE, ECHO_ID);
        strncpy(m.text, text, sizeof m.text - 1);
        code = mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof m, sizeof m, reply, 0, MACH_PORT_NULL);
        if (code == MACH_MSG_SUCCESS && m.head.msgh_id == ECHO_ID + 100) {
            puts(m.text);
            return 0;
        }
        if (code == MACH_MSG_SUCCESS)
            code = MIG_SERVER_DIED;
    }
    mach_error("echo", code);
    return 1;
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "serve") == 0)
        return serve();
    if (count == 3 && strcmp(arguments[1], "say") == 0)
        return say(arguments[2]);
    fprintf(stderr, "usage: echo serve | echo say TEXT\n");
    return 2;
}
