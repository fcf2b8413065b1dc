#!/bin/bash
# tests/layers on a made-up tree: each kind of breach is found, and what is allowed is not one.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/support/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The tree has every room and every file that a rule names: all of the sources, empty.
git ls-files '*.[ch]' 'tools/*.cpp' 2>/dev/null | grep / >"$work/list" || find tensor tokenizer model sampler tools tests -name '*.[ch]' >"$work/list"
touch "$work/foretell.h"
while read -r file; do mkdir -p "$work/${file%/*}" && : >"$work/$file"; done <"$work/list"
files=$(wc -l <"$work/list")
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
printf '#include "tensor/ops.h"\n#include "model/model.h"\n' >"$work/sampler/future/lookahead.c"
printf '#include "tokenizer/tokenizer.h"\n#include "model/model.h"\nvoid f(void) { exit(1); }\n' >"$work/tools/generate/run.c"
echo 'void f(void) { on_exit (1); model_abort(2); }' >"$work/model/model.c"
layers
check 'a correct tree passes, and the output says what was checked' '[ $status -eq 0 ] && contains "5 quoted includes in $files files"'

breach 'tensor/ stands alone' tensor/a.c '#include "model/model.h"' 'tensor/ must not include "model/model.h"'
breach 'tokenizer/ does not know model/' tokenizer/a.c '  # include "model/model.h"' 'tokenizer/ must not include "model/model.h"'
breach 'model/ does not know tokenizer/' model/a.h '#include "tokenizer/tokenizer.h"' 'model/ must not include "tokenizer'
breach 'sampler/ does not know model/ in general' sampler/chain/a.c '#include "model/model.h"' 'sampler/chain/ must not include "model/model.h"'
breach 'a stage does not know the rooms above it' sampler/chain/a.c '#include "sampler/sampler.h"' 'sampler/chain/ must not include'
breach 'a room of tools/ does not know its neighbours' tools/files/a.c '#include "tools/trace/trace.h"' 'tools/files/ must not include'
breach 'an example knows foretell.h alone' tools/examples/a.cpp '#include "tools/cli/open.h"' 'tools/examples/ must not include'
breach 'the program does not go through foretell.h' tools/generate/a.c '#include "foretell.h"' 'tools/generate/ must not include'
breach 'a file in no room' sampler/a.c '#include "tensor/ops.h"' 'sampler/ must not include "tensor/ops.h"'
breach 'paths count from the root' tensor/a.c '#include "ops.h"' 'includes "ops.h", which is no path from the root'
breach 'intrinsics' tensor/kernels_inline.h '#include <immintrin.h>' 'intrinsics belongs in tensor/kernels_*.c'
breach 'BLAS' model/a.c '#include <cblas.h>' 'BLAS belongs in tensor/blas.c'
breach 'PCRE2' sampler/chain/a.c '#include <pcre2.h>' 'PCRE2 belongs in sampler/settings/place_regex.c'
breach 'OpenMP' sampler/chain/a.c '#  pragma omp parallel for' 'OpenMP belongs in'
breach 'OpenMP sections' sampler/chain/a.c '#pragma omp sections' 'OpenMP belongs in'
breach 'OpenMP single' sampler/chain/a.c '#pragma omp single' 'OpenMP belongs in'
breach 'exit' tokenizer/a.c '    exit(1);' 'ending the process belongs in'
breach 'abort' tensor/a.c 'if (!p) abort ();' 'ending the process belongs in'
breach 'the environment' sampler/chain/a.c 'const char *name = getenv("HOME");' 'the environment belongs in'
breach 'signals' sampler/chain/a.c 'signal(SIGINT, f);' 'signal handling belongs in'
breach 'a file of its own' tools/cli/a.c 'FILE *file = fopen(path, "wb");' 'creating a file belongs in'
breach 'a fixed temporary name' tools/cli/a.c 'rename(part, path);' 'creating a file belongs in'
breach 'an option in a message' sampler/chain/a.c 'error_set(error, "needs --temp above 0");' 'an option of the command line belongs in'
breach 'a short option in a message' model/a.c 'error_set(error, "too long (-n N is shorter)");' 'an option of the command line belongs in'
printf 'FILE *file = fopen(path, "rb");\nopen_signal(SIGINT);\n' >"$work/tensor/bytes.c"
layers
check 'the tree is correct again' '[ $status -eq 0 ]'

rm "$work/tensor/blas.c"
layers
check 'a rule about a missing file is a breach' \
    '[ $status -eq 1 ] && contains "a rule names tensor/blas.c, which is not there" && contains "1 breaches"'
done_testing
