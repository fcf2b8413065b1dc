/* Team: how the threads of a parallel region share a sequence of steps.
 *
 * All threads go through the same steps in the same order. A step has n units of work. A free thread claims the next
 * few units; the step ends when all of its units are done:
 *
 *     for (int i, end; team_take(&worker, n, 1, &i, &end);)
 *         for (; i < end; i++) do_unit(i);
 *
 * After that loop, every thread sees what the units wrote. No thread waits for one that has claimed nothing: a thread
 * that another program kept off its processor finds the steps done when it resumes, and skips them. All threads must
 * pass the same n for the same step. */
#ifndef TENSOR_TEAM_H
#define TENSOR_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    int processors, n_sharing; /* threads that can be busy at once */
    bool alone;
    char apart0[64];     /* cache lines of their own for what all threads write */
    atomic_ullong place; /* the step, 32 bits; its first unclaimed unit, 32 bits */
    char apart1[64];
    atomic_int done;    /* units of the step */
    atomic_int present; /* threads that have entered and not left */
    atomic_int asleep;
    pthread_mutex_t lock;
    pthread_cond_t went_on;
} Team;

/* One thread's progress through the steps. */
typedef struct {
    Team *team;
    unsigned step;
    int taken; /* units that it has claimed and not yet reported as done */
    bool left;
} Worker;

void team_init(Team *team);
void team_destroy(Team *team);

/* To be called by one thread before the parallel region. n_threads threads are expected; fewer, or late ones, do no
 * harm. Threads beyond the number of processors leave as soon as they find no work: waking them at each step would only
 * slow down the others. */
void team_start(Team *team, int n_threads, int processors);
/* To be called once by each thread of the region. The worker is valid until the region ends. */
Worker team_enter(Team *team);

/* Claims units begin <= i < end of the current step of n >= 1 units: at least `least` units, or all that are left.
 * Returns false when all units of the step are done; the worker is then at the next step. */
bool team_take(Worker *worker, int n, int least, int *begin, int *end);

#endif
