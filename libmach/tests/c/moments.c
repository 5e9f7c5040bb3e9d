/* A copy is of one moment, however it has to be made, while another thread goes on writing. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

#define MEBI ((vm_size_t)1 << 20)
#define PAGE ((vm_size_t)4096)
#define ROUNDS_AFTER 2 /* rounds of the writer's between two copies */

static char *memory;
static vm_size_t pages;
static atomic_ulong rounds;
static atomic_int stop;

static unsigned long *word(char *data, vm_size_t page) {
    return (unsigned long *)(data + page * PAGE);
}

/* Counts every page up, in order, again and again. */
static void *writer(void *nothing) {
    for (unsigned long round = 1; !atomic_load(&stop); round++) {
        for (vm_size_t page = 0; page < pages; page++)
            *(volatile unsigned long *)word(memory, page) = round;
        atomic_store(&rounds, round);
    }
    return nothing;
}

/* The writer was at one place: what is before it is of its round, what is behind it of the one before. */
static void is_of_one_moment(char *copy, vm_size_t count) {
    unsigned long first = *word(copy, 0);
    vm_size_t at = 0;
    while (at < count && *word(copy, at) == first)
        at++;
    for (vm_size_t page = at; page < count; page++)
        if (*word(copy, page) != first - 1) {
            fprintf(stderr, "page %lu of %lu has %lu, the first %lu\n", page, count, *word(copy, page), first);
            exit(1);
        }
}

static void copies(vm_size_t from, vm_size_t bytes) {
    vm_offset_t copy;
    mach_msg_type_number_t count;
    OK(vm_read(SELF, (vm_address_t)memory + from, bytes, &copy, &count));
    IS(count, bytes);
    is_of_one_moment((char *)copy, bytes / PAGE);
    OK(vm_deallocate(SELF, copy, bytes));
}

/* Of so much memory so much in the middle is copied, in MiB, so many times. */
int main(int argc, char **argv) {
    CHECK(argc == 4);
    vm_size_t bytes = strtoul(argv[1], NULL, 10) * MEBI, part = strtoul(argv[2], NULL, 10) * MEBI;
    int times = atoi(argv[3]);
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, bytes, TRUE));
    memory = (char *)address;
    pages = bytes / PAGE;
    pthread_t thread;
    OK(pthread_create(&thread, NULL, writer, NULL));
    for (int n = 0; n < times; n++) {
        unsigned long until = atomic_load(&rounds) + ROUNDS_AFTER;
        while (atomic_load(&rounds) < until)
            usleep(100);
        copies((bytes - part) / 2, part);
    }
    atomic_store(&stop, 1);
    OK(pthread_join(thread, NULL));
    return 0;
}
