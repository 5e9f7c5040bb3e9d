/* A program has handlers of its own for memory errors, which jump: out of its own accesses, never out of a call. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define BYTES ((vm_size_t)64 << 10)

static sigjmp_buf back;
static int jumps, others;
static struct sigaction replaced;

static void jump(int signal) {
    (void)signal;
    jumps++;
    siglongjmp(back, 1);
}

/* One that came later, and passes on. */
static void other(int signal, siginfo_t *info, void *context) {
    others++;
    if (replaced.sa_flags & SA_SIGINFO)
        replaced.sa_sigaction(signal, info, context);
    else
        replaced.sa_handler(signal);
}

static void install_jump(int signal) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = jump;
    OK(sigaction(signal, &action, NULL));
}

/* Calls that meet memory which refuses say so. */
static void calls_answer(char *memory, char *refuses, mach_port_t port) {
    int before = jumps;
    vm_offset_t copy;
    mach_msg_type_number_t count;
    if (sigsetjmp(back, 1))
        CHECK(!"it jumped out of a call");
    for (int round = 0; round < 3; round++) {
        IS(vm_write(SELF, (vm_address_t)memory, (vm_offset_t)refuses, 100), KERN_INVALID_ADDRESS);
        IS(vm_write(SELF, (vm_address_t)memory, (vm_offset_t)refuses, BYTES), KERN_INVALID_ADDRESS);
        IS(mach_msg((mach_msg_header_t *)refuses, MACH_SEND_MSG, sizeof(mach_msg_header_t), 0, 0, 0, 0), MACH_SEND_INVALID_DATA);
        mach_msg_header_t m = header_of(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 1);
        OK(send(&m));
        IS(receive((mach_msg_header_t *)refuses, sizeof m, port), MACH_RCV_INVALID_DATA);
        CHECK(vm_read(SELF, (vm_address_t)refuses, 100, &copy, &count) != KERN_SUCCESS);
        /* And the next one is carried out. */
        OK(vm_read(SELF, (vm_address_t)memory, BYTES, &copy, &count));
        IS(memcmp((char *)copy, memory, BYTES), 0);
        OK(vm_deallocate(SELF, copy, BYTES));
    }
    IS(jumps, before);
}

/* The program's own access is its own affair. */
static void access_jumps(char *refuses) {
    int before = jumps;
    if (sigsetjmp(back, 1) == 0) {
        *(volatile char *)refuses;
        CHECK(!"it can be read");
    }
    IS(jumps, before + 1);
}

/* What a child is to share is read for it, be it readable or not. */
static void forks(char *memory) {
    vm_offset_t copy;
    mach_msg_type_number_t count;
    OK(vm_protect(SELF, (vm_address_t)memory, BYTES, FALSE, VM_PROT_DEFAULT));
    memset(memory, 1, BYTES);
    OK(vm_read(SELF, (vm_address_t)memory, BYTES, &copy, &count));
    memset(memory, 2, BYTES);
    OK(vm_inherit(SELF, (vm_address_t)memory, BYTES, VM_INHERIT_SHARE));
    OK(vm_protect(SELF, (vm_address_t)memory, BYTES, FALSE, VM_PROT_NONE));
    int before = jumps;
    install_jump(SIGSEGV);
    if (sigsetjmp(back, 1))
        CHECK(!"it jumped out of fork");
    pid_t child = fork();
    if (child == 0) {
        OK(vm_protect(SELF, (vm_address_t)memory, BYTES, FALSE, VM_PROT_DEFAULT));
        CHECK(memory[0] == 2 && memory[BYTES - 1] == 2);
        memory[0] = 3;
        _exit(0);
    }
    ends_well(child);
    IS(jumps, before);
    OK(vm_protect(SELF, (vm_address_t)memory, BYTES, FALSE, VM_PROT_DEFAULT));
    CHECK(memory[0] == 3 && memory[BYTES - 1] == 2);
}

int main(void) {
    mach_port_t port = new_port();
    add_send_right(port);
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, BYTES, TRUE));
    char *memory = (char *)address, *hole = mmap(NULL, BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(hole != MAP_FAILED);
    memset(memory, 1, BYTES);
    vm_address_t guarded = 0;
    OK(vm_allocate(SELF, &guarded, BYTES, TRUE));
    OK(vm_protect(SELF, guarded, BYTES, FALSE, VM_PROT_NONE));
    install_jump(SIGSEGV);
    install_jump(SIGBUS);
    char *refuses[] = {hole, (char *)guarded};
    for (int n = 0; n < 4; n++) {
        calls_answer(memory, refuses[n % 2], port);
        access_jumps(refuses[n % 2]);
        /* Others before it, again and again. */
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = other;
        action.sa_flags = SA_SIGINFO;
        if (n == 1)
            OK(sigaction(SIGSEGV, &action, &replaced));
        if (n == 2)
            OK(sigaction(SIGSEGV, &replaced, NULL));
    }
    CHECK(others == 1);
    forks((char *)guarded);
    return 0;
}
