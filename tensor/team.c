#include "tensor/team.h"

#include <stddef.h>

#define SPINS                                                                                                          \
    2000 /* about 30 microseconds: most threads finish a step at nearly the same time, and waking one costs more */

void team_init(Team *team) {
    *team = (Team){0};
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->went_on, NULL);
}

void team_destroy(Team *team) {
    pthread_mutex_destroy(&team->lock);
    pthread_cond_destroy(&team->went_on);
}

void team_start(Team *team, int n_threads, int processors) {
    team->alone = n_threads == 1;
    team->n_sharing = n_threads < processors ? n_threads : processors;
    team->processors = processors;
    atomic_store(&team->place, 0);
    atomic_store(&team->done, 0);
    atomic_store(&team->present, 0);
}

Worker team_enter(Team *team) {
    atomic_fetch_add(&team->present, 1);
    return (Worker){.team = team};
}

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static unsigned step_of(unsigned long long place) { return (unsigned)(place >> 32); }

static bool has_gone_on(const Worker *w) { return step_of(atomic_load(&w->team->place)) != w->step; }

/* The sleeper first counts itself, then reads the step; the thread that ends the step first writes the new step, then
 * reads the count. So at least one of the two sees the other, and no wake-up is lost. */
static void sleep_until_gone_on(const Worker *w) {
    Team *team = w->team;
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->asleep, 1);
    while (!has_gone_on(w)) pthread_cond_wait(&team->went_on, &team->lock);
    atomic_fetch_sub(&team->asleep, 1);
    pthread_mutex_unlock(&team->lock);
}

static void go_on(const Worker *w) {
    Team *team = w->team;
    atomic_store_explicit(&team->done, 0, memory_order_relaxed);
    atomic_store(&team->place, (unsigned long long)(w->step + 1) << 32);
    if (atomic_load(&team->asleep) == 0) return;
    pthread_mutex_lock(&team->lock);
    pthread_cond_broadcast(&team->went_on);
    pthread_mutex_unlock(&team->lock);
}

/* A thread beyond the number of processors may leave: all units that it claimed are done. */
static bool may_leave(Team *team) {
    int present = atomic_load(&team->present);
    while (present > team->processors)
        if (atomic_compare_exchange_weak(&team->present, &present, present - 1)) return true;
    return false;
}

static void wait_for_next_step(Worker *w) {
    if (may_leave(w->team)) {
        w->left = true;
        return;
    }
    for (int i = 0; i < SPINS; i++) {
        if (has_gone_on(w)) return;
        relax();
    }
    sleep_until_gone_on(w);
}

/* Parts are large at first, so that memory is read in long runs, and small at the end, so that all threads finish at
 * nearly the same time. */
static int part_of(const Team *team, int left, int least) {
    int part = left / team->n_sharing;
    part = part > least ? part : least;
    return part < left ? part : left;
}

static bool claim(Worker *w, int n, int least, int *begin, int *end) {
    unsigned long long place = atomic_load(&w->team->place);
    while (step_of(place) == w->step) {
        int first = (int)(unsigned)place;
        if (first >= n) return false;
        int part = part_of(w->team, n - first, least);
        if (atomic_compare_exchange_weak(&w->team->place, &place, place + (unsigned)part)) {
            w->taken = part;
            *begin = first;
            *end = first + part;
            return true;
        }
    }
    return false;
}

/* A single thread claims all units at once; its next call ends the step. */
static bool take_all(Worker *w, int n, int *begin, int *end) {
    w->taken = n - w->taken;
    *begin = 0;
    *end = n;
    return w->taken > 0;
}

bool team_take(Worker *w, int n, int least, int *begin, int *end) {
    if (w->left) return false;
    if (w->team->alone) return take_all(w, n, begin, end);
    if (w->taken > 0) {
        int done = atomic_fetch_add(&w->team->done, w->taken) + w->taken;
        w->taken = 0;
        if (done == n) go_on(w);
    }
    if (claim(w, n, least, begin, end)) return true;
    if (!has_gone_on(w)) wait_for_next_step(w);
    w->step++;
    return false;
}
