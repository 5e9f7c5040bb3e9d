/* What the programs of this folder share: a check that says where it failed, and messages made by hand. */
#ifndef CHECK_H
#define CHECK_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mach/mach.h>
#include <mach_error.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                                         \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define IS(what, code)                                                                                                 \
    do {                                                                                                               \
        long is_ = (what), wanted_ = (code);                                                                           \
        if (is_ != wanted_) {                                                                                          \
            fprintf(stderr, "%s:%d: %s is %#lx, %s, not %#lx\n", __FILE__, __LINE__, #what, is_,                       \
                    mach_error_string((mach_error_t)is_), wanted_);                                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define OK(what) IS(what, 0)

#define SELF mach_task_self()
#define SOON 10000 /* milliseconds after which a test has failed */

/* Waits for a child whose checks all hold. */
static inline void ends_well(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    IS(status, 0);
}

/* This program as another process, with two arguments; with a token it is the task of that. */
static inline pid_t again(const char *self, const char *what, const char *text, unsigned long token) {
    pid_t child = fork();
    if (child != 0)
        return child;
    char number[32];
    snprintf(number, sizeof number, "%lu", token);
    if (token != 0)
        setenv("MACH_TOKEN", number, 1);
    execl(self, self, what, text, (char *)NULL);
    _exit(9);
}

/* A descriptor. */
static inline mach_msg_type_t type_of(unsigned name, unsigned bits, unsigned number, int in_line, int deallocate) {
    mach_msg_type_t type;
    memset(&type, 0, sizeof type);
    type.msgt_name = name & 0xff;
    type.msgt_size = bits & 0xffff;
    type.msgt_inline = in_line & 1;
    type.msgt_deallocate = deallocate & 1;
    type.msgt_number = number;
    return type;
}

/* A header of a message of `size` bytes to `remote`, answered to `local`. */
static inline mach_msg_header_t header_of(mach_port_t remote, unsigned how, mach_port_t local, unsigned reply_how,
                                          unsigned size, int id) {
    mach_msg_header_t header;
    memset(&header, 0, sizeof header);
    header.msgh_bits = MACH_MSGH_BITS(how, reply_how);
    header.msgh_size = size;
    header.msgh_remote_port = remote;
    header.msgh_local_port = local;
    header.msgh_id = id;
    return header;
}

static inline mach_port_t new_port(void) {
    mach_port_t port;
    OK(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port));
    return port;
}

/* Adds a send right to a receive right's name. */
static inline void add_send_right(mach_port_t port) {
    OK(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND));
}

static inline mach_msg_return_t send(mach_msg_header_t *message) {
    return mach_msg(message, MACH_SEND_MSG, message->msgh_size, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL);
}

static inline mach_msg_return_t receive(mach_msg_header_t *message, unsigned size, mach_port_t from) {
    return mach_msg(message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, size, from, SOON, MACH_PORT_NULL);
}

static inline unsigned refs_of(mach_port_t name, mach_port_right_t right) {
    mach_port_urefs_t refs = 0;
    OK(mach_port_get_refs(SELF, name, right, &refs));
    return refs;
}

static inline mach_port_type_t type_of_name(mach_port_t name) {
    mach_port_type_t type = 0;
    return mach_port_type(SELF, name, &type) == KERN_SUCCESS ? type : MACH_PORT_TYPE_NONE;
}

#endif
