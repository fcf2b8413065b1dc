#!/bin/bash
# foretell under limits on memory and on processes: it works, with fewer threads if need be, or says in one line why not.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

long='one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen'
floats=$work/f32.gguf
"$program" quantize "$model" "$floats" --type f32
chmod 755 "$work"
hash_of() { printf '%s\n' "$said" | grep '^logits '; }
limited() { # limit in MB, arguments: as foretell, with a time limit and without the other limits' outputs
    local limit=$((${1} * 1000))
    shift
    (ulimit -v $limit && exec timeout 30 "$program" "$@") >"$work/out" 2>"$work/err"
    status=$?
    said=$(cat "$work/err")
}
# Works with these logits, or says in one last line why not.
is_clear() {
    [ $status -eq 0 ] && [ "$(hash_of)" = "$1" ] || { [ $status -eq 1 ] && [[ ${said##*$'\n'} = foretell:* ]]; }
}

foretell -m "$model" -p "$long" -n 5 --temp 0
usual=$(hash_of)
export KERNELS=generic
foretell -m "$floats" -p "$long" -n 5 --temp 0
usual_blas=$(hash_of)
unset KERNELS

# ---------------------------------------------------------------- OpenBLAS
mkdir "$work/lib"
echo 'no library' >"$work/lib/libopenblas.so.0"
export LD_LIBRARY_PATH=$work/lib KERNELS=generic
failure "OpenBLAS: cannot load libopenblas.so.0: $work/lib/libopenblas.so.0: file too short" -m "$floats" -p "$long" -n 5
foretell -m "$model" -p "$long" -n 5 --temp 0
check 'int8 weights need no OpenBLAS' '[ $status -eq 0 ]'
unset KERNELS
foretell -m "$model" -p "$long" -n 5 --temp 0
check 'other kernel tables need no OpenBLAS' '[ $status -eq 0 ] && [ "$(hash_of)" = "$usual" ]'
unset LD_LIBRARY_PATH

# ---------------------------------------------------------------- memory
if (ulimit -v 4000000 && "$program" --version) >/dev/null 2>&1; then
    for limit in 50 60 80 100 200 400 800 1600 4000; do
        for threads in 1 2 8; do
            limited $limit -m "$model" -p "$long" -n 5 --temp 0 -t $threads
            check "$limit MB of address space, $threads threads" 'is_clear "$usual"'
        done
    done
    check 'some limit leaves room for all threads' '[ $status -eq 0 ] && ! contains "threads could be started"'
    limited 60 -m "$model" -p "$long" -n 5 --temp 0 -t 64
    check 'without room for 64 stacks fewer threads start' '[ $status -eq 0 ] && [ "$(hash_of)" = "$usual" ] && [ "$(grep -cE "^foretell: only [0-9]+ of 64 threads could be started$" "$work/err")" -eq 1 ]'
    export KERNELS=generic
    for limit in 100 200 400 600 800 1600 4000; do
        limited $limit -m "$floats" -p "$long" -n 5 --temp 0
        check "$limit MB of address space, OpenBLAS" 'is_clear "$usual_blas"'
    done
    limited 400 -m "$floats" -p "$long" -n 5 --temp 0 -t 2
    check 'without room for OpenBLAS one line says so' '[ $status -eq 1 ] && silent && [[ $said = "foretell: OpenBLAS: expected "*" MiB of free address space for its buffers, got less (ulimit -v;"* ]]'
    unset KERNELS
else
    skip 'limits on memory' 'this build does not start below 4 GB of address space'
fi

# ---------------------------------------------------------------- processes
user=$((60000 + $$ % 5000)) # one that has no other process
export ASAN_OPTIONS=detect_leaks=0 # which would start a process
as_user() { # most processes, arguments
    local most=$1
    shift
    setpriv --reuid=$user --clear-groups prlimit --nproc="$most" "$program" "$@" >"$work/out" 2>"$work/err"
    status=$?
    said=$(cat "$work/err")
}
if [ "$(id -u)" -eq 0 ] && setpriv --reuid=$user --clear-groups test -x "$program" -a -r "$model" 2>/dev/null; then
    for most in 1 2 3 5; do
        as_user $most -m "$model" -p "$long" -n 5 --temp 0 -t 8
        check "$most of 8 threads" '[ $status -eq 0 ] && [ "$(hash_of)" = "$usual" ] && [ "$(grep "^foretell:" "$work/err")" = "foretell: only $most of 8 threads could be started" ]'
    done
    as_user 8 -m "$model" -p "$long" -n 5 --temp 0 -t 8
    check 'if all threads start, no message appears' '[ $status -eq 0 ] && [ "$(hash_of)" = "$usual" ] && ! contains foretell:'
    as_user 2 -m "$model" -p "$long" -n 5 --temp 0 -t 8 --fe --fe-k 20 --fe-depth 2
    check 'fewer threads: lookahead works' '[ $status -eq 0 ] && contains "only 2 of 8 threads"'
    as_user 3 -m "$model" -p "$long" -n 20 --temp 0 -t 8 -N 3
    check 'fewer threads: several texts are written' '[ $status -eq 0 ] && contains "only 3 of 8 threads"'
    as_user 3 perplexity -m "$model" -t 4 <<<"$long"
    check 'fewer threads: perplexity works' '[ $status -eq 0 ] && [ "$said" = "foretell: only 3 of 4 threads could be started" ] && out_has "perplexity  "'
    as_user 3 bench -m "$model" --rows 1 --runs 5 -t 1,4 --csv
    check 'fewer threads: bench counts those that run' '[ $status -eq 0 ] && [ "$said" = "foretell: only 3 of 4 threads could be started" ] &&
        [ "$(grep ^rows "$work/out" | cut -d , -f 4 | tr "\n" " ")" = "1 3 " ]'
    mkdir -m 777 "$work/for-all"
    as_user 3 run -m "$model" -n 5 -s 1 -t 4 --fe --trace "$work/for-all/trace.jsonl"
    as_user 2 replay -m "$model" "$work/for-all/trace.jsonl" -t 4
    check 'fewer threads: replay works' '[ $status -eq 0 ] && contains "only 2 of 4 threads"'
    processors=$(OMP_NUM_THREADS='' nproc)
    if [ "$processors" -gt 1 ]; then
        few="foretell: only 1 of $processors threads could be started"
        as_user 1 quantize "$model" "$work/for-all/out.gguf"
        check 'fewer threads: quantize works' '[ $status -eq 0 ] && [ "$said" = "$few" ]'
        as_user 1 inspect "$model"
        check 'fewer threads: inspect works' '[ $status -eq 0 ] && [ "$said" = "$few" ]'
    else
        skip 'quantize and inspect' 'they start a thread per processor, and there is one'
    fi
else
    skip 'limits on processes' 'they bind another user than root, which takes root, and files that such a user may read'
fi
done_testing
