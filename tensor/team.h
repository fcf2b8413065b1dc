/* Team: how the threads of a parallel region share a sequence of steps.
 *
 * All threads walk through the same steps in the same order. A step has n units of work; whoever is free takes the next
 * few, and the step has ended when all its units are done, whoever did them:
 *
 *     for (int i, end; team_take(&worker, n, 1, &i, &end);)
 *         for (; i < end; i++) do_unit(i);
 *
 * What the units wrote is seen by every thread past that loop. So nobody ever waits for a thread that has taken
 * nothing: one that another program keeps off its processor finds the steps done when it comes back, and walks past
 * them. What must be the same in all threads is n, step for step. */
#ifndef TENSOR_TEAM_H
#define TENSOR_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    int processors, n_sharing; /* threads that can be busy at once */
    bool alone;
    char apart0[64];     /* what all threads write lies on cache lines of its own */
    atomic_ullong place; /* the step, 32 bits; the first of its units that nobody has taken, 32 bits */
    char apart1[64];
    atomic_int done;    /* units of the step */
    atomic_int present; /* threads that have come and not left */
    atomic_int asleep;
    pthread_mutex_t lock;
    pthread_cond_t went_on;
} Team;

/* One thread's place in the walk. */
typedef struct {
    Team *team;
    unsigned step;
    int taken; /* units of the step that it has not yet said it has done */
    bool left;
} Worker;

void team_init(Team *team);
void team_destroy(Team *team);

/* Before the region, by one thread: n_threads are going to come, though fewer or later ones will do. Those beyond the
 * number of processors leave as soon as they find nothing to take: waking them at each step would only be in the others'
 * way. */
void team_start(Team *team, int n_threads, int processors);
/* In the region, once by each thread; ends with the region. */
Worker team_enter(Team *team);

/* Takes units begin <= i < end of the step of n >= 1 units: a part of those left, `least` of them at least. False once
 * all are done: the worker is at the next step then. */
bool team_take(Worker *worker, int n, int least, int *begin, int *end);

#endif
