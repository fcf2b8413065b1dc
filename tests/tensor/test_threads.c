/* threads_start: the next parallel region has the number of threads that it returned; fewer under a resource limit. */
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tensor/threads.h"
#include "tests/support/test.h"

#define MIB (1 << 20)

static int region(int n) {
    int came = 0;
#pragma omp parallel num_threads(n) reduction(+ : came)
    came = 1;
    return came;
}

/* Each limit has a child process, since OpenMP keeps its threads; so this test runs before any parallel region here. */
static int child_with_room_for(rlim_t bytes, int wanted) {
    pid_t child = fork();
    assert_that(child, >=, 0);
    if (child == 0) {
        long pages = 0;
        FILE *sizes = fopen("/proc/self/statm", "r");
        if (!sizes || fscanf(sizes, "%ld", &pages) != 1) _exit(255);
        rlim_t limit = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + bytes;
        if (setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}) != 0) _exit(255);
        int n = threads_start(wanted), again = threads_start(wanted);
        _exit(n == region(n) && again == n && region(again) == n ? n : 255);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_limit_on_memory_makes_them_fewer(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    print_message("skipped: the address sanitizer takes all address space\n");
    skip();
#endif
    int last = 1;
    pthread_attr_t usual;
    size_t stack_bytes;
    pthread_attr_init(&usual);
    pthread_attr_getstacksize(&usual, &stack_bytes);
    for (rlim_t stacks = 0; stacks < 6; stacks++) {
        int n = child_with_room_for(stacks * (stack_bytes + 2 * MIB) + MIB, 200); /* and what comes with a thread */
        print_message("room for %d stacks: %d of 200 threads\n", (int)stacks, n);
        assert_in_range(n, last, 199);
        last = n;
    }
    assert_that(last, >, 1);
    assert_int_equal(child_with_room_for((rlim_t)4096 * MIB, 3), 3);
}

static void as_many_run_as_are_started(void **state) {
    static const int wanted[] = {1, 2, 5, 1, 5, 3, 8, 2, 2, 64, 4};
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        int n = threads_start(wanted[i]);
        assert_int_equal(n, wanted[i]);
        assert_int_equal(region(n), n);
    }
    assert_int_equal(threads_start(0), omp_get_max_threads());
    assert_that(threads_processors(), >=, 1);
}

/* The child has a copy of this thread alone; a region of more would wait for the others forever. */
static void a_forked_child_computes_alone(void **state) {
    (void)state;
    assert_int_equal(threads_start(3), 3);
    assert_int_equal(region(3), 3);
    pid_t child = fork();
    assert_that(child, >=, 0);
    if (child == 0) {
        alarm(20);
        for (int wanted = 0; wanted < 5; wanted++)
            if (threads_start(wanted) != 1 || region(1) != 1) _exit(1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(threads_start(3), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_on_memory_makes_them_fewer),
        cmocka_unit_test(as_many_run_as_are_started),
        cmocka_unit_test(a_forked_child_computes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
