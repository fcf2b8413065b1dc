/* Claimed steps: every unit exactly once, in order of the steps, with any number of threads, late ones included. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "tensor/team.h"
#include "tests/support/test.h"

enum { STEPS = 400, MAX_UNITS = 70, MAX_THREADS = 9 };

/* What the threads do together. Counts are plain where the team itself must keep threads apart, so that a thread
 * sanitizer sees it if it does not. */
typedef struct {
    Team team;
    int n_units[STEPS], least[STEPS];
    int times[STEPS][MAX_UNITS]; /* how often each unit was done */
    long before[STEPS];          /* units done before the step, as its units must find them */
    atomic_long done;
    atomic_int wrong;
    int long_step;   /* the first unit of this step takes long */
    bool comes_late; /* thread 0 comes when all is done */
    atomic_bool all_done;
} Work;

typedef struct {
    Work *work;
    int thread;
} Member;

static void pause_ms(int ms) { nanosleep(&(struct timespec){0, ms * 1000000L}, NULL); }

static void do_units(Work *work, int step, int begin, int end) {
    if (begin < 0 || begin >= end || end > work->n_units[step]) atomic_fetch_add(&work->wrong, 1);
    long done = atomic_load(&work->done);
    if (done < work->before[step] || done >= work->before[step] + work->n_units[step])
        atomic_fetch_add(&work->wrong, 1);
    if (step > 0) /* what the step before has written is there */
        for (int i = 0; i < work->n_units[step - 1]; i++)
            if (work->times[step - 1][i] != 1) atomic_fetch_add(&work->wrong, 1);
    if (step == work->long_step && begin == 0) pause_ms(20);
    for (int i = begin; i < end; i++) work->times[step][i]++;
    atomic_fetch_add(&work->done, end - begin);
}

static void *walk(void *context) {
    const Member *member = context;
    Work *work = member->work;
    while (work->comes_late && member->thread == 0 && !atomic_load(&work->all_done)) pause_ms(1);
    Worker worker = team_enter(&work->team);
    for (int step = 0; step < STEPS; step++)
        for (int begin, end; team_take(&worker, work->n_units[step], work->least[step], &begin, &end);)
            do_units(work, step, begin, end);
    if (atomic_load(&work->done) == work->before[STEPS - 1] + work->n_units[STEPS - 1])
        atomic_store(&work->all_done, true);
    return NULL;
}

static Work *work_make(int n_threads, int processors, unsigned seed) {
    static Work work;
    memset(&work, 0, sizeof work);
    long before = 0;
    for (int i = 0; i < STEPS; i++) {
        seed = seed * 1664525u + 1013904223u;
        work.n_units[i] = seed % 3 == 0 ? 1 : 1 + (int)(seed >> 8) % MAX_UNITS;
        work.least[i] = 1 + (int)(seed >> 20) % 5;
        work.before[i] = before;
        before += work.n_units[i];
    }
    work.long_step = -1;
    team_init(&work.team);
    team_start(&work.team, n_threads, processors);
    return &work;
}

static void work_check(Work *work) {
    assert_int_equal(atomic_load(&work->wrong), 0);
    for (int step = 0; step < STEPS; step++)
        for (int i = 0; i < MAX_UNITS; i++) assert_int_equal(work->times[step][i], i < work->n_units[step]);
    team_destroy(&work->team);
}

static void work_run(Work *work, int n_coming) {
    pthread_t threads[MAX_THREADS];
    Member members[MAX_THREADS];
    for (int i = 0; i < n_coming; i++) {
        members[i] = (Member){work, i};
        assert_int_equal(pthread_create(&threads[i], NULL, walk, &members[i]), 0);
    }
    for (int i = 0; i < n_coming; i++) pthread_join(threads[i], NULL);
}

static void every_unit_is_done_once(void **state) {
    (void)state;
    for (int n_threads = 1; n_threads <= MAX_THREADS; n_threads++)
        for (int processors = 1; processors <= 8; processors *= 2) {
            Work *work = work_make(n_threads, processors, (unsigned)(n_threads * 10 + processors));
            work_run(work, n_threads);
            work_check(work);
        }
}

/* OpenMP may give fewer threads than were asked for. */
static void fewer_threads_than_announced_will_do(void **state) {
    (void)state;
    for (int n_coming = 1; n_coming <= 3; n_coming++) {
        Work *work = work_make(MAX_THREADS, 2, (unsigned)n_coming);
        work_run(work, n_coming);
        work_check(work);
    }
}

/* The others wait for it long enough to fall asleep, in a step of one unit too. */
static void a_unit_that_takes_long_is_waited_for(void **state) {
    (void)state;
    for (int step = 50; step < 60; step++) {
        Work *work = work_make(2 + step % 3, 4, 7);
        work->long_step = step;
        work_run(work, 2 + step % 3);
        work_check(work);
    }
}

/* The team does not wait for a thread that has taken no unit: this one arrives after the others have done everything.
 * */
static void one_that_comes_late_finds_all_done(void **state) {
    (void)state;
    for (int n_threads = 2; n_threads <= 5; n_threads++) {
        Work *work = work_make(n_threads, 8, (unsigned)n_threads);
        work->comes_late = true;
        work_run(work, n_threads);
        assert_true(atomic_load(&work->all_done));
        work_check(work);
    }
}

/* Threads beyond the processors may leave; as many as there are processors stay. */
static void no_more_than_are_too_many_leave(void **state) {
    (void)state;
    Work *work = work_make(MAX_THREADS, 2, 3);
    work->long_step = 200; /* meanwhile all others find nothing */
    work_run(work, MAX_THREADS);
    assert_in_range(atomic_load(&work->team.present), 2, MAX_THREADS);
    work_check(work);
}

static void a_team_starts_again(void **state) {
    (void)state;
    Work *work = work_make(3, 2, 5);
    for (int round = 0; round < 5; round++) {
        memset(work->times, 0, sizeof work->times);
        atomic_store(&work->done, 0);
        team_start(&work->team, 3, 2);
        work_run(work, 3);
    }
    work_check(work);
}

/* Parts: together everything, `least` at least but for the last, and with few threads large ones first. */
static void parts_shrink_towards_the_end(void **state) {
    (void)state;
    Team team;
    team_init(&team);
    team_start(&team, 2, 2);
    Worker worker = team_enter(&team);
    int expected = 0, before = 1000, n_parts = 0;
    for (int begin, end; team_take(&worker, 1000, 3, &begin, &end); n_parts++) {
        assert_int_equal(begin, expected);
        assert_that(end - begin, <=, before);
        assert_true((end - begin >= 3 || end == 1000));
        before = end - begin;
        expected = end;
    }
    assert_int_equal(expected, 1000);
    assert_in_range(n_parts, 8, 40);
    team_destroy(&team);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_is_done_once),
        cmocka_unit_test(fewer_threads_than_announced_will_do),
        cmocka_unit_test(a_unit_that_takes_long_is_waited_for),
        cmocka_unit_test(one_that_comes_late_finds_all_done),
        cmocka_unit_test(no_more_than_are_too_many_leave),
        cmocka_unit_test(a_team_starts_again),
        cmocka_unit_test(parts_shrink_towards_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
