#!/bin/bash
# tests/layers on a made-up tree: each kind of breach is found, and what is allowed is not one.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/cli/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{tensor,tokenizer,model,sampler,tools,tests}
for header in tensor/ops tokenizer/tokenizer model/model sampler/sampler; do : >"$work/$header.h"; done
layers() {
    said=$(tests/layers "$work" 2>&1)
    status=$?
}
breach() { # name, file, line of code, what is said
    printf '%s\n' "$3" >"$work/$2"
    layers
    check "$1" "[ \$status -eq 1 ] && contains '$2:1: $4' && contains 'layers: 1 breaches'"
    rm "$work/$2"
}

printf '/* exit(1) */\n#include "tensor/ops.h"\n#pragma omp parallel\n// cblas.h\n' >"$work/tensor/threads.c"
printf '#include <immintrin.h>\n#pragma omp simd\n' >"$work/tensor/kernels_avx2.c"
printf '#include "tensor/ops.h"\n#include "model/model.h"\n' >"$work/sampler/lookahead.c"
printf '#include "tokenizer/tokenizer.h"\n#include "model/model.h"\nvoid f(void) { exit(1); }\n' >"$work/tools/main.c"
echo 'void f(void) { on_exit (1); model_abort(2); }' >"$work/model/model.c"
layers
check 'a tree in order passes and says what was checked' '[ $status -eq 0 ] && contains "5 quoted includes in 9 files"'

breach 'tensor/ stands alone' tensor/a.c '#include "model/model.h"' 'tensor/ must not include "model/model.h"'
breach 'tokenizer/ does not know model/' tokenizer/a.c '  # include "model/model.h"' 'tokenizer/ must not include "model/model.h"'
breach 'model/ does not know tokenizer/' model/a.h '#include "tokenizer/tokenizer.h"' 'model/ must not include "tokenizer'
breach 'sampler/ does not know model/ in general' sampler/a.c '#include "model/model.h"' 'sampler/ must not include "model/model.h"'
breach 'paths count from the root' tensor/a.c '#include "ops.h"' 'includes "ops.h", which is no path from the root'
breach 'intrinsics' tensor/kernels_inline.h '#include <immintrin.h>' 'intrinsics belongs in tensor/kernels_*.c'
breach 'BLAS' model/a.c '#include <cblas.h>' 'BLAS belongs in tensor/blas.c'
breach 'PCRE2' sampler/a.c '#include <pcre2.h>' 'PCRE2 belongs in sampler/place_regex.c'
breach 'OpenMP' sampler/a.c '#  pragma omp parallel for' 'OpenMP belongs in'
breach 'OpenMP sections' sampler/a.c '#pragma omp sections' 'OpenMP belongs in'
breach 'OpenMP single' sampler/a.c '#pragma omp single' 'OpenMP belongs in'
breach 'exit' tokenizer/a.c '    exit(1);' 'ending the process belongs in'
breach 'abort' tensor/a.c 'if (!p) abort ();' 'ending the process belongs in'
breach 'signals' sampler/a.c 'signal(SIGINT, f);' 'signal handling belongs in'
breach 'a file of its own' tools/a.c 'FILE *file = fopen(path, "wb");' 'creating a file belongs in'
breach 'a fixed temporary name' tools/a.c 'rename(part, path);' 'creating a file belongs in'
printf 'FILE *file = fopen(path, "rb");\nopen_signal(SIGINT);\n' >"$work/tensor/bytes.c"
layers
check 'in order again' '[ $status -eq 0 ]'
done_testing
