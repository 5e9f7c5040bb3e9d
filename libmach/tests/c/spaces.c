/* Whole address spaces: one process's, mapped by others at the same addresses; and tasks that inherit without a fork. */
#include <mach/mig_errors.h>
#include <servers/netname.h>

#include "check.h"

#define PAGES 40
#define SIZE (PAGES * PAGE_SIZE)

/* What the first process has, at addresses that all know. */
struct places {
    char *plain, *written, *guarded, *object, *reader, *none, *shared;
};

static char *allocated(char byte) {
    vm_address_t address = 0;
    OK(vm_allocate(SELF, &address, SIZE, TRUE));
    memset((char *)address, byte, SIZE);
    return (char *)address;
}

static mach_port_t looked_up(const char *name) {
    mach_port_t port;
    OK(netname_look_up(name_server_port, "", (char *)name, &port));
    return port;
}

static void region_is(const char *at, vm_prot_t protection, vm_prot_t maximum, vm_inherit_t inheritance) {
    vm_address_t address = (vm_address_t)at;
    vm_size_t size;
    vm_prot_t is_protection, is_maximum;
    vm_inherit_t is_inheritance;
    boolean_t is_shared;
    mach_port_t name;
    vm_offset_t offset;
    OK(vm_region(SELF, &address, &size, &is_protection, &is_maximum, &is_inheritance, &is_shared, &name, &offset));
    CHECK(address <= (vm_address_t)at && (vm_address_t)at < address + size);
    IS(is_protection, protection);
    IS(is_maximum, maximum);
    IS(is_inheritance, inheritance);
}

/* Nothing is mapped there. */
static void is_hole(const char *at) {
    vm_offset_t data;
    mach_msg_type_number_t count;
    IS(vm_read(SELF, (vm_address_t)at, PAGE_SIZE, &data, &count), KERN_INVALID_ADDRESS);
}

/* The first process's memory, with all but its shared part written by nobody else. */
static void is_there(const struct places *p) {
    CHECK(p->plain[0] == 'p' && p->plain[SIZE - 1] == 'p' && p->written[0] == 'W' && p->written[SIZE - 1] == 'w');
    CHECK(p->reader[0] == 'r' && p->reader[SIZE - 1] == 'r');
    region_is(p->plain, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_COPY);
    region_is(p->reader, VM_PROT_READ, VM_PROT_READ, VM_INHERIT_COPY);
    region_is(p->guarded, VM_PROT_NONE, VM_PROT_ALL, VM_INHERIT_COPY);
    OK(vm_protect(SELF, (vm_address_t)p->guarded, PAGE_SIZE, FALSE, VM_PROT_DEFAULT));
    CHECK(p->guarded[0] == 'g' && p->guarded[SIZE - 1] == 'g');
    p->plain[0] = p->written[0] = p->guarded[0] = '!';
}

/* Runs this program as another process: it has the places, and what to do with them. */
static pid_t with_places(const char *self, const char *what, const struct places *places, unsigned long token) {
    char text[400];
    snprintf(text, sizeof text, "%p %p %p %p %p %p %p", (void *)places->plain, (void *)places->written,
             (void *)places->guarded, (void *)places->object, (void *)places->reader, (void *)places->none,
             (void *)places->shared);
    return again(self, what, text, token);
}

/* A space on its way. */
struct given {
    mach_msg_header_t header;
    mach_msg_type_t type;
    char *space;
    mach_msg_type_t object_type;
    mach_port_name_inlined_t object;
};

/* Sends a space with one object in a message. */
static void give(mach_port_t to, vm_offset_t space, vm_size_t size, mach_port_t object) {
    struct given m;
    memset(&m, 0, sizeof m);
    m.header = header_of(to, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof m, 1);
    m.header.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    m.type = type_of(MACH_MSG_TYPE_BYTE, 8, size, FALSE, FALSE);
    m.space = (char *)space;
    m.object_type = type_of(MACH_MSG_TYPE_COPY_SEND, 64, 1, TRUE, FALSE);
    m.object.name = object;
    OK(send(&m.header));
}

static void another(const char *what, const char *text) {
    struct places p;
    CHECK(sscanf(text, "%p %p %p %p %p %p %p", (void **)&p.plain, (void **)&p.written, (void **)&p.guarded,
                 (void **)&p.object, (void **)&p.reader, (void **)&p.none, (void **)&p.shared) == 7);
    if (strcmp(what, "reads") == 0) {
        vm_offset_t space;
        vm_size_t size;
        mach_port_array_t objects;
        mach_msg_type_number_t count;
        OK(vm_read_space(looked_up("first"), &space, &size, &objects, &count));
        IS(count, 1);
        OK(vm_map_space(SELF, space, size, objects, count));
        is_there(&p);
        CHECK(p.none[0] == 'n' && p.shared[0] == 's');
        region_is(p.shared, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_SHARE);
        /* An object is shown, not copied. */
        CHECK(p.object[0] == 'o');
        p.object[1] = 'R';
        /* Where something is, nothing is put, and nothing is left of what was put before that. */
        OK(vm_deallocate(SELF, (vm_address_t)p.plain, SIZE));
        IS(vm_map_space(SELF, space, size, objects, count), KERN_NO_SPACE);
        is_hole(p.plain);
        IS(vm_map_space(SELF, space, size, objects, 0), KERN_INVALID_ARGUMENT);
        IS(vm_map_space(SELF, space, PAGE_SIZE - 1, objects, count), KERN_INVALID_ARGUMENT);
        IS(vm_map_space(SELF, 0, size, objects, count), KERN_INVALID_ADDRESS);
        IS(vm_read_space(mach_host_self(), &space, &size, &objects, &count), MIG_BAD_ID);
    } else if (strcmp(what, "is given") == 0) {
        /* What came in a message is not in the way of what it tells of. */
        mach_port_t port = new_port();
        add_send_right(port);
        OK(netname_check_in(name_server_port, "given", MACH_PORT_NULL, port));
        struct given m;
        OK(receive(&m.header, sizeof m, port));
        OK(vm_map_space(SELF, (vm_offset_t)m.space, m.type.msgt_number, &m.object.name, 1));
        is_there(&p);
        CHECK(p.none[0] == 'n' && p.object[0] == 'o');
    } else if (strcmp(what, "takes") == 0) {
        /* Whoever has its port maps the space here, and says so. */
        mach_port_t port = new_port();
        add_send_right(port);
        OK(netname_check_in(name_server_port, "done", MACH_PORT_NULL, port));
        OK(netname_check_in(name_server_port, "taker", MACH_PORT_NULL, SELF));
        mach_msg_header_t m;
        OK(receive(&m, sizeof m, port));
        is_there(&p);
        CHECK(p.none[0] == 'n' && p.object[0] == 'o');
    } else {
        /* A task that inherits: from its first call on. */
        CHECK(MACH_PORT_VALID(SELF));
        is_there(&p);
        is_hole(p.none);
        CHECK(p.object[0] == 'o' && p.shared[0] == 's');
        p.object[0] = '?';
        p.shared[1] = 'I';
    }
}

/* More bytes than a word counts. */
static void huge(void) {
    vm_size_t bytes = (vm_size_t)5 << 30, size;
    vm_address_t address = 0;
    vm_offset_t space;
    mach_port_array_t objects;
    mach_msg_type_number_t count;
    OK(vm_allocate(SELF, &address, bytes, TRUE));
    char *memory = (char *)address;
    memory[0] = 'f', memory[bytes - 1] = 'l';
    OK(vm_read_space(SELF, &space, &size, &objects, &count));
    CHECK(size > bytes && count == 0);
    OK(vm_deallocate(SELF, address, bytes));
    OK(vm_map_space(SELF, space, size, objects, count));
    CHECK(memory[0] == 'f' && memory[bytes / 2] == 0 && memory[bytes - 1] == 'l');
    OK(vm_deallocate(SELF, address, bytes));
    OK(vm_deallocate(SELF, space, size));
}

int main(int argc, char **argv) {
    if (argc == 3) {
        another(argv[1], argv[2]);
        return 0;
    }
    huge();
    struct places p;
    p.plain = allocated('p'), p.written = allocated('w'), p.guarded = allocated('g'), p.reader = allocated('r');
    p.none = allocated('n'), p.shared = allocated('s');
    vm_address_t address = 0;
    OK(vm_map(SELF, &address, SIZE, 0, TRUE, looked_up("object"), 0, FALSE, VM_PROT_DEFAULT, VM_PROT_DEFAULT,
              VM_INHERIT_COPY));
    p.object = (char *)address;
    p.object[0] = 'o';
    /* Written since it was frozen. */
    vm_offset_t copy;
    mach_msg_type_number_t count;
    OK(vm_read(SELF, (vm_address_t)p.written, SIZE, &copy, &count));
    OK(vm_deallocate(SELF, copy, count));
    p.written[0] = 'W';
    OK(vm_protect(SELF, (vm_address_t)p.reader, SIZE, TRUE, VM_PROT_READ));
    OK(vm_protect(SELF, (vm_address_t)p.guarded, PAGE_SIZE, FALSE, VM_PROT_NONE));
    OK(vm_inherit(SELF, (vm_address_t)p.none, SIZE, VM_INHERIT_NONE));
    OK(vm_inherit(SELF, (vm_address_t)p.shared, SIZE, VM_INHERIT_SHARE));
    OK(netname_check_in(name_server_port, "first", MACH_PORT_NULL, SELF));

    ends_well(with_places(argv[0], "reads", &p, 0));
    CHECK(p.plain[0] == 'p' && p.written[0] == 'W' && p.object[1] == 'R');

    /* Into another task, by its port. */
    pid_t taker = with_places(argv[0], "takes", &p, 0);
    mach_port_t task = MACH_PORT_NULL;
    for (int tries = 0; netname_look_up(name_server_port, "", "taker", &task) != KERN_SUCCESS; tries++) {
        CHECK(tries < SOON);
        usleep(1000);
    }
    vm_offset_t space;
    vm_size_t size;
    mach_port_array_t objects;
    pid_t given = with_places(argv[0], "is given", &p, 0);
    mach_port_t port = MACH_PORT_NULL;
    for (int tries = 0; netname_look_up(name_server_port, "", "given", &port) != KERN_SUCCESS; tries++) {
        CHECK(tries < SOON);
        usleep(1000);
    }
    OK(vm_read_space(SELF, &space, &size, &objects, &count));
    IS(count, 1);
    give(port, space, size, objects[0]);
    ends_well(given);
    p.plain[0] = '.'; /* the copy was made before */
    OK(vm_map_space(task, space, size, objects, count));
    OK(vm_deallocate(SELF, space, size));
    p.plain[0] = 'p';
    mach_msg_header_t done = header_of(looked_up("done"), MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0, sizeof done, 1);
    OK(send(&done));
    ends_well(taker);

    /* A task that inherits waits for its process, and is as its parent was. */
    mach_port_t child;
    unsigned long token;
    OK(task_create(SELF, TRUE, &child));
    OK(mach_task_token(child, &token));
    p.plain[0] = '.';
    pid_t process = with_places(argv[0], "inherits", &p, token);
    ends_well(process);
    CHECK(p.plain[0] == '.' && p.object[0] == 'o' && p.shared[1] == 'I');
    IS(mach_task_token(SELF, &token), KERN_NAME_EXISTS);

    /* Without inheritance it has nothing; it can be ended before it has a process. */
    OK(task_create(SELF, FALSE, &child));
    OK(mach_task_token(child, &token));
    OK(task_terminate(child));
    CHECK(mach_task_token(child, &token) != KERN_SUCCESS);
    return 0;
}
