/* fork(2) while other threads map, unmap, copy and write: a child has all of a region or nothing of it. */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

#define FORKS 60
#define THREADS 3
#define PAGES 16
#define SIZE (PAGES * PAGE_SIZE)

static atomic_int ended;
/* What a thread has at the moment, wholly filled with its letter; 0 for nothing. */
static _Atomic vm_address_t held[THREADS];

static void *changes(void *number) {
    int me = (int)(long)number;
    while (!atomic_load(&ended)) {
        vm_address_t address = 0;
        OK(vm_allocate(SELF, &address, SIZE, TRUE));
        memset((void *)address, 'A' + me, SIZE);
        atomic_store(&held[me], address);
        vm_offset_t copy;
        mach_msg_type_number_t count;
        OK(vm_read(SELF, address, SIZE, &copy, &count));
        CHECK(*(char *)copy == 'A' + me && ((char *)copy)[SIZE - 1] == 'A' + me);
        OK(vm_deallocate(SELF, copy, count));
        memset((void *)address, 'A' + me, SIZE);
        OK(vm_protect(SELF, address, PAGE_SIZE, FALSE, VM_PROT_READ));
        atomic_store(&held[me], 0);
        OK(vm_deallocate(SELF, address, SIZE));
    }
    return NULL;
}

int main(void) {
    vm_address_t shared = 0, copied = 0;
    OK(vm_allocate(SELF, &shared, SIZE, TRUE));
    OK(vm_inherit(SELF, shared, SIZE, VM_INHERIT_SHARE));
    OK(vm_allocate(SELF, &copied, SIZE, TRUE));
    memset((void *)copied, 'c', SIZE);
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, changes, (void *)i) == 0);
    for (int i = 0; i < FORKS; i++) {
        *(int *)copied = i;
        pid_t child = fork();
        if (child == 0) {
            CHECK(*(int *)copied == i && ((char *)copied)[SIZE - 1] == 'c');
            *(int *)copied = -1;
            *(int *)shared = i + 1;
            /* A node that was asked between two steps of a thread has what it has; what it says is there, is there. */
            for (int t = 0; t < THREADS; t++) {
                vm_address_t at = atomic_load(&held[t]), region = at;
                vm_size_t size;
                vm_prot_t any;
                vm_inherit_t inheritance;
                boolean_t is_shared;
                mach_port_t name;
                vm_offset_t offset;
                if (at == 0 || vm_region(SELF, &region, &size, &any, &any, &inheritance, &is_shared, &name, &offset) ||
                    region > at)
                    continue;
                CHECK(((volatile char *)at)[0] == 'A' + t && ((volatile char *)at)[SIZE - 1] == 'A' + t);
            }
            vm_address_t own = 0;
            OK(vm_allocate(SELF, &own, SIZE, TRUE));
            CHECK(*(char *)own == 0);
            _exit(0);
        }
        ends_well(child);
        CHECK(*(int *)copied == i && *(int *)shared == i + 1);
    }
    atomic_store(&ended, 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
