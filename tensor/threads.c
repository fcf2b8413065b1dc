#include "tensor/threads.h"

#include <omp.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int threads_processors(void) { return omp_get_num_procs(); }

/* Test threads wait here until all of them have been started, because the limit is on threads that exist
 * simultaneously. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
} Gate;

static void *wait_at(void *context) {
    Gate *gate = context;
    pthread_mutex_lock(&gate->lock);
    while (!gate->is_open) pthread_cond_wait(&gate->opened, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    return NULL;
}

/* The number of threads of this process, as Linux counts them for its limits; 0 if it is unknown. */
static long threads_alive(void) {
    struct stat info;
    return stat("/proc/self/task", &info) == 0 ? (long)info.st_nlink : 0;
}

/* A joined thread still counts towards the limits for a moment. */
static void wait_until_gone(long n_alive) {
    const struct timespec pause = {0, 100000};
    for (int i = 0; i < 1000 && threads_alive() > n_alive; i++) nanosleep(&pause, NULL);
}

enum { MAX_TRIED = 1024, SPARE_BYTES = 1 << 20 };

/* A little more stack than OpenMP's threads have, so that OpenMP also finds room for its own data about each thread. */
static void set_stack(pthread_attr_t *attributes) {
    size_t bytes;
    pthread_attr_init(attributes);
    pthread_attr_getstacksize(attributes, &bytes);
    pthread_attr_setstacksize(attributes, bytes + SPARE_BYTES);
}

/* Returns how many of n additional threads can be started. */
static int try_threads(int n) {
    Gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
    pthread_attr_t attributes;
    pthread_t tried[MAX_TRIED];
    int started = 0;
    long n_alive = threads_alive();
    n = n < MAX_TRIED ? n : MAX_TRIED;
    set_stack(&attributes);
    while (started < n && pthread_create(&tried[started], &attributes, wait_at, &gate) == 0) started++;
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&gate.lock);
    gate.is_open = true;
    pthread_cond_broadcast(&gate.opened);
    pthread_mutex_unlock(&gate.lock);
    for (int i = 0; i < started; i++) pthread_join(tried[i], NULL);
    wait_until_gone(n_alive);
    return started;
}

/* OpenMP keeps a region's threads for the next region, so once they run, no limit can refuse them. Returns their
 * number, which OpenMP's own settings (OMP_THREAD_LIMIT) may have reduced. */
static int open_region(int n) {
    int n_open = 1;
#pragma omp parallel num_threads(n)
#pragma omp master
    n_open = omp_get_num_threads();
    return n_open;
}

/* OpenMP's threads belong to the thread that opens the region. */
static _Thread_local int n_running = 1;
static _Thread_local pid_t process; /* in which they run */

int threads_start(int wanted) {
    if (wanted <= 0) wanted = omp_get_max_threads();
    if (wanted <= 1) return 1;
    if (n_running > 1 && process != getpid()) return 1;
    if (wanted > n_running) {
        process = getpid();
        int n = n_running + try_threads(wanted - n_running);
        return n_running = n > 1 ? open_region(n) : 1;
    }
    return n_running = wanted;
}
