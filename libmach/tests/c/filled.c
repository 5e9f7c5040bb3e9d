/* System calls into memory of vm_allocate that nobody has touched, whatever faults are served. */
#define _GNU_SOURCE
#include <fcntl.h>

#include "check.h"

#define LARGE (2ul << 20)
#define SIZE (6 * LARGE)

static unsigned char bytes[SIZE];

int main(void) {
    for (unsigned long at = 0; at < SIZE; at++)
        bytes[at] = (unsigned char)(at * 31 + at / 4096 + 1);
    int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    CHECK(file >= 0 && write(file, bytes, SIZE) == (ssize_t)SIZE);

    /* read(2) over all of it at once, in order; then write(2) of what was read. */
    vm_address_t all = 0;
    OK(vm_allocate(SELF, &all, SIZE, TRUE));
    CHECK(pread(file, (char *)all, SIZE, 0) == (ssize_t)SIZE);
    CHECK(memcmp((char *)all, bytes, SIZE) == 0);
    CHECK(pwrite(file, (char *)all, SIZE, 0) == (ssize_t)SIZE);

    /* Across the border of two large pages, the later one first, and from memory that is zeroes. */
    vm_address_t part = 0;
    OK(vm_allocate(SELF, &part, SIZE, TRUE));
    char *border = (char *)part + 3 * LARGE;
    CHECK(pread(file, border - 100, 4096, 0) == 4096 && memcmp(border - 100, bytes, 4096) == 0);
    CHECK(pwrite(file, (char *)part + LARGE, 4096, 0) == 4096);
    CHECK(pread(file, bytes, 4096, 0) == 4096);
    for (int at = 0; at < 4096; at++)
        CHECK(bytes[at] == 0);
    return 0;
}
