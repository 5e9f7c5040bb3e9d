/*
 * Messages: a header, then pairs of a type descriptor and its data, each starting at a multiple of 8 bytes.
 *
 * The layout is Mach 3's for 64-bit tasks: a header of 32 bytes, descriptors of 8, a right that stands in the
 * message itself in a slot of 8, a right in an out-of-line array in 4.
 */
#ifndef _MACH_MESSAGE_H_
#define _MACH_MESSAGE_H_

#include <mach/kern_return.h>
#include <mach/port.h>

/* Milliseconds. Counts only with MACH_SEND_TIMEOUT or MACH_RCV_TIMEOUT; 0 does not wait at all. */
typedef natural_t mach_msg_timeout_t;

#define MACH_MSG_TIMEOUT_NONE 0

/* msgh_bits: what becomes of the two ports of the header, and whether the body holds rights or memory. */
#define MACH_MSGH_BITS_ZERO 0x00000000
#define MACH_MSGH_BITS_REMOTE_MASK 0x000000ff
#define MACH_MSGH_BITS_LOCAL_MASK 0x0000ff00
#define MACH_MSGH_BITS_COMPLEX 0x80000000U
#define MACH_MSGH_BITS_CIRCULAR 0x40000000
#define MACH_MSGH_BITS_COMPLEX_PORTS 0x20000000
#define MACH_MSGH_BITS_COMPLEX_DATA 0x10000000
#define MACH_MSGH_BITS_MIGRATED 0x08000000
#define MACH_MSGH_BITS_UNUSED 0x07ff0000

#define MACH_MSGH_BITS_PORTS_MASK (MACH_MSGH_BITS_REMOTE_MASK | MACH_MSGH_BITS_LOCAL_MASK)
#define MACH_MSGH_BITS(remote, local) ((remote) | ((local) << 8))
#define MACH_MSGH_BITS_REMOTE(bits) ((bits) & MACH_MSGH_BITS_REMOTE_MASK)
#define MACH_MSGH_BITS_LOCAL(bits) (((bits) & MACH_MSGH_BITS_LOCAL_MASK) >> 8)
#define MACH_MSGH_BITS_PORTS(bits) ((bits) & MACH_MSGH_BITS_PORTS_MASK)
#define MACH_MSGH_BITS_OTHER(bits) ((bits) & ~MACH_MSGH_BITS_PORTS_MASK)

typedef unsigned int mach_msg_bits_t;
typedef unsigned int mach_msg_size_t;
typedef natural_t mach_msg_seqno_t;
typedef integer_t mach_msg_id_t;

/*
 * Going out, remote is the destination and local the port to reply to; a received message has them swapped. The size
 * counts everything from the header on; the sequence number is filled in on receipt.
 */
typedef struct mach_msg_header {
    mach_msg_bits_t msgh_bits;
    mach_msg_size_t msgh_size;
    union {
        mach_port_t msgh_remote_port;
        rpc_uintptr_t msgh_remote_port_do_not_use; /* makes the slot 8 bytes wide */
    };
    union {
        mach_port_t msgh_local_port;
        rpc_uintptr_t msgh_protected_payload;
    };
    mach_port_seqno_t msgh_seqno;
    mach_msg_id_t msgh_id;
} mach_msg_header_t;

typedef mach_msg_header_t mach_msg_user_header_t;

#define MACH_MSG_SIZE_MAX ((mach_msg_size_t)~0)

/* For programs of the time when a kind stood in place of the sequence number. */
#define MACH_MSGH_KIND_NORMAL 0x00000000
#define msgh_kind msgh_seqno
#define mach_msg_kind_t mach_port_seqno_t

typedef unsigned int mach_msg_type_name_t;
typedef unsigned int mach_msg_type_size_t;
typedef natural_t mach_msg_type_number_t;

/* The slot of a right that stands in the message itself. */
typedef struct {
    union {
        mach_port_name_t name;
        uintptr_t kernel_port_do_not_use; /* makes the slot 8 bytes wide */
    };
} mach_port_name_inlined_t;

/*
 * The descriptor of an item: `msgt_number` elements of `msgt_size` bits. Inline they follow it, filled up to 8 bytes;
 * otherwise their address follows, and with `msgt_deallocate` the sender gives its memory away.
 */
typedef struct {
    unsigned int msgt_name : 8, msgt_size : 16, msgt_unused : 5, msgt_inline : 1, msgt_longform : 1,
        msgt_deallocate : 1;
    mach_msg_type_number_t msgt_number;
} __attribute__((aligned(__alignof__(uintptr_t)))) mach_msg_type_t;

/* The long form holds no more than the short one on 64 bits, and has the same layout. */
typedef struct {
    union {
        mach_msg_type_t msgtl_header;
        __extension__ struct {
            unsigned int msgtl_name : 8, msgtl_size : 16, msgtl_unused : 5, msgtl_inline : 1, msgtl_longform : 1,
                msgtl_deallocate : 1;
            mach_msg_type_number_t msgtl_number;
        };
    };
} __attribute__((aligned(__alignof__(uintptr_t)))) mach_msg_type_long_t;

/* msgt_name of plain data. */
#define MACH_MSG_TYPE_UNSTRUCTURED 0
#define MACH_MSG_TYPE_BIT 0
#define MACH_MSG_TYPE_BOOLEAN 0
#define MACH_MSG_TYPE_INTEGER_16 1
#define MACH_MSG_TYPE_INTEGER_32 2
#define MACH_MSG_TYPE_CHAR 8
#define MACH_MSG_TYPE_BYTE 9
#define MACH_MSG_TYPE_INTEGER_8 9
#define MACH_MSG_TYPE_REAL 10
#define MACH_MSG_TYPE_INTEGER_64 11
#define MACH_MSG_TYPE_STRING 12
#define MACH_MSG_TYPE_STRING_C 12
/* A name that is no more than a number to the node. */
#define MACH_MSG_TYPE_PORT_NAME 15

/* msgt_name of rights, as they are sent: what the sender gives, and what it must hold for that. */
#define MACH_MSG_TYPE_MOVE_RECEIVE 16   /* the receive right; the sender loses it */
#define MACH_MSG_TYPE_MOVE_SEND 17      /* a send right; the sender loses one reference */
#define MACH_MSG_TYPE_MOVE_SEND_ONCE 18 /* a send-once right; the sender loses it */
#define MACH_MSG_TYPE_COPY_SEND 19      /* a send right; the sender keeps its own */
#define MACH_MSG_TYPE_MAKE_SEND 20      /* the receive right; a send right is made */
#define MACH_MSG_TYPE_MAKE_SEND_ONCE 21 /* the receive right; a send-once right is made */

/* And as they arrive. */
#define MACH_MSG_TYPE_PORT_RECEIVE MACH_MSG_TYPE_MOVE_RECEIVE
#define MACH_MSG_TYPE_PORT_SEND MACH_MSG_TYPE_MOVE_SEND
#define MACH_MSG_TYPE_PORT_SEND_ONCE MACH_MSG_TYPE_MOVE_SEND_ONCE

#define MACH_MSG_TYPE_PROTECTED_PAYLOAD 23
#define MACH_MSG_TYPE_LAST 23

/* Stands in interfaces for a type that each message brings along. */
#define MACH_MSG_TYPE_POLYMORPHIC ((mach_msg_type_name_t)-1)

#define MACH_MSG_TYPE_PORT_ANY(x) ((x) >= MACH_MSG_TYPE_MOVE_RECEIVE && (x) <= MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define MACH_MSG_TYPE_PORT_ANY_SEND(x) ((x) >= MACH_MSG_TYPE_MOVE_SEND && (x) <= MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define MACH_MSG_TYPE_PORT_ANY_RIGHT(x) ((x) >= MACH_MSG_TYPE_MOVE_RECEIVE && (x) <= MACH_MSG_TYPE_MOVE_SEND_ONCE)

/* What mach_msg does. */
typedef integer_t mach_msg_option_t;

#define MACH_MSG_OPTION_NONE 0x00000000
#define MACH_SEND_MSG 0x00000001
#define MACH_RCV_MSG 0x00000002
#define MACH_SEND_TIMEOUT 0x00000010   /* wait for room no longer than the timeout */
#define MACH_SEND_NOTIFY 0x00000020    /* tell when a message was taken that had no room */
#define MACH_SEND_INTERRUPT 0x00000040 /* an interrupted send is not begun again */
#define MACH_SEND_CANCEL 0x00000080
#define MACH_RCV_TIMEOUT 0x00000100    /* wait for a message no longer than the timeout */
#define MACH_RCV_NOTIFY 0x00000200
#define MACH_RCV_INTERRUPT 0x00000400  /* an interrupted receive is not begun again */
#define MACH_RCV_LARGE 0x00000800      /* a message that does not fit stays queued */
#define MACH_SEND_ALWAYS 0x00010000    /* the kernel's own */

#define MACH_MSG_USER_ALIGNMENT 8

/* What mach_msg answers: system 4 of <mach/error.h>, subsystem 0 for the send half and 1 for the receive half. */
typedef kern_return_t mach_msg_return_t;

#define MACH_MSG_SUCCESS 0x00000000

/* Bits that a code may have beside its number. */
#define MACH_MSG_MASK 0x00003c00
#define MACH_MSG_IPC_SPACE 0x00002000  /* no room for a name in the task's space */
#define MACH_MSG_VM_SPACE 0x00001000   /* no room for memory in the task's address space */
#define MACH_MSG_IPC_KERNEL 0x00000800 /* the node is short of something for a right */
#define MACH_MSG_VM_KERNEL 0x00000400  /* the node is short of something for memory */

#define MACH_SEND_IN_PROGRESS 0x10000001        /* seen by nobody */
#define MACH_SEND_INVALID_DATA 0x10000002       /* the buffer cannot be read */
#define MACH_SEND_INVALID_DEST 0x10000003       /* no such destination, or it is dead */
#define MACH_SEND_TIMED_OUT 0x10000004          /* no room in time */
#define MACH_SEND_WILL_NOTIFY 0x10000005        /* taken over the limit; a notification will follow */
#define MACH_SEND_NOTIFY_IN_PROGRESS 0x10000006 /* one such message is under way already */
#define MACH_SEND_INTERRUPTED 0x10000007        /* interrupted while it waited for room */
#define MACH_SEND_MSG_TOO_SMALL 0x10000008      /* the items do not fit into the size */
#define MACH_SEND_INVALID_REPLY 0x10000009      /* no such reply port */
#define MACH_SEND_INVALID_RIGHT 0x1000000a      /* a right of the body that is none */
#define MACH_SEND_INVALID_NOTIFY 0x1000000b     /* no such notify port */
#define MACH_SEND_INVALID_MEMORY 0x1000000c     /* out-of-line memory that cannot be read */
#define MACH_SEND_NO_BUFFER 0x1000000d          /* the node has no room for it */
#define MACH_SEND_NO_NOTIFY 0x1000000e          /* the node has no room for the notification */
#define MACH_SEND_INVALID_TYPE 0x1000000f       /* a descriptor that is none */
#define MACH_SEND_INVALID_HEADER 0x10000010     /* bits that are none */

#define MACH_RCV_IN_PROGRESS 0x10004001    /* seen by nobody */
#define MACH_RCV_INVALID_NAME 0x10004002   /* neither a receive right nor a port set */
#define MACH_RCV_TIMED_OUT 0x10004003      /* nothing came in time */
#define MACH_RCV_TOO_LARGE 0x10004004      /* the message does not fit into the buffer */
#define MACH_RCV_INTERRUPTED 0x10004005    /* interrupted while it waited */
#define MACH_RCV_PORT_CHANGED 0x10004006   /* the port was moved into a set, or away, meanwhile */
#define MACH_RCV_INVALID_NOTIFY 0x10004007 /* no such notify port */
#define MACH_RCV_INVALID_DATA 0x10004008   /* the buffer cannot be written; the message is lost */
#define MACH_RCV_PORT_DIED 0x10004009      /* the port or set was destroyed meanwhile */
#define MACH_RCV_IN_SET 0x1000400a         /* a member of a set: receive from the set */
#define MACH_RCV_HEADER_ERROR 0x1000400b   /* the rights of the header found no place */
#define MACH_RCV_BODY_ERROR 0x1000400c     /* some right or memory of the body found no place */

#ifdef __cplusplus
extern "C" {
#endif

/* Sends, receives, or does both; begins again when interrupted, unless told otherwise. */
extern mach_msg_return_t mach_msg(mach_msg_header_t *msg, mach_msg_option_t option, mach_msg_size_t send_size,
                                  mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
                                  mach_port_name_t notify);

/* The same, never begun again. */
extern mach_msg_return_t mach_msg_trap(mach_msg_user_header_t *msg, mach_msg_option_t option,
                                       mach_msg_size_t send_size, mach_msg_size_t rcv_size, mach_port_name_t rcv_name,
                                       mach_msg_timeout_t timeout, mach_port_name_t notify);

/* Gives up what a message carries that was received or came back: the right in msgh_remote_port, and every right and
   all memory of its body. The port in msgh_local_port, where it arrived, stays; so does the right to reply that a message
   which came back has there. */
extern void mach_msg_destroy(mach_msg_header_t *msg);

/* Serves requests from a port or set until a receive fails; the demultiplexer writes each reply. */
extern mach_msg_return_t mach_msg_server(boolean_t (*demux)(mach_msg_header_t *request, mach_msg_header_t *reply),
                                         mach_msg_size_t max_size, mach_port_t rcv_name);

/* The same, ending when the time is up (with MACH_RCV_TIMEOUT in option). */
extern mach_msg_return_t mach_msg_server_timeout(boolean_t (*demux)(mach_msg_header_t *request,
                                                                    mach_msg_header_t *reply),
                                                 mach_msg_size_t max_size, mach_port_t rcv_name,
                                                 mach_msg_option_t option, mach_msg_timeout_t timeout);

#ifdef __cplusplus
}
#endif

#endif
