#include "tensor/kernels.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* Half-precision conversion has a feature bit of its own, which __builtin_cpu_supports of some compilers does not
 * know. */
static bool has_f16c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c(); }

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
}
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

static bool has_dot_product(void) { return getauxval(AT_HWCAP) & HWCAP_ASIMDDP; }
#endif

static bool always(void) { return true; }

/* From the slowest to the fastest: the default is the last one that this processor can run. */
static const struct {
    const Kernels *table;
    bool (*runs_here)(void);
} tables[] = {
    {&kernels_generic, always},
#if defined(__x86_64__)
    {&kernels_avx2, has_avx2},
    {&kernels_avx512, has_avx512},
#elif defined(__aarch64__)
    {&kernels_neon, always},
    {&kernels_neondot, has_dot_product},
#endif
};

enum { N_TABLES = sizeof tables / sizeof *tables };

static const Kernels *in_use;

const Kernels *kernels_available(int i) {
    for (int t = 0; t < N_TABLES; t++) {
        if (tables[t].runs_here() && i-- == 0) return tables[t].table;
    }
    return NULL;
}

/* Chooses the table that KERNELS names, or else the fastest. Returns false if KERNELS is wrong; the fastest is chosen
 * then, too. */
static bool choose(const Kernels **table, Error *error) {
    const char *name = getenv("KERNELS");
    char here[128] = "";
    bool known = false;
    for (int t = 0; t < N_TABLES; t++) {
        bool same = name && strcmp(name, tables[t].table->name) == 0;
        known = known || same;
        if (!tables[t].runs_here()) continue;
        *table = tables[t].table;
        if (same) return true;
        if (*here) strcat(here, ", ");
        strcat(here, tables[t].table->name);
    }
    if (!name || !*name) return true;
    return error_set(error, "KERNELS=%s: %s; expected one of: %s", name,
                     known ? "this processor lacks these instructions" : "unknown", here);
}

bool kernels_check(Error *error) {
    const Kernels *table;
    return choose(&table, error);
}

/* Atomic, because the first call may come from several threads at once. All of them choose the same table. */
const Kernels *kernels(void) {
    const Kernels *table = __atomic_load_n(&in_use, __ATOMIC_RELAXED);
    if (!table) {
        Error error;
        choose(&table, &error);
        kernels_use(table);
    }
    return table;
}

void kernels_use(const Kernels *table) { __atomic_store_n(&in_use, table, __ATOMIC_RELAXED); }
