#!/bin/bash
# foretell export: random weights as a file.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

for type in f32 f16 bf16; do
    foretell export --random stories260k --dtype $type -o "$work/$type.gguf"
    check "$type" '[ $status -eq 0 ] && [ -z "$said" ] && silent && [ "$(ls "$work"/*.gguf*)" = "$work/$type.gguf" ]'
    "$program" inspect "$work/$type.gguf" >"$work/out" 2>&1
    check "$type: what it is" 'out_has "random stories260k" && out_has "512, output tied to the embedding" &&
        grep -q "^width  *64, feed-forward 172$" "$work/out" && grep -qE "^  ${type^^} " "$work/out"'
    foretell -m "$work/$type.gguf" -p 'hello world' -n 8 --temp 0 -t 1
    check "$type: it runs" '[ $status -eq 0 ] && [[ $(cat "$work/out") = "hello world"* ]]'
    mv "$work/$type.gguf" "$work/$type.kept"
done
for type in q8_0 q4_0; do
    foretell export --random stories15m --dtype $type -o "$work/$type.kept"
    foretell -m "$work/$type.kept" -p 'hello world' -n 4 --temp 0 -t 1
    check "$type: it runs" '[ $status -eq 0 ] && [[ $(cat "$work/out") = "hello world"* ]]'
done
foretell inspect "$work/q8_0.kept"
check 'the tokenizer finds every piece by its text' 'out_has "31741 normal, 256 byte, 2 control"'
printf 'The quick brown fox\n\x01\xff' >"$work/text"
"$program" tokenize -m "$work/q8_0.kept" -f "$work/text" |
    "$program" tokenize -m "$work/q8_0.kept" --decode -f - >"$work/back"
check 'encoding and decoding gives back any bytes' 'cmp "$work/text" "$work/back"'

foretell export --random stories260k --dtype f32 -o "$work/again"
check 'the same options write the same file' 'cmp "$work/f32.kept" "$work/again"'
foretell export --random stories260k --dtype f32 --seed 1 -o "$work/again"
check 'the default seed is 1' 'cmp "$work/f32.kept" "$work/again"'
foretell export --random stories260k --dtype f32 -s 2 -o "$work/again"
check 'another seed writes other weights' '[ $status -eq 0 ] && ! cmp -s "$work/f32.kept" "$work/again"'

usage_error 'export: expected --random SHAPE, one of stories260k, stories15m, stories110m, smollm2-135m, tinyllama-1.1b' export
usage_error 'export: expected -o FILE' export --random stories15m
usage_error "--output: expected the name of a file, got ''" export --random stories15m -o ''
usage_error "--random: expected one of stories260k, stories15m, stories110m, smollm2-135m, tinyllama-1.1b, got 'gpt'" export --random gpt -o x
usage_error "--dtype: expected one of f32|f16|bf16|q8_0|q4_0, got 'q5_0'" export --random stories15m --dtype q5_0 -o x
usage_error "export: unexpected argument 'x'" export --random stories15m x
failure 'random model: Q8_0 does not fit dim 64, hidden_dim 172' export --random stories260k -o "$work/none"
check 'a refused export writes no file' '[ -z "$(ls "$work"/none* 2>/dev/null)" ]'
foretell export --random stories260k --dtype f32 -o "$work/nowhere/file"
check 'a missing folder is a failure' '[ $status -eq 1 ] && [[ $said = "foretell: $work/nowhere/file"*"No such file or directory" ]]'
mkdir "$work/full"
said=$( (ulimit -f 1000; "$program" export --random stories15m -o "$work/full/out") 2>&1)
status=$?
check 'a full disk is a failure' '[ $status -eq 1 ] && [[ $said = "foretell: $work/full/out"*"File too large" ]] && [ -z "$(ls -A "$work/full")" ]'

# A large one, stopped when a part of it is there.
for signal in INT TERM; do
    mkdir "$work/$signal"
    # bash starts background jobs with SIGINT ignored; the program still catches it.
    "$program" export --random stories110m --dtype f32 -o "$work/$signal/out" >/dev/null 2>&1 &
    child=$!
    for _ in $(seq 400); do
        [ -n "$(ls -A "$work/$signal")" ] && break
        sleep 0.02
    done
    kill -$signal $child
    wait $child
    status=$?
    check "$signal: export ends, and no file is left" '[ $status -gt 128 ] && [ -z "$(ls -A "$work/$signal")" ]'
done
done_testing
