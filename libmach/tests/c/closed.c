/* The node is killed, and no kind of memory shows zeroes: `closed FILE`, which is what the object "data" has, of an exporter
   that has stopped by then. Says "mapped", waits for a line, says "waiting", and ends when all has been looked at. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include <servers/netname.h>

#include "check.h"

#define PAGES 64
#define PAGED ((vm_size_t)20 << 20)
#define NATIVE ((vm_size_t)1 << 20)

static unsigned char file[PAGES * 4096];
static mach_port_t object;
static volatile int over;

static __thread sigjmp_buf back;
static __thread volatile int looking;
static struct sigaction before[2];

static void on_error(int signal, siginfo_t *info, void *context) {
    if (looking)
        siglongjmp(back, 1);
    before[signal == SIGBUS].sa_sigaction(signal, info, context);
}

/* Compares a page, or writes to it: whether it could be done. */
static int looks(const char *address, char *copy) {
    int done = 0;
    if (sigsetjmp(back, 1) == 0) {
        looking = 1;
        memcpy(copy, address, PAGE_SIZE);
        done = 1;
    }
    looking = 0;
    return done;
}

static int pokes(volatile char *address) {
    int done = 0;
    if (sigsetjmp(back, 1) == 0) {
        looking = 1;
        *address = 1;
        done = 1;
    }
    looking = 0;
    return done;
}

/* Whether a page is there; then it is as it should be. */
static int is_right(const char *address, const void *expected) {
    char copy[4096];
    if (!looks(address, copy))
        return 0;
    CHECK(memcmp(copy, expected, PAGE_SIZE) == 0);
    return 1;
}

static int is_all(const char *address, vm_size_t size, int byte) {
    char expected[4096];
    memset(expected, byte, sizeof expected);
    int there = 0;
    for (vm_size_t at = 0; at < size; at += PAGE_SIZE)
        there += is_right(address + at, expected);
    return there;
}

static char *mapped(vm_prot_t protection) {
    vm_address_t address = 0;
    if (vm_map(SELF, &address, sizeof file, 0, TRUE, object, 0, FALSE, protection, protection, VM_INHERIT_COPY) != 0)
        return NULL;
    return (char *)address;
}

static char *allocated(vm_size_t size, int byte) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, size, TRUE));
    memset((char *)address, byte, size);
    return (char *)address;
}

/* A system call that waits for a page which does not come. */
static void *in_a_call(void *page) {
    int to = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    CHECK(to >= 0 && write(to, page, PAGE_SIZE) == -1 && errno == EFAULT);
    return NULL;
}

static void *by_itself(void *page) {
    char copy[4096];
    CHECK(!looks((char *)page, copy));
    return NULL;
}

/* In the middle of a call on its map, whichever it is: what a call has given is good, or an error. */
static void *allocates(void *nothing) {
    vm_address_t address = 0;
    while (!over && vm_allocate(SELF, &address, 3 * PAGE_SIZE, TRUE) == 0) {
        char copy[4096];
        if (pokes((char *)address) && looks((char *)address, copy))
            CHECK(copy[0] == 1);
        if (vm_deallocate(SELF, address, 3 * PAGE_SIZE) != 0)
            break;
    }
    return nothing;
}

static void *maps(void *nothing) {
    char *address;
    while (!over && (address = mapped(VM_PROT_READ)) != NULL) {
        is_right(address + 3 * PAGE_SIZE, file + 3 * PAGE_SIZE);
        if (vm_deallocate(SELF, (vm_address_t)address, sizeof file) != 0)
            break;
    }
    return nothing;
}

static void *freezes(void *native) {
    vm_offset_t copy;
    mach_msg_type_number_t count;
    while (!over && vm_read(SELF, (vm_address_t)native, NATIVE, &copy, &count) == 0) {
        IS(is_all((char *)copy, NATIVE, 'n'), NATIVE / PAGE_SIZE);
        memset((char *)native, 'n', 5 * PAGE_SIZE); /* copied on write, to be gathered */
        if (vm_deallocate(SELF, copy, count) != 0)
            break;
    }
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    int backing = open(argv[1], O_RDONLY);
    CHECK(backing >= 0 && read(backing, file, sizeof file) == (ssize_t)sizeof file);
    OK(netname_look_up(name_server_port, "*", "data", &object));
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    CHECK(sigaction(SIGSEGV, &action, &before[0]) == 0 && sigaction(SIGBUS, &action, &before[1]) == 0);

    char *native = allocated(NATIVE, 'n'), *sent = allocated(NATIVE, 's'), *paged = allocated(PAGED, 'a');
    vm_offset_t copy;
    mach_msg_type_number_t count;
    OK(vm_read(SELF, (vm_address_t)sent, NATIVE, &copy, &count));
    memset(sent, 't', NATIVE / 2);
    char *writable = mapped(VM_PROT_DEFAULT), *readable = mapped(VM_PROT_READ);
    CHECK(writable && readable);
    /* Few, and downwards, so that nothing is read ahead. */
    for (int page = 9; page >= 0; page -= 3)
        CHECK(is_right(readable + page * PAGE_SIZE, file + page * PAGE_SIZE));
    writable[6 * PAGE_SIZE] ^= 1;
    file[6 * PAGE_SIZE] ^= 1;

    puts("mapped");
    fflush(stdout);
    CHECK(getchar() == '\n');
    pthread_t threads[6];
    void *(*acts[])(void *) = {in_a_call, by_itself, by_itself, allocates, maps, freezes};
    void *arguments[] = {writable + 40 * PAGE_SIZE, writable + 41 * PAGE_SIZE, readable + 42 * PAGE_SIZE, NULL, NULL,
                         native};
    for (int i = 0; i < 6; i++)
        CHECK(pthread_create(&threads[i], NULL, acts[i], arguments[i]) == 0);
    usleep(300000);
    puts("waiting");
    fflush(stdout);
    for (int i = 0; i < 6; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);

    for (int page = 0; page < PAGES; page++) {
        is_right(readable + page * PAGE_SIZE, file + page * PAGE_SIZE);
        is_right(writable + page * PAGE_SIZE, file + page * PAGE_SIZE);
        CHECK(!pokes(writable + page * PAGE_SIZE));
    }
    /* What was here stays, unless it had to leave before. */
    CHECK(is_all(paged, PAGED, 'a') < (int)(PAGED / PAGE_SIZE)); /* some has left, and is an error */
    IS(is_all(native, NATIVE, 'n'), NATIVE / PAGE_SIZE);
    IS(is_all(sent, NATIVE / 2, 't') + is_all(sent + NATIVE / 2, NATIVE / 2, 's'), NATIVE / PAGE_SIZE);
    IS(is_all((char *)copy, NATIVE, 's'), NATIVE / PAGE_SIZE);
    return 0;
}
