/*
 * Sizes, offsets and values of the headers, for C and for C++: what a program compiled against GNU Mach's headers has
 * for x86-64. `libmach/src/abi.rs` asserts the same from the other side.
 */
#include <stddef.h>

#include <mach.h>
#include <mach/exception.h>
#include <mach/error.h>
#include <mach/mach.h>
#include <mach/mach_interface.h>
#include <mach/mig_errors.h>
#include <mach/mig_support.h>
#include <mach/vm_param.h>
#include <mach_error.h>
#include <mach_init.h>
#include <servers/netname.h>

#ifdef __cplusplus
#define IS(what) static_assert(what, #what)
#else
#define IS(what) _Static_assert(what, #what)
#endif

IS(sizeof(natural_t) == 4 && sizeof(integer_t) == 4 && sizeof(long_natural_t) == 8 && sizeof(vm_offset_t) == 8);
IS(sizeof(vm_size_t) == 8 && sizeof(vm_address_t) == 8 && sizeof(rpc_uintptr_t) == 8 && sizeof(pointer_t) == 8);
IS(sizeof(boolean_t) == 4 && sizeof(kern_return_t) == 4 && sizeof(mach_port_t) == 4 && sizeof(mach_port_name_t) == 4);
IS(sizeof(vm_prot_t) == 4 && sizeof(vm_inherit_t) == 4 && sizeof(vm_sync_t) == 4);

IS(sizeof(mach_msg_header_t) == 32);
IS(offsetof(mach_msg_header_t, msgh_bits) == 0 && offsetof(mach_msg_header_t, msgh_size) == 4);
IS(offsetof(mach_msg_header_t, msgh_remote_port) == 8 && offsetof(mach_msg_header_t, msgh_local_port) == 16);
IS(offsetof(mach_msg_header_t, msgh_protected_payload) == 16);
IS(offsetof(mach_msg_header_t, msgh_seqno) == 24 && offsetof(mach_msg_header_t, msgh_id) == 28);
IS(sizeof(mach_msg_type_t) == 8 && sizeof(mach_msg_type_long_t) == 8 && sizeof(mach_port_name_inlined_t) == 8);
IS(offsetof(mach_msg_type_t, msgt_number) == 4 && offsetof(mach_msg_type_long_t, msgtl_number) == 4);
IS(__alignof__(mach_msg_type_t) == 8 && __alignof__(mach_msg_type_long_t) == 8);
IS(MACH_MSG_USER_ALIGNMENT == 8);

IS(sizeof(mig_reply_header_t) == 48 && offsetof(mig_reply_header_t, RetCodeType) == 32);
IS(offsetof(mig_reply_header_t, RetCode) == 40);

IS(sizeof(mach_port_status_t) == 36);
IS(offsetof(mach_port_status_t, mps_pset) == 0 && offsetof(mach_port_status_t, mps_seqno) == 4);
IS(offsetof(mach_port_status_t, mps_mscount) == 8 && offsetof(mach_port_status_t, mps_qlimit) == 12);
IS(offsetof(mach_port_status_t, mps_msgcount) == 16 && offsetof(mach_port_status_t, mps_sorights) == 20);
IS(offsetof(mach_port_status_t, mps_srights) == 24 && offsetof(mach_port_status_t, mps_nsrequest) == 32);

IS(offsetof(mach_port_deleted_notification_t, not_type) == 32 && sizeof(mach_port_deleted_notification_t) == 48);
IS(offsetof(mach_dead_name_notification_t, not_port) == 40 && sizeof(mach_dead_name_notification_t) == 48);
IS(offsetof(mach_no_senders_notification_t, not_count) == 40 && sizeof(mach_no_senders_notification_t) == 48);
IS(offsetof(mach_port_destroyed_notification_t, not_port) == 40 && sizeof(mach_send_once_notification_t) == 32);
IS(MACH_NOTIFY_PORT_DELETED == 65 && MACH_NOTIFY_MSG_ACCEPTED == 66 && MACH_NOTIFY_PORT_DESTROYED == 69);
IS(MACH_NOTIFY_NO_SENDERS == 70 && MACH_NOTIFY_SEND_ONCE == 71 && MACH_NOTIFY_DEAD_NAME == 72);

IS(MACH_PORT_NULL == 0 && MACH_PORT_DEAD == 0xffffffffU);
IS(MACH_PORT_RIGHT_SEND == 0 && MACH_PORT_RIGHT_RECEIVE == 1 && MACH_PORT_RIGHT_SEND_ONCE == 2);
IS(MACH_PORT_RIGHT_PORT_SET == 3 && MACH_PORT_RIGHT_DEAD_NAME == 4);
IS(MACH_PORT_TYPE_SEND == 0x10000 && MACH_PORT_TYPE_RECEIVE == 0x20000 && MACH_PORT_TYPE_SEND_ONCE == 0x40000);
IS(MACH_PORT_TYPE_PORT_SET == 0x80000 && MACH_PORT_TYPE_DEAD_NAME == 0x100000);
IS(MACH_PORT_TYPE_ALL_RIGHTS == 0x1f0000 && MACH_PORT_TYPE_SEND_RECEIVE == 0x30000);
IS(MACH_PORT_TYPE_DNREQUEST == 0x80000000U && MACH_PORT_TYPE_MAREQUEST == 0x40000000);

IS(MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) == 0x1513);
IS(MACH_MSGH_BITS_COMPLEX == 0x80000000U && MACH_MSGH_BITS_REMOTE(0x1513) == 0x13 && MACH_MSGH_BITS_LOCAL(0x1513) == 0x15);
IS(MACH_MSG_TYPE_BOOLEAN == 0 && MACH_MSG_TYPE_INTEGER_16 == 1 && MACH_MSG_TYPE_INTEGER_32 == 2);
IS(MACH_MSG_TYPE_CHAR == 8 && MACH_MSG_TYPE_BYTE == 9 && MACH_MSG_TYPE_REAL == 10 && MACH_MSG_TYPE_INTEGER_64 == 11);
IS(MACH_MSG_TYPE_STRING_C == 12 && MACH_MSG_TYPE_PORT_NAME == 15 && MACH_MSG_TYPE_MOVE_RECEIVE == 16);
IS(MACH_MSG_TYPE_MOVE_SEND == 17 && MACH_MSG_TYPE_MOVE_SEND_ONCE == 18 && MACH_MSG_TYPE_COPY_SEND == 19);
IS(MACH_MSG_TYPE_MAKE_SEND == 20 && MACH_MSG_TYPE_MAKE_SEND_ONCE == 21 && MACH_MSG_TYPE_PROTECTED_PAYLOAD == 23);

IS(MACH_SEND_MSG == 1 && MACH_RCV_MSG == 2 && MACH_SEND_TIMEOUT == 0x10 && MACH_SEND_NOTIFY == 0x20);
IS(MACH_SEND_INTERRUPT == 0x40 && MACH_SEND_CANCEL == 0x80 && MACH_RCV_TIMEOUT == 0x100 && MACH_RCV_NOTIFY == 0x200);
IS(MACH_RCV_INTERRUPT == 0x400 && MACH_RCV_LARGE == 0x800);

IS(MACH_SEND_INVALID_DEST == 0x10000003 && MACH_SEND_TIMED_OUT == 0x10000004 && MACH_SEND_INVALID_HEADER == 0x10000010);
IS(MACH_SEND_MSG_TOO_SMALL == 0x10000008 && MACH_SEND_INVALID_REPLY == 0x10000009);
IS(MACH_SEND_INVALID_RIGHT == 0x1000000a && MACH_SEND_INVALID_MEMORY == 0x1000000c);
IS(MACH_SEND_INVALID_TYPE == 0x1000000f && MACH_RCV_INVALID_NAME == 0x10004002 && MACH_RCV_TIMED_OUT == 0x10004003);
IS(MACH_RCV_TOO_LARGE == 0x10004004 && MACH_RCV_PORT_DIED == 0x10004009 && MACH_RCV_IN_SET == 0x1000400a);
IS(MACH_RCV_BODY_ERROR == 0x1000400c && MACH_MSG_VM_SPACE == 0x1000 && MACH_MSG_IPC_SPACE == 0x2000);
IS(err_get_system(MACH_RCV_TIMED_OUT) == 4 && err_get_sub(MACH_RCV_TIMED_OUT) == 1);
IS(err_get_code(MACH_RCV_TIMED_OUT) == 3 && err_mach_ipc == 0x10000000);

IS(MIG_TYPE_ERROR == -300 && MIG_BAD_ID == -303 && MIG_NO_REPLY == -305 && MIG_SERVER_DIED == -308);
IS(KERN_INVALID_ARGUMENT == 4 && KERN_INVALID_NAME == 15 && KERN_INVALID_RIGHT == 17 && KERN_TERMINATED == 26);

IS(VM_PROT_READ == 1 && VM_PROT_WRITE == 2 && VM_PROT_EXECUTE == 4 && VM_PROT_NO_CHANGE == 8);
IS(VM_INHERIT_SHARE == 0 && VM_INHERIT_COPY == 1 && VM_INHERIT_NONE == 2 && PAGE_SIZE == 4096);
IS(sizeof(vm_statistics_data_t) == 52 && sizeof(struct time_value64) == 16 && sizeof(time_value_t) == 16);
IS(sizeof(task_basic_info_data_t) == 120 && sizeof(thread_basic_info_data_t) == 128);
IS(sizeof(host_basic_info_data_t) == 24 && offsetof(host_basic_info_data_t, memory_size) == 8);
IS(sizeof(netname_name_t) == 80 && NETNAME_NOT_CHECKED_IN == 1001);

/* The bits of a descriptor, which no assertion at compile time can see. */
int main(void) {
    union {
        mach_msg_type_t type;
        mach_msg_type_long_t wide;
        uint64_t word;
    } it;

    it.word = 0;
    it.type.msgt_name = MACH_MSG_TYPE_INTEGER_32;
    it.type.msgt_size = 32;
    it.type.msgt_inline = TRUE;
    it.type.msgt_number = 1;
    if (it.word != 0x0000000120002002)
        return 1;
    it.word = 0;
    it.wide.msgtl_name = MACH_MSG_TYPE_PORT_SEND;
    it.wide.msgtl_size = 32;
    it.wide.msgtl_longform = TRUE;
    it.wide.msgtl_deallocate = TRUE;
    it.wide.msgtl_number = 7;
    if (it.word != 0x00000007c0002011 || it.wide.msgtl_header.msgt_number != 7)
        return 2;
    if (round_page(1) != 4096 || trunc_page(4097) != 4096 || !page_aligned(8192))
        return 3;
    return 0;
}
