#!/bin/bash
# Standard descriptors: closed ones are never taken by a file, and a failed write to standard output is reported.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

run=(run -m "$model" -t 1 -p 'Once upon a time' -n 5 -s 1)
is_trace() { python3 -c "import json, sys; sys.exit([json.loads(l)['type'] for l in open(sys.argv[1])] != ['header'] + ['step'] * 5 + ['end'])" "$1"; }
"$program" "${run[@]}" >"$work/text" 2>/dev/null

"$program" "${run[@]}" --explain --trace "$work/trace" 2>&- >"$work/out"
status=$?
check 'standard error closed: the trace is valid' '[ $status -eq 0 ] && is_trace "$work/trace" && cmp "$work/text" "$work/out"'
"$program" "${run[@]}" --trace "$work/other" <&- 2>/dev/null >"$work/out"
status=$?
check 'standard input closed: the trace is the same' '[ $status -eq 0 ] && cmp "$work/trace" "$work/other" && cmp "$work/text" "$work/out"'
rm "$work/other"
"$program" "${run[@]}" --trace "$work/other" >&- 2>"$work/err"
status=$?
said=$(cat "$work/err")
check 'standard output closed: the text is lost, which is a failure' '[ $status -eq 1 ] && contains "foretell: standard output: Bad file descriptor" && [ ! -e "$work/other" ]'
"$program" quantize "$model" "$work/quantized" <&- >&- 2>&-
status=$?
check 'all closed: quantize succeeds' '[ $status -eq 0 ] && "$program" inspect "$work/quantized" | grep -q "Q8_0 .*50,"'
said=$("$program" tokenize -m "$model" 2>&1 <&-)
status=$?
check 'standard input closed: reading the prompt from it fails' '[ $status -eq 1 ] && [ "$said" = "foretell: standard input: cannot read: Bad file descriptor" ]'
said=$("$program" inspect -m "$model" 2>&1 >&-)
status=$?
check 'standard output closed: inspect fails' '[ $status -eq 1 ] && [ "$said" = "foretell: standard output: Bad file descriptor" ]'

if [ ! -w /dev/full ]; then
    skip 'a full disk' '/dev/full is missing'
    done_testing
fi
unheard() { # arguments: it fails with one line
    said=$("$program" "$@" 2>&1 >/dev/full)
    status=$?
    check "$* >/dev/full fails" '[ $status -eq 1 ] && [ "$(tail -n 1 <<<"$said")" = "foretell: standard output: No space left on device" ] && [ "$(grep -c "standard output" <<<"$said")" -eq 1 ]'
}
"$program" "${run[@]}" --trace "$work/trace" >/dev/null 2>&1
unheard --help
unheard --version
unheard help
unheard help run
for command in run tokenize inspect perplexity quantize bench export replay explore; do unheard $command --help; done
unheard --list-samplers
unheard "${run[@]}"
unheard "${run[@]}" -N 2
unheard tokenize -m "$model" -p 'Once upon a time'
unheard tokenize -m "$model" -p 'Once upon a time' --pieces
unheard tokenize -m "$model" --decode 300 301
unheard inspect "$model" --tensors
unheard perplexity -m "$model" -c 64 README.md
unheard bench --csv --shape stories260k --dtype f16 --rows 1 --runs 5 -t 1
unheard bench --shape stories260k --dtype f16 --rows 1 --runs 5 -t 1
unheard replay -m "$model" "$work/trace"
said=$( (ulimit -f 1; "$program" tokenize -m "$model" -f README.md) 2>&1 >"$work/out")
status=$?
check 'a limit on the size of files is reported' '[ $status -eq 1 ] && [ "$said" = "foretell: standard output: File too large" ]'
done_testing
