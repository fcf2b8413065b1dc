#include "tensor/team.h"

#include <omp.h>
#include <stddef.h>

#define SPINS 2000 /* about 30 microseconds: most steps end nearly together, and waking a sleeper costs more */

static _Thread_local Team *team_of_thread;

void team_init(Team *team) {
    *team = (Team){0};
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->met, NULL);
}

void team_destroy(Team *team) {
    pthread_mutex_destroy(&team->lock);
    pthread_cond_destroy(&team->met);
}

void team_enter(Team *team) { team_of_thread = team; }

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Either the sleeper sees the new meeting before it sleeps, or the last to come sees the sleeper: both write, then look. */
static void sleep_until(Team *team, unsigned before) {
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->asleep, 1);
    while (atomic_load(&team->meeting) == before) pthread_cond_wait(&team->met, &team->lock);
    atomic_fetch_sub(&team->asleep, 1);
    pthread_mutex_unlock(&team->lock);
}

static void let_go(Team *team, unsigned before) {
    atomic_store(&team->arrived, 0);
    atomic_store(&team->meeting, before + 1);
    if (atomic_load(&team->asleep) == 0) return;
    pthread_mutex_lock(&team->lock);
    pthread_cond_broadcast(&team->met);
    pthread_mutex_unlock(&team->lock);
}

void team_wait(void) {
    Team *team = team_of_thread;
    int n_threads = omp_get_num_threads();
    if (n_threads == 1) return;
    if (!team) {
#pragma omp barrier
        return;
    }
    unsigned before = atomic_load(&team->meeting);
    if (atomic_fetch_add(&team->arrived, 1) + 1 == n_threads) {
        let_go(team, before);
        return;
    }
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&team->meeting) != before) return;
        relax();
    }
    sleep_until(team, before);
}

void team_share(int n, int unit, int *begin, int *end) {
    long long units = (n + unit - 1) / unit, n_threads = omp_get_num_threads(), thread = omp_get_thread_num();
    long long first = units * thread / n_threads * unit, last = units * (thread + 1) / n_threads * unit;
    *begin = (int)(first < n ? first : n);
    *end = (int)(last < n ? last : n);
}
