#include "tensor/blas.h"

#include <assert.h>
#include <cblas.h>
#include <dlfcn.h>
#include <omp.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "tensor/threads.h"

#define LIBRARY       "libopenblas.so.0"
#define BUFFER_MIB    128 /* BUFFER_SIZE in OpenBLAS's common_x86_64.h; no processor has more */
#define LIBRARY_MIB   64  /* its code, and that of the libraries it needs */
#define LEFT_OVER_MIB 64  /* for what the process still allocates itself */

typedef struct {
    __typeof__(&cblas_sgemm) sgemm;
    __typeof__(&cblas_sgemv) sgemv;
    __typeof__(&openblas_get_num_threads) get_num_threads;
    __typeof__(&openblas_set_num_threads) set_num_threads;
} Blas;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects all of these except `blas`, which is set once */
static Blas blas;
static void *library;
static int n_buffers;                  /* the number for which there is room */
static int n_sections, threads_before; /* between blas_begin and blas_end; OpenBLAS's number before the first */

/* OpenBLAS takes a buffer for each processor in its constructor, and one for each product being computed. If it gets
 * none, it retries without end. So the same room is reserved and released first, as a test. */
static bool check_room(int wanted, Error *error) {
    int mib = (wanted - n_buffers) * BUFFER_MIB + (library ? 0 : LIBRARY_MIB) + LEFT_OVER_MIB;
    size_t bytes = (size_t)mib << 20;
    if (wanted <= n_buffers) return true;
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return error_set(error,
                         "OpenBLAS: expected %d MiB of free address space for its buffers, got less (ulimit -v; only "
                         "float weights with KERNELS=generic need it)",
                         mib);
    munmap(room, bytes);
    n_buffers = wanted;
    return true;
}

/* C has no conversion from a data pointer to a function's; POSIX says that the bytes are the same. */
static bool find(void *function, size_t size, const char *name) {
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, size);
    return symbol != NULL;
}

static bool load(Error *error) {
    Blas found;
    if (blas.sgemm) return true;
    if (!library) library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library || !find(&found.sgemm, sizeof found.sgemm, "cblas_sgemm") ||
        !find(&found.sgemv, sizeof found.sgemv, "cblas_sgemv") ||
        !find(&found.get_num_threads, sizeof found.get_num_threads, "openblas_get_num_threads") ||
        !find(&found.set_num_threads, sizeof found.set_num_threads, "openblas_set_num_threads")) {
        const char *why = dlerror();
        return error_set(error, "OpenBLAS: cannot load " LIBRARY ": %s", why ? why : "it lacks cblas_sgemm");
    }
    blas = found;
    return true;
}

bool blas_load(int threads, Error *error) {
    int processors = threads_processors(), most = threads > processors ? threads : processors;
    pthread_mutex_lock(&lock);
    bool loaded = check_room(most + 1, error) && load(error);
    pthread_mutex_unlock(&lock);
    return loaded;
}

/* OpenBLAS built for OpenMP also sets the calling thread's number of OpenMP threads, which is restored here. */
static void set_num_threads(int n) {
    int openmp_threads = omp_get_max_threads();
    blas.set_num_threads(n);
    omp_set_num_threads(openmp_threads);
}

void blas_begin(void) {
    assert(blas.sgemm);
    pthread_mutex_lock(&lock);
    if (n_sections++ == 0) {
        threads_before = blas.get_num_threads();
        if (threads_before != 1) set_num_threads(1);
    }
    pthread_mutex_unlock(&lock);
}

void blas_end(void) {
    pthread_mutex_lock(&lock);
    assert(n_sections > 0);
    n_sections--;
    if (n_sections == 0 && threads_before != 1) set_num_threads(threads_before);
    pthread_mutex_unlock(&lock);
}

/* out is zeroed here: some versions of OpenBLAS multiply it by beta, and 0 times NaN is NaN. */
void blas_sgemv(float *out, const float *x, const float *w, int stride, int n, int cols) {
    memset(out, 0, (size_t)n * sizeof *out);
    blas.sgemv(CblasRowMajor, CblasTrans, cols, n, 1, w, stride, x, 1, 0, out, 1);
}

void blas_sgemm(float *out, size_t out_stride, const float *x, int n_rows, const float *w, int stride, int n,
                int cols) {
    blas.sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n_rows, n, cols, 1, x, cols, w, stride, 0, out,
               (blasint)out_stride);
}
