#!/bin/bash
# tools/bench/compare-llama.cpp beside programs that only print what llama.cpp's would, and tools/bench/chart.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

mkdir -p "$work/build/bin" "$work/tmp"
cat >"$work/build/bin/llama-bench" <<'END'
#!/bin/sh
echo '[{"build_commit": "abc", "n_prompt": 0, "n_gen": 128, "avg_ts": 1234.5}]'
END
cat >"$work/build/bin/llama-batched-bench" <<'END'
#!/bin/sh
echo 'main: n_kv_max = 4096'
echo '|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |'
echo '|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|'
echo '|    64 |     16 |    8 |    192 |    0.008 |  7731.34 |    0.049 |  2400.00 |    0.057 |  3367.42 |'
END
chmod +x "$work"/build/bin/*
compare() {
    TMPDIR=$work/tmp tools/bench/compare-llama.cpp "$work/build" --foretell "$program" --only stories15m:q8_0 --rounds 1 -t 1 \
        "$@" >"$work/out" 2>"$work/err"
    status=$?
    said=$(grep -v 'other programs are running' "$work/err")
}
if command -v python3 >/dev/null; then
    compare --markdown
    check 'the table has a line for each measurement' '[ $status -eq 0 ] && [ -z "$said" ] &&
        [ "$(head -n 1 "$work/out")" = "| random weights | what | llama.cpp | foretell | ratio | target | met |" ]'
    check 'one row is decoding' 'grep -qE "^\| stories15m Q8_0 \| 1 row, tok/s \| (1234|1235) \| [0-9.]+ \| [0-9.]+ \| ≥ 1700 tok/s \| (yes|no) \|$" "$work/out"'
    check 'the figure of forks is one pass of 8 rows per token' \
        'grep -qE "^\|  \| future entropy, k 8, eager, tok/s \| 300 \(forks\) \| [0-9.]+ \| [0-9.]+ \| ≥ 900 tok/s \| (yes|no) \|$" "$work/out"'
    check 'versions, threads and processor are printed' 'grep -q "^foretell .*, llama.cpp abc; 1 threads of .*, medians of 1 round, " "$work/out"'
    check 'no file is left' '[ -z "$(ls -A "$work/tmp")" ]'
    rm "$work/build/bin/llama-batched-bench"
    compare
    check 'llama-batched-bench may be missing' \
        '[ $status -eq 0 ] && out_has "no llama-batched-bench" && grep -qE "k 8, eager, tok/s +- " "$work/out"'
    printf '#!/bin/sh\necho no such model >&2\nexit 3\n' >"$work/build/bin/llama-bench"
    compare
    check 'a program that fails is a failure' \
        '[ $status -eq 1 ] && [ "$said" = "compare: llama-bench ended with status 3: no such model" ] && [ -z "$(ls -A "$work/tmp")" ]'
    rm "$work/build/bin/llama-bench"
    compare
    check 'a folder without llama-bench is a failure' '[ $status -eq 1 ] && contains "$work/build: no llama-bench in it or in its bin/"'
    compare --rounds 0
    check 'wrong values are refused' '[ $status -eq 2 ] && contains "--rounds: expected a whole number from 1 to 100, got 0"'
else
    skip 'compare-llama.cpp' 'python3 is missing'
fi

{
    echo what,shape,dtype,threads,context,rows,k,ms_median,ms_min,ms_max,per_second
    for k in 1 8 64; do
        for what in decode 'future naive' 'future batched' 'future lazy'; do
            echo "$what,some-shape,Q8_0,2,64,$k,$k,$k.5,$k.1,$k.9,1"
        done
    done
} >"$work/csv"
if command -v gnuplot >/dev/null; then
    said=$(tools/bench/chart --data "$work/csv" -o "$work/cost.svg" 2>&1)
    status=$?
    check 'chart writes an SVG' '[ $status -eq 0 ] && (for word in some-shape naive batched lazy "candidates looked at" "ms for each"; do
        grep -q "$word" "$work/cost.svg" || exit 1; done)'
    head -n 1 "$work/csv" >"$work/empty"
    said=$(tools/bench/chart --data "$work/empty" -o "$work/none.svg" 2>&1)
    status=$?
    check 'chart refuses figures without the lines that it needs' '[ $status -eq 1 ] && [ ! -e "$work/none.svg" ] && contains "no line of"'
else
    skip 'chart' 'gnuplot is missing'
fi
done_testing
