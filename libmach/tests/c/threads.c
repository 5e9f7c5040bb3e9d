/* Threads: their ports, the end of their waits, and the host that they run on. */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "check.h"

static mach_port_t waiting_port, thread_port;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t known = PTHREAD_COND_INITIALIZER;

static void say_who(void) {
    CHECK(pthread_mutex_lock(&lock) == 0);
    thread_port = mach_thread_self();
    CHECK(pthread_cond_signal(&known) == 0 && pthread_mutex_unlock(&lock) == 0);
}

static mach_port_t hear_who(void) {
    CHECK(pthread_mutex_lock(&lock) == 0);
    while (thread_port == MACH_PORT_NULL)
        CHECK(pthread_cond_wait(&known, &lock) == 0);
    mach_port_t who = thread_port;
    thread_port = MACH_PORT_NULL;
    CHECK(pthread_mutex_unlock(&lock) == 0);
    return who;
}

/* With the option it hears of the interruption; without, it goes on waiting until there is a message. */
static void *wait_for_it(void *interruptible) {
    mach_msg_header_t m;
    say_who();
    int option = interruptible ? MACH_RCV_MSG | MACH_RCV_INTERRUPT : MACH_RCV_MSG;
    IS(mach_msg(&m, option, 0, sizeof m, waiting_port, 0, 0), interruptible ? MACH_RCV_INTERRUPTED : MACH_MSG_SUCCESS);
    return NULL;
}

static int joined(pthread_t thread, unsigned milliseconds) {
    struct timespec until;
    CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_nsec += milliseconds * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

static void waits(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_for_it, (void *)1) == 0);
    mach_port_t who = hear_who();
    int tries = 0;
    do /* it may not wait yet */
        OK(thread_abort(who));
    while (!joined(thread, 50) && ++tries < 200);
    CHECK(tries < 200);
    OK(mach_port_deallocate(SELF, who));

    CHECK(pthread_create(&thread, NULL, wait_for_it, NULL) == 0);
    who = hear_who();
    for (int i = 0; i < 5; i++) {
        OK(thread_abort(who));
        CHECK(!joined(thread, 20));
    }
    mach_msg_header_t m = header_of(waiting_port, MACH_MSG_TYPE_MAKE_SEND, MACH_PORT_NULL, 0, sizeof m, 1);
    OK(send(&m));
    CHECK(joined(thread, SOON));
    /* Its port goes with it, as soon as the node hears of the end. */
    kern_return_t kr = KERN_SUCCESS;
    for (int i = 0; i < 500 && kr == KERN_SUCCESS; i++) {
        kr = thread_abort(who);
        CHECK(usleep(10000) == 0);
    }
    IS(kr, MACH_SEND_INVALID_DEST);
    OK(mach_port_deallocate(SELF, who));
}

static void ports(void) {
    mach_port_t self = mach_thread_self(), again = mach_thread_self(), special;
    thread_array_t threads;
    mach_msg_type_number_t count;
    IS(self, again);
    IS(refs_of(self, MACH_PORT_RIGHT_SEND), 2);
    OK(thread_get_kernel_port(self, &special));
    IS(special, self);
    OK(task_threads(SELF, &threads, &count));
    int seen = 0;
    for (unsigned i = 0; i < count; i++) {
        seen += threads[i] == self;
        OK(mach_port_deallocate(SELF, threads[i]));
    }
    IS(seen, 1);
    OK(vm_deallocate(SELF, (vm_address_t)threads, count * sizeof *threads));
    IS(refs_of(self, MACH_PORT_RIGHT_SEND), 3);
    OK(mach_port_mod_refs(SELF, self, MACH_PORT_RIGHT_SEND, -3));
}

static void host(void) {
    mach_port_t port = mach_host_self();
    host_basic_info_data_t basic;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
    time_value_t now;
    new_kernel_version_t version;
    OK(host_info(port, HOST_BASIC_INFO, (host_info_t)&basic, &count));
    IS(count, HOST_BASIC_INFO_COUNT);
    CHECK(basic.avail_cpus >= 1 && basic.avail_cpus <= basic.max_cpus && basic.memory_size > 1 << 20);
    count = 1;
    CHECK(host_info(port, HOST_BASIC_INFO, (host_info_t)&basic, &count) != KERN_SUCCESS);
    OK(host_get_time(port, &now));
    CHECK(labs((long)now.seconds - (long)time(NULL)) < 5 && now.microseconds < TIME_MICROS_MAX);
    OK(host_get_kernel_version(port, version));
    CHECK(strlen(version) > 0);
    OK(mach_port_deallocate(SELF, port));
}

int main(void) {
    waiting_port = new_port();
    ports();
    waits();
    host();
    return 0;
}
