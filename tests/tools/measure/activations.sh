#!/bin/bash
# tools/measure/activations: what int8 activations cost, in short. On F32 weights, which round nothing, the two runs are one.
# shellcheck disable=SC2016,SC2034,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

measure() { # model: six texts of five tokens
    FORETELL=$program tools/measure/activations "$1" 5 1 >"$work/out" 2>"$work/err"
    status=$?
    said=$(cat "$work/out" "$work/err")
}
largest() { sed -n "s/^$1 *largest difference \([0-9.]*\), mean.*/\1/p" "$work/out"; }
within() { awk -v x="$(largest "$1")" -v low="$2" -v high="$3" 'BEGIN { exit !(x != "" && x >= low && x <= high) }'; }

measure "$model"
check 'Q8_0 and the same weights as F32 differ in the third decimal, not in the first' '[ $status -eq 0 ] &&
    within "ln p" 0.001 0.2 && within H 0.001 0.2 && within Hhat 0.0001 0.1'
"$program" quantize --type f32 "$model" "$work/f32.gguf" 2>/dev/null
measure "$work/f32.gguf"
check 'F32 does not differ from itself' '[ $status -eq 0 ] && within "ln p" 0 0 && within H 0 0 && within Hhat 0 0 &&
    contains "30 steps with the same tokens before them; 6 of 6 texts are the same"'
done_testing
