/* System calls into memory that the node serves. `kernelmode full|user-mode-only FILE`: the first says what faults are served;
   FILE is what the object "data" has. What the library does itself works in both modes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include <servers/netname.h>

#include "check.h"

#define PAGES 128

static int full;
static char *data; /* of the object: each page is touched once, for one purpose */
static unsigned char file[PAGES * 4096];
static int backing;

static char *page(int number) {
    return data + number * PAGE_SIZE;
}

static int is_the_files(const void *bytes, int number, size_t size) {
    return memcmp(bytes, file + number * PAGE_SIZE, size) == 0;
}

/* write(2) from memory at a page: `PAGE_SIZE`, or -1. */
static ssize_t writes(int number) {
    static char back[4096];
    int to = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    CHECK(to >= 0);
    ssize_t count = write(to, page(number), PAGE_SIZE);
    CHECK(count == -1 ? errno == EFAULT : count == (ssize_t)PAGE_SIZE);
    if (count > 0)
        CHECK(pread(to, back, PAGE_SIZE, 0) == (ssize_t)PAGE_SIZE && is_the_files(back, number, PAGE_SIZE));
    close(to);
    return count;
}

/* read(2) of the file's first page into memory at a page. */
static ssize_t reads(int number) {
    ssize_t count = pread(backing, page(number), PAGE_SIZE, 0);
    CHECK(count == -1 ? errno == EFAULT : count == (ssize_t)PAGE_SIZE);
    return count;
}

static void system_calls(void) {
    /* A page that is not here. */
    IS(writes(3), full ? (long)PAGE_SIZE : -1);
    IS(reads(5), full ? (long)PAGE_SIZE : -1);
    /* One that the program has touched itself is as good as any. */
    CHECK(is_the_files(page(7), 7, 1));
    IS(writes(7), (long)PAGE_SIZE);
    /* It is here to be read; to be written it wants another fault. */
    IS(reads(7), full ? (long)PAGE_SIZE : -1);
    page(9)[0] = 'x';
    IS(reads(9), (long)PAGE_SIZE);
    CHECK(is_the_files(file, 0, 1) && memcmp(page(9), file, PAGE_SIZE) == 0);
    if (full)
        CHECK(memcmp(page(5), file, PAGE_SIZE) == 0 && memcmp(page(7), file, PAGE_SIZE) == 0);
    else
        CHECK(is_the_files(page(5), 5, PAGE_SIZE) && is_the_files(page(7), 7, PAGE_SIZE));
    /* What the map forbids it forbids system calls, too. */
    OK(vm_protect(SELF, (vm_address_t)page(9), PAGE_SIZE, FALSE, VM_PROT_READ));
    IS(reads(9), -1);
    OK(vm_protect(SELF, (vm_address_t)page(9), PAGE_SIZE, FALSE, VM_PROT_NONE));
    int null = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    CHECK(write(null, page(9), 1) == -1 && errno == EFAULT);
    close(null);
    /* Memory that nobody has to bring. */
    vm_address_t own = 0;
    OK(vm_allocate(SELF, &own, 4 * PAGE_SIZE, TRUE));
    CHECK(pread(backing, (char *)own, 4 * PAGE_SIZE, 0) == (ssize_t)(4 * PAGE_SIZE));
    CHECK(is_the_files((char *)own, 0, 4 * PAGE_SIZE));
}

typedef struct {
    mach_msg_header_t head;
    mach_msg_type_t type;
    char *data;
} memory_message;

static void calls_of_the_library(void) {
    mach_port_t port = new_port();
    /* Out of line, all of it absent. */
    memory_message m;
    memset(&m, 0, sizeof m);
    m.head = header_of(port, MACH_MSG_TYPE_MAKE_SEND, MACH_PORT_NULL, 0, sizeof m, 9);
    m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.type = type_of(MACH_MSG_TYPE_BYTE, 8, 40 * PAGE_SIZE, FALSE, FALSE);
    m.data = page(16);
    OK(send(&m.head));
    OK(receive(&m.head, sizeof m, port));
    CHECK(is_the_files(m.data, 16, 40 * PAGE_SIZE));

    /* A message that lies across a border, its end in a page that is not here; and received in such pages. */
    mach_msg_header_t *head = (mach_msg_header_t *)(page(60) - sizeof *head);
    unsigned size = sizeof *head + 512;
    *head = header_of(port, MACH_MSG_TYPE_MAKE_SEND, MACH_PORT_NULL, 0, size, 10);
    OK(send(head));
    mach_msg_header_t *got = (mach_msg_header_t *)(page(63) - sizeof *got - 100);
    OK(receive(got, size + 64, port));
    CHECK(got->msgh_id == 10 && is_the_files(got + 1, 60, 512));

    /* Read, written and copied by the library for the kernel. */
    vm_offset_t copy = 0;
    mach_msg_type_number_t count = 0;
    OK(vm_read(SELF, (vm_address_t)page(64) + 5, 12 * PAGE_SIZE, &copy, &count));
    CHECK(count == 12 * PAGE_SIZE && memcmp((char *)copy, file + 64 * PAGE_SIZE + 5, count) == 0);
    OK(vm_copy(SELF, (vm_address_t)page(80), 10 * PAGE_SIZE, (vm_address_t)page(92)));
    CHECK(memcmp(page(92), file + 80 * PAGE_SIZE, 10 * PAGE_SIZE) == 0);
    OK(vm_write(SELF, (vm_address_t)page(104), (vm_offset_t)page(112), 8 * PAGE_SIZE));
    CHECK(memcmp(page(104), file + 112 * PAGE_SIZE, 8 * PAGE_SIZE) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    full = strcmp(argv[1], "full") == 0;
    backing = open(argv[2], O_RDONLY);
    CHECK(backing >= 0 && read(backing, file, sizeof file) == (ssize_t)sizeof file);
    mach_port_t object;
    OK(netname_look_up(name_server_port, "*", "data", &object));
    vm_address_t address = 0;
    OK(vm_map(SELF, &address, sizeof file, 0, TRUE, object, 0, FALSE, VM_PROT_DEFAULT, VM_PROT_DEFAULT, VM_INHERIT_COPY));
    data = (char *)address;
    system_calls();
    calls_of_the_library();
    return 0;
}
