#include "tensor/blas.h"

#include <assert.h>
#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "tensor/threads.h"

#define LIBRARY       "libopenblas.so.0"
#define BUFFER_MIB    128 /* BUFFER_SIZE in OpenBLAS's common_x86_64.h; no processor has more */
#define LIBRARY_MIB   64  /* its code, and that of the libraries it needs */
#define LEFT_OVER_MIB 64  /* for what the process still allocates itself */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *library;
static int n_buffers; /* those that there was room for */
static __typeof__(&cblas_sgemm) sgemm;

/* OpenBLAS takes a buffer for each processor in its constructor, and one for each product being computed. If it gets
 * none, it retries without end. So the same room is asked for first, and given back. */
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
    __typeof__(&openblas_set_num_threads) set_num_threads;
    if (sgemm) return true;
    if (!library) library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library || !find(&set_num_threads, sizeof set_num_threads, "openblas_set_num_threads") ||
        !find(&sgemm, sizeof sgemm, "cblas_sgemm")) {
        const char *why = dlerror();
        return error_set(error, "OpenBLAS: cannot load " LIBRARY ": %s", why ? why : "it lacks cblas_sgemm");
    }
    set_num_threads(1); /* the callers divide the work (tensor/ops.h says why) */
    return true;
}

bool blas_load(int threads, Error *error) {
    int processors = threads_processors(), most = threads > processors ? threads : processors;
    pthread_mutex_lock(&lock);
    bool loaded = check_room(most + 1, error) && load(error);
    pthread_mutex_unlock(&lock);
    return loaded;
}

void blas_multiply(float *out, size_t out_stride, const float *x, int n_rows, const float *w, int n_w, int cols) {
    assert(sgemm);
    sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n_rows, n_w, cols, 1, x, cols, w, cols, 0, out, (blasint)out_stride);
}
