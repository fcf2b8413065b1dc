/* Team: where the threads of a parallel region meet between two steps of their work.
 *
 * OpenMP's own barrier spins for milliseconds before it sleeps. While another program wants the same processors, a thread
 * that spins keeps the one it waits for from running, and a pass of a hundred barriers became fifty times slower. This one
 * spins for some microseconds, then sleeps. */
#ifndef TENSOR_TEAM_H
#define TENSOR_TEAM_H

#include <pthread.h>
#include <stdatomic.h>

typedef struct {
    atomic_int arrived;  /* threads that wait, the spinning ones included */
    atomic_uint meeting; /* how often all have met */
    atomic_int asleep;
    pthread_mutex_t lock;
    pthread_cond_t met;
} Team;

void team_init(Team *team);
void team_destroy(Team *team);

/* Each thread of the region says so at its beginning, and team_enter(NULL) at its end. */
void team_enter(Team *team);

/* Returns when all threads of the region have called it; what they wrote before is then seen by all. In a region without
 * a team it is OpenMP's barrier, outside any region it does nothing. */
void team_wait(void);

/* This thread's part of 0 .. n - 1, cut at multiples of `unit`: begin <= i < end, perhaps nothing. Outside any region all. */
void team_share(int n, int unit, int *begin, int *end);

#endif
