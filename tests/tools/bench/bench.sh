#!/bin/bash
# foretell bench: what it measures and how it prints that; never how fast anything was.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

tiny=(--shape stories260k --dtype f16 --runs 5)
header=what,shape,dtype,threads,context,rows,k,ms_median,ms_min,ms_max,per_second
# The lines of the CSV but the first two (header, read), by columns: columns 1-7
labels() { tail -n +3 "$work/out" | cut -d , -f 1-7; }
# Every line has eleven cells; times are in order and positive, and so is the rate.
sound() {
    awk -F, 'NR == 1 { next } NF != 11 { bad = 1 }
             $1 !~ /^session/ && !($8 > 0 && $9 > 0 && $9 <= $8 && $8 <= $10) { bad = 1 }
             $1 ~ /^session/ && $8 $9 $10 != "" { bad = 1 }
             !($11 > 0) { bad = 1 }
             END { exit bad || NR < 3 }' "$work/out"
}
csv() { # name, what must be in columns 1-7, arguments
    local name=$1 expected=$2
    shift 2
    foretell bench "${tiny[@]}" --csv "$@"
    check "$name: the header and the speed of memory come first" \
        '[ $status -eq 0 ] && [ -z "$said" ] && [ "$(head -n 1 "$work/out")" = "$header" ] && [[ $(sed -n 2p "$work/out") = "read,256 MiB,-,"* ]]'
    check "$name: the lines of the CSV" '[ "$(labels)" = "$expected" ] && sound'
    [ "$(labels)" = "$expected" ] || labels | sed 's/^/# line: /'
}

csv 'rows and a prompt' "rows,stories260k,F16,1,64,1,0
rows,stories260k,F16,1,64,3,0
prompt,stories260k,F16,1,0,40,0" -t 1 --rows 1,3 --prompt 40
csv 'without being asked' "rows,stories260k,F16,1,64,1,0
rows,stories260k,F16,1,64,2,0
rows,stories260k,F16,1,64,4,0
rows,stories260k,F16,1,64,8,0
rows,stories260k,F16,1,64,20,0
prompt,stories260k,F16,1,0,128,0" -t 1
csv 'contexts, beyond what the shape was made for' "rows,stories260k,F16,1,32,2,0
rows,stories260k,F16,1,1024,2,0" -t 1 --rows 2 --contexts 1k,32
csv 'memory' "session bytes,stories260k,F16,1,32,1,1
session peak,stories260k,F16,1,32,1,1
session bytes,stories260k,F16,1,32,8,8
session peak,stories260k,F16,1,32,8,8" -t 1 --memory --contexts 32 --k 1,8

foretell bench "${tiny[@]}" --csv -t 1,2 --k 1,8
future() { awk -F, -v t="$1" -v k="$2" '$4 == t && $7 == k { print $1 }' "$work/out" | paste -s -d ' '; }
check 'future entropy: each way at each k, with one thread and with two' \
    '[ $status -eq 0 ] && sound && (for t in 1 2; do for k in 1 8; do
        [ "$(future $t $k)" = "decode future naive future batched future lazy" ] || exit 1; done; done)'
rows() { awk -F, -v what="$1" '$1 == what && $4 == 1 && $7 == 8 { print $6 }' "$work/out"; }
check 'rows per token are one, nine, eight, and at most eight' \
    '[ "$(rows decode)" = 1 ] && [ "$(rows "future naive")" = 9 ] && [ "$(rows "future batched")" = 8 ] &&
     awk "BEGIN { exit !($(rows "future lazy") >= 1 && $(rows "future lazy") <= 8) }"'
foretell bench "${tiny[@]}" --csv -t 1 --k 4 --looks lazy
check '--looks measures one way alone' '[ "$(tail -n +3 "$work/out" | cut -d , -f 1 | paste -s -d " ")" = "decode future lazy" ]'
foretell bench -m "$model" --csv -t 1 --k 4 --looks lazy,batched --runs 5
check 'a model from a file is measured, too' \
    '[ $status -eq 0 ] && grep -q "^future batched,$(basename "$model"),Q8_0,1,64,4,4," "$work/out" && sound'
foretell bench "${tiny[@]}" -t 1 --rows 1,2
check 'without --csv a table is printed' \
    '[ $status -eq 0 ] && [ -z "$said" ] && out_has "ms median" && out_has " tok/s, " && out_has " x 1 row"'

mkdir "$work/tmp"
TMPDIR=$work/tmp foretell bench "${tiny[@]}" --csv -t 1 --start-up
check 'start-up is measured cold and warm' '[ $status -eq 0 ] && [ "$(labels)" = "start cold,stories260k,F16,1,0,0,0
start warm,stories260k,F16,1,0,0,0" ] && sound'
check 'the temporary file is removed' '[ -z "$(ls -A "$work/tmp")" ]'
TMPDIR=$work/none foretell bench "${tiny[@]}" --csv -t 1 --start-up
check 'a missing folder for the file is a failure' '[ $status -eq 1 ] && [[ $said = "foretell: $work/none/foretell-"*": cannot create: No such file or directory" ]]'
# Enough runs to be interrupted in the middle, when the file is there.
TMPDIR=$work/tmp "$program" bench "${tiny[@]}" -t 1 --start-up --runs 101 >/dev/null 2>&1 &
child=$!
for _ in $(seq 200); do
    [ -n "$(ls -A "$work/tmp")" ] && break
    sleep 0.05
done
kill -TERM $child
wait $child
status=$?
check 'an interrupted run leaves no file' '[ $status -eq 143 ] && [ -z "$(ls -A "$work/tmp")" ]'

TMPDIR=$work/tmp "$program" bench "${tiny[@]}" -t 1 --start-up 2>/dev/null | head -n 3 >"$work/out"
check 'a run whose output is closed leaves no file' '[ -z "$(ls -A "$work/tmp")" ]'

list='with commas between, got'
usage_error "--rows: expected whole numbers from 1 to 64 $list '0'" bench --rows 0
usage_error "--rows: expected whole numbers from 1 to 64 $list '1,65'" bench --rows 1,65
usage_error "--rows: expected whole numbers from 1 to 64 $list '1,,2'" bench --rows 1,,2
usage_error "--rows: expected whole numbers from 1 to 64 $list '1,2,'" bench --rows 1,2,
usage_error "--rows: expected whole numbers from 1 to 64 $list '1k'" bench --rows 1k
usage_error "--rows: expected whole numbers from 1 to 64 $list '99999999999999999999999'" bench --rows 99999999999999999999999
usage_error "--rows: expected at most 16 numbers, got '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1'" bench --rows 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1
usage_error "--k: expected whole numbers from 1 to 64 $list '65'" bench --k 65
usage_error "--contexts: expected whole numbers from 1 to 16777215 $list '16384k'" bench --contexts 16384k
usage_error "--contexts: expected whole numbers from 1 to 16777215 $list '-1'" bench --contexts -1
usage_error "--contexts: expected whole numbers from 1 to 16777215 $list 'k'" bench --contexts k
usage_error "--threads: expected whole numbers from 1 to 1024 $list '1,x'" bench -t 1,x
usage_error "--looks: expected some of naive,batched,lazy $list 'eager'" bench --looks eager
usage_error "--runs: expected a whole number from 5 to 101, got '4'" bench --runs 4
usage_error "--prompt: expected a whole number from 0 to 1048576, got '1048577'" bench --prompt 1048577
usage_error "--shape: expected one of stories260k, stories15m, stories110m, smollm2-135m, tinyllama-1.1b, got 'gpt'" bench --shape gpt
usage_error "bench: expected one of --model and --shape, got both" bench --shape stories15m -m "$model"
usage_error "bench: unexpected argument 'more'" bench more
foretell bench --shape stories260k --dtype q8_0 --rows 1
check 'a number format that does not fit the shape is a failure' \
    '[ $status -eq 1 ] && [ "$said" = "foretell: random model: Q8_0 does not fit dim 64, hidden_dim 172" ]'
foretell bench -m no/such.gguf --rows 1
check 'a missing file is a failure' '[ $status -eq 1 ] && [ "$said" = "foretell: no/such.gguf: cannot open: No such file or directory" ]'
if grep -q __asan_init "$program"; then
    skip 'a context that does not fit the memory' 'the address sanitizer needs all of the address space'
else
    said=$( (ulimit -v 4000000; "$program" bench "${tiny[@]}" -t 1 --contexts 16383k) 2>&1 >/dev/null)
    status=$?
    check 'a context that does not fit the memory' \
        '[ $status -eq 1 ] && [ "$(printf "%s\n" "$said" | wc -l)" = 1 ] && contains "foretell: " && contains "memory"'
fi
done_testing
