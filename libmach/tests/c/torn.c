/* Memory of which the program itself took a part away, or put its own in its place: what others get, who get all that there is. */
#define _GNU_SOURCE
#include "behind.h"

/* Three neighbours of as many pages; in the middle of the second one the part that is gone. */
#define PAGES 16
#define SIZE (PAGES * P)
#define HOLE (SIZE + 6 * P)
#define HOLE_SIZE (4 * P)
/* So many regions of a page, with as many holes between them. */
#define MANY 1200

enum how { UNMAPPED, REPLACED, CLOSED };

/* What there is outside the hole. */
static void neighbours_are_there(const char *at) {
    CHECK(all_are(at, SIZE, 'a') && all_are(at + SIZE, HOLE - SIZE, 'b'));
    CHECK(all_are(at + HOLE + HOLE_SIZE, 2 * SIZE - HOLE - HOLE_SIZE, 'b') && all_are(at + 2 * SIZE, SIZE, 'c'));
}

static void is_hole(const char *at) {
    vm_offset_t data;
    mach_msg_type_number_t count;
    for (vm_size_t page = 0; page < HOLE_SIZE; page += P) {
        IS(byte_at(at + HOLE + page), -SIGSEGV);
        IS(vm_read(SELF, (vm_address_t)(at + HOLE + page), P, &data, &count), KERN_INVALID_ADDRESS);
    }
}

/* Every page says which it is, and in which round it was written. */
static void many_are_there(const char *at, char round) {
    for (int i = 0; i < MANY; i++) {
        const char *page = at + 2 * i * P;
        CHECK(*(const volatile int *)page == i && page[P - 1] == round);
        CHECK(i % 100 != 0 || byte_at(page + P) == -SIGSEGV);
    }
}

/* This program as another process: a task that inherits, or one that maps what the first one has. */
static pid_t at_place(const char *self, const char *what, const char *at, unsigned long token) {
    char place[32];
    snprintf(place, sizeof place, "%p", (const void *)at);
    return again(self, what, place, token);
}

static void another(const char *what, const char *place) {
    char *at;
    CHECK(sscanf(place, "%p", (void **)&at) == 1);
    catch_faults();
    if (strcmp(what, "reads") == 0) {
        mach_port_t first;
        OK(netname_look_up(name_server_port, "", "first", &first));
        vm_offset_t space;
        vm_size_t size;
        mach_port_array_t objects;
        mach_msg_type_number_t count;
        OK(vm_read_space(first, &space, &size, &objects, &count));
        OK(vm_map_space(SELF, space, size, objects, count));
    }
    if (at[P - 1] == '0' || at[P - 1] == '1') {
        many_are_there(at, at[P - 1]);
        return;
    }
    neighbours_are_there(at);
    if (strcmp(what, "has all") == 0)
        CHECK(all_are(at + HOLE, HOLE_SIZE, 'b'));
    else
        is_hole(at);
    /* It is this task's own. */
    OK(put_at(at, '!'));
    OK(put_at(at + HOLE - 1, '!'));
}

static char *torn(enum how how, int frozen) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, 3 * SIZE, TRUE));
    OK(vm_deallocate(SELF, address, 3 * SIZE));
    for (vm_address_t i = 0; i < 3; i++) {
        vm_address_t part = address + i * SIZE;
        OK(vm_allocate(SELF, &part, SIZE, FALSE));
        memset((char *)part, (char)('a' + i), SIZE);
        vm_offset_t copy;
        mach_msg_type_number_t count;
        if (frozen) {
            OK(vm_read(SELF, part, SIZE, &copy, &count));
            OK(vm_deallocate(SELF, copy, count));
        }
    }
    /* The region is more than one entry of the map. */
    OK(vm_protect(SELF, address + SIZE + P, P, FALSE, VM_PROT_READ));
    char *hole = (char *)address + HOLE;
    if (how == CLOSED)
        CHECK(mprotect(hole, HOLE_SIZE, PROT_NONE) == 0);
    else
        CHECK(munmap(hole, HOLE_SIZE) == 0);
    if (how == REPLACED)
        own_at(hole, HOLE_SIZE);
    return (char *)address;
}

static void write_again(char *at) {
    memset(at, 'a', SIZE);
    memset(at + SIZE + 2 * P, 'b', HOLE - SIZE - 2 * P);
    memset(at + HOLE + HOLE_SIZE, 'b', 2 * SIZE - HOLE - HOLE_SIZE);
    memset(at + 2 * SIZE, 'c', SIZE);
}

/* In the process that tore it, and in its children. */
static void is_as_torn(const char *at, enum how how) {
    neighbours_are_there(at);
    if (how == REPLACED)
        CHECK(all_are(at + HOLE, HOLE_SIZE, 'm'));
    else
        CHECK(byte_at(at + HOLE) == -SIGSEGV && byte_at(at + HOLE + HOLE_SIZE - 1) == -SIGSEGV);
}

static void in_a_fork(const char *at, enum how how) {
    pid_t child = fork();
    if (child == 0) {
        is_as_torn(at, how);
        _exit(0);
    }
    ends_well(child);
}

/* A task that inherits, with a process that finds what there is. */
static void created(const char *self, const char *what, const char *at) {
    mach_port_t child;
    unsigned long token;
    OK(task_create(SELF, TRUE, &child));
    OK(mach_task_token(child, &token));
    ends_well(at_place(self, what, at, token));
}

/* More regions than anybody may have files. */
static void many(const char *self) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, 2 * MANY * P, TRUE));
    OK(vm_deallocate(SELF, address, 2 * MANY * P));
    for (int i = 0; i < MANY; i++) {
        vm_address_t page = address + 2 * i * P;
        OK(vm_allocate(SELF, &page, P, FALSE));
    }
    for (char round = '0'; round <= '1'; round++) {
        for (int i = 0; i < MANY; i++) {
            char *page = (char *)address + 2 * i * P;
            *(int *)page = i;
            page[P - 1] = round;
        }
        created(self, "has", (char *)address);
        ends_well(at_place(self, "reads", (char *)address, 0));
        many_are_there((char *)address, round);
    }
    OK(vm_deallocate(SELF, address, (2 * MANY - 1) * P));
}

int main(int argc, char **argv) {
    if (argc == 3) {
        another(argv[1], argv[2]);
        return 0;
    }
    catch_faults();
    OK(netname_check_in(name_server_port, "first", MACH_PORT_NULL, SELF));
    for (int round = 0; round < 12; round++) {
        enum how how = round % 3;
        char *at = torn(how, round % 2);
        /* Of memory that nobody may read any more the bytes are still there. */
        const char *has = how == CLOSED ? "has all" : "has";
        if (round < 6) {
            for (int since = 0; since < 2; since++) {
                created(argv[0], has, at);
                is_as_torn(at, how);
                write_again(at);
                if (how != CLOSED)
                    ends_well(at_place(argv[0], "reads", at, 0));
                in_a_fork(at, how);
                write_again(at);
            }
        } else {
            /* What was frozen is read to be shared. */
            OK(vm_inherit(SELF, (vm_address_t)at, 3 * SIZE, VM_INHERIT_SHARE));
            in_a_fork(at, how);
        }
        is_as_torn(at, how);
        if (how == REPLACED)
            CHECK(munmap(at + HOLE, HOLE_SIZE) == 0);
        OK(vm_deallocate(SELF, (vm_address_t)at, 3 * SIZE));
    }
    many(argv[0]);
    return 0;
}
