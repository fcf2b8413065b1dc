/* Threads: how many threads this process can have.
 *
 * If a thread of a parallel region cannot be started (limits on processes or on memory), OpenMP ends the program. So
 * code that opens a region calls threads_start first:
 *
 *     int n = threads_start(wanted);
 *     #pragma omp parallel num_threads(n)
 *
 * Results do not depend on the answer. */
#ifndef TENSOR_THREADS_H
#define TENSOR_THREADS_H

int threads_processors(void); /* processors this process may run on */

/* Starts the threads of the calling thread's next parallel region. Returns their number, which includes the calling
 * thread: `wanted`, or as many as the system grants, at least 1. If wanted is 0, OpenMP's own default is used. Costs
 * nothing if the threads are running already. A region with fewer threads ends the others, except a region with 1.
 *
 * A child process created by fork has only the calling thread. OpenMP does not know that, and would wait for the others
 * forever. So the result is 1 in such a child if the thread had opened a region before. */
int threads_start(int wanted);

#endif
