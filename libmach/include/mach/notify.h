/* What the kernel tells whoever asked for it: ids and shapes of the messages. */
#ifndef _MACH_NOTIFY_H_
#define _MACH_NOTIFY_H_

#include <mach/message.h>
#include <mach/port.h>

#define MACH_NOTIFY_FIRST 64
#define MACH_NOTIFY_PORT_DELETED 65   /* a name that was watched is free again */
#define MACH_NOTIFY_MSG_ACCEPTED 66   /* a message that was taken over the limit has been received */
#define MACH_NOTIFY_PORT_DESTROYED 69 /* a receive right that would have been destroyed */
#define MACH_NOTIFY_NO_SENDERS 70     /* the last send right is gone */
#define MACH_NOTIFY_SEND_ONCE 71      /* a send-once right ended unused */
#define MACH_NOTIFY_DEAD_NAME 72      /* the port behind a name is dead */
#define MACH_NOTIFY_LAST 77

typedef struct {
    mach_msg_header_t not_header;
    mach_msg_type_t not_type; /* MACH_MSG_TYPE_PORT_NAME */
    mach_port_name_t not_port;
} mach_port_deleted_notification_t;

typedef struct {
    mach_msg_header_t not_header;
    mach_msg_type_t not_type; /* MACH_MSG_TYPE_PORT_NAME */
    mach_port_name_t not_port;
} mach_msg_accepted_notification_t;

typedef struct {
    mach_msg_header_t not_header;
    mach_msg_type_t not_type; /* MACH_MSG_TYPE_PORT_RECEIVE */
    mach_port_t not_port;
} mach_port_destroyed_notification_t;

typedef struct {
    mach_msg_header_t not_header;
    mach_msg_type_t not_type; /* MACH_MSG_TYPE_INTEGER_32 */
    unsigned int not_count;
} mach_no_senders_notification_t;

typedef struct {
    mach_msg_header_t not_header;
} mach_send_once_notification_t;

typedef struct {
    mach_msg_header_t not_header;
    mach_msg_type_t not_type; /* MACH_MSG_TYPE_PORT_NAME */
    mach_port_name_t not_port;
} mach_dead_name_notification_t;

#endif
