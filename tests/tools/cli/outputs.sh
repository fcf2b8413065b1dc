#!/bin/bash
# The file under an output's name is always complete, also with several writers and a killed program: no file, the
# old file or a new one. SLOW in the environment: 300 kills instead of 40.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

RANDOM=1
folder=$work/folder
out=$folder/out
mkdir "$folder"
kill=tests/support/kill.py
trace=("$program" run -m "$model" -t 1 -p 'Once upon a time' -n 60) # and a seed, and --trace FILE

# ---- Two writers of one output at once

race() { # name, the files that each writes by itself; write N FILE is a writer
    local failed=0 wrong=0 left=0 round pid rounds=40
    for ((round = 0; round < rounds; round++)); do
        write 1 "$out" 2>/dev/null &
        pid=$!
        write 2 "$out" 2>/dev/null || failed=$((failed + 1))
        wait $pid || failed=$((failed + 1))
        cmp -s "$out" "$2" || cmp -s "$out" "$3" || wrong=$((wrong + 1))
        [ "$(ls "$folder")" = out ] || left=$((left + 1))
        rm -f "$folder"/*
    done
    said="$rounds rounds: $failed writers failed, $wrong files are neither, $left leave something"
    echo "# $1: $said"
    check "two writers of one output: $1" '[ "$said" = "40 rounds: 0 writers failed, 0 files are neither, 0 leave something" ]'
}
write() { "$program" quantize "$model" "$2" --type "$([ "$1" = 1 ] && echo f16 || echo q4_0)"; }
for n in 1 2; do write $n "$work/quantized$n"; done
race quantize "$work/quantized1" "$work/quantized2"
write() { "${trace[@]}" -s "$1" --trace "$2" >/dev/null; }
for n in 1 2; do write $n "$work/trace$n" 2>/dev/null; done
race trace "$work/trace1" "$work/trace2"

# ---- Signals to a writer that has begun, and would go on for long

is_complete() { [ "$(head -c 16 "$1")" = '{"type":"header"' ] && [ "$(tail -n 1 "$1" | head -c 13)" = '{"type":"end"' ]; }
endless=("${trace[@]}" -n -1 -c 50000 --ignore-eos -s 1 --trace "$out")
printf 'old' >"$out"
for signal in TERM HUP QUIT PIPE XCPU; do
    said=$(ulimit -c 0; FILE="$folder/*.part" $kill $signal 0.02 "${endless[@]}" 2>/dev/null)
    check "$signal: the trace is removed, and the shell sees the signal" \
        '[ "$said" = "signal $(kill -l $signal)" ] && [ "$(ls "$folder")" = out ] && [ "$(cat "$out")" = old ]'
done
said=$(FILE="$folder/*.part" $kill INT 0.02 "${endless[@]}" 2>/dev/null)
check 'INT: the trace is complete' '[ "$said" = "exit 130" ] && [ "$(ls "$folder")" = out ] && is_complete "$out" && tail -n 1 "$out" | grep -q "\"stop\":\"interrupted\""'
# The prompt does not fit the pipe, which has no reader: the first Ctrl-C waits for it, the second one does not.
printf 'old' >"$out"
mkfifo "$work/pipe"
exec 3<>"$work/pipe"
head -c 100000 /dev/zero | tr '\0' 'a' >"$work/prompt"
"$program" run -m "$model" -t 1 -n 1 -s 1 -c 110000 -f "$work/prompt" --trace "$out" >&3 2>/dev/null 3>&- &
pid=$!
for _ in {1..400}; do
    compgen -G "$folder/*.part" >/dev/null && break
    sleep 0.05
done
sleep 0.2
kill -INT $pid
sleep 0.5
check 'INT: the program waits after the first signal' 'kill -0 $pid && [ "$(ls "$folder" | wc -l)" -eq 2 ]'
kill -INT $pid
wait $pid
status=$?
exec 3>&-
check 'INT: the second signal ends the program at once, and no file is left' '[ $status -eq 130 ] && [ "$(ls "$folder")" = out ] && [ "$(cat "$out")" = old ]'

# bash starts background jobs with SIGINT ignored; the program still catches it. nohup keeps SIGHUP ignored.
rm "$out"
(trap '' HUP; FILE="$folder/*.part" exec $kill HUP 0 "$program" export --random stories15m --dtype f32 -o "$out") >"$work/ended" 2>/dev/null
said=$(cat "$work/ended")
check 'HUP under nohup: the program runs to its end' '[ "$said" = "exit 0" ] && [ "$(ls "$folder")" = out ]'
rm "$out"
for command in 'quantize m OUT --type f32' 'export --random stories15m -o OUT' 'run -t 1 -n 60 -s 1 --trace OUT' \
    'bench --shape stories260k --dtype f16 -t 1 --start-up'; do
    words=${command//OUT/$out}
    words=${words//' m '/ $model }
    # shellcheck disable=SC2086 # several words are meant
    said=$( (ulimit -f 30; TMPDIR=$folder "$program" $words) 2>&1 >/dev/null)
    status=$?
    check "a limit on the size of files: $command" '[ $status -eq 1 ] && [[ $(tail -n 1 <<<"$said") = "foretell: $folder/"*": cannot write: File too large" ]] && [ -z "$(ls "$folder")" ]'
done

# ---- Kills at random moments

"$program" quantize "$model" "$work/new.quantize" --type f16
"$program" export --random stories15m -o "$work/new.export"
"${trace[@]}" -s 1 --trace "$work/new.trace" >/dev/null 2>&1
explore=("$program" explore -m "$model" -t 1 -p 'Once upon a time' -s 7 --save)
: >"$work/new.bench" # it has no output but a file that goes
export TERM=xterm LC_ALL=C.UTF-8
writers=(quantize export trace bench)
missing=$(terminal_missing)
if [ -z "$missing" ]; then
    writers+=(explore)
    KEYS=s FILE=$work/new.explore $kill KILL 0 "${explore[@]}" "$work/new.explore" >/dev/null
else
    skip 'kills of explore' "$missing"
fi
check 'every writer has written once' '(for w in "${writers[@]/bench/trace}"; do [ -s "$work/new.$w" ] || exit 1; done)'

start_of() { # writer: the command
    case $1 in
    quantize) command=("$program" quantize "$model" "$out" --type f16) ;;
    export) command=("$program" export --random stories15m -o "$out") ;;
    trace) command=("${trace[@]}" -s 1 --trace "$out") ;;
    bench) command=("$program" bench --shape stories260k --dtype f16 -t 1 --start-up --runs 5) ;;
    explore) command=("${explore[@]}" "$out") ;;
    esac
}
# What is under the final name: none, old or new; anything else is wrong. A trace that Ctrl-C ended is a shorter one.
found() { # writer, signal
    [ -e "$out" ] || { echo none; return; }
    ! cmp -s "$out" "$work/old" || { echo old; return; }
    ! cmp -s "$out" "$work/new.$1" || { echo new; return; }
    if [ "$1 $2" = 'trace INT' ] && is_complete "$out"; then
        head -n -1 "$out" >"$work/lines"
        ! cmp -s -n "$(stat -c %s "$work/lines")" "$work/lines" "$work/new.trace" || { echo new; return; }
    fi
    echo wrong
}
kill_writer() { # writer, signal, permille of the time that it takes
    local before=none keys='' seconds after
    start_of "$1"
    seconds=$(printf '%d.%06d' $((took[$1] * $3 / 1000000000)) $((took[$1] * $3 / 1000 % 1000000)))
    [ "$1" = explore ] && keys=s
    rm -f "$folder"/*
    if [ $((RANDOM % 2)) -eq 0 ] && [ "$1" != bench ]; then
        before=old
        cp "$work/old" "$out"
    fi
    ended=$(KEYS=$keys TMPDIR=$folder $kill "$2" "$seconds" "${command[@]}" 2>/dev/null)
    after=$(found "$1" "$2")
    [ "$after" != none ] || [ $before = none ] || after=wrong
    [ "$after" != old ] || [ $before = old ] || after=wrong
    tally[$after]=$((${tally[$after]:-0} + 1))
    [[ $ended != signal* ]] || tally[signal]=$((${tally[signal]:-0} + 1))
    [ $after != wrong ] || echo "# wrong: $1, $2 after $seconds s, $before before"
    rm -f "$out"
    [ -z "$(ls "$folder")" ] || if [ "$2" = KILL ]; then
        tally[temporary]=$((${tally[temporary]:-0} + 1))
    else
        tally[left]=$((${tally[left]:-0} + 1))
        echo "# left: $1, $2 after $seconds s: $(ls "$folder")"
    fi
}

declare -A took tally
printf 'old, and complete' >"$work/old"
rounds=2
[ -z "${SLOW:-}" ] || rounds=15
for writer in "${writers[@]}"; do
    start_of $writer
    begin=$(date +%s%N)
    [ $writer = explore ] || TMPDIR=$folder "${command[@]}" >/dev/null 2>&1
    took[$writer]=$((($(date +%s%N) - begin) / 1000)) # microseconds
    [ $writer != explore ] || took[$writer]=60000     # from the key to the end of the saving, and longer
    tally=()
    for ((round = 0; round < rounds; round++)); do
        for signal in KILL TERM INT HUP; do kill_writer $writer $signal $((RANDOM % 1100)); done
    done
    said="$((4 * rounds)) kills of $writer: ${tally[none]:-0} no file, ${tally[old]:-0} old, ${tally[new]:-0} new, ${tally[wrong]:-0} wrong; ${tally[signal]:-0} ended by the signal; ${tally[temporary]:-0} temporary files after SIGKILL, ${tally[left]:-0} after others"
    echo "# $said"
    check "kills of $writer leave no file, the old file or a new one" '[ ${tally[wrong]:-0} -eq 0 ] && [ ${tally[left]:-0} -eq 0 ]'
done
done_testing
