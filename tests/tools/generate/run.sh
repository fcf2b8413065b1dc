#!/bin/bash
# foretell run: what reaches standard output, where it ends, and how it is ended.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

tell() { foretell -m "$model" "$@"; }
keep() { cp "$work/out" "$work/$1"; }
same() { cmp -s "$work/out" "$work/$1"; }
field() { sed -n "s/^$1 *//p" "$work/err"; } # a line of the statistics
prompt='Once upon a time'

tell -p "$prompt" -n 40 -s 7
keep seed7
hash=$(field logits)
check 'run continues a prompt' '[ $status -eq 0 ] && [[ $(cat "$work/out") = "$prompt "* ]]'
check 'chain and seed are printed first' '[ "$(head -1 "$work/err")" = "top-k 40 -> top-p 0.95 -> min-p 0.05 -> temp 0.8 -> draw, seed 7" ]'
check 'statistics are printed last' '[[ $(field load) =~ ^[0-9.]+\ ms$ && $(field prompt) =~ ^5\ tokens,\ [0-9.]+\ tok/s$ &&
    $(field decode) =~ ^39\ tokens,\ [0-9.]+\ tok/s,\ [0-9.]+\ GB/s\ of\ weights\ read$ &&
    $(field memory) =~ ^[0-9.]+\ MB\ at\ its\ peak$ && $hash =~ ^[0-9a-f]{8}$ ]]'
run_again() { tell -p "$prompt" -n 40 -s 7 "$@"; }
run_again
check 'the same seed gives the same text' 'same seed7 && [ "$(field logits)" = "$hash" ]'
run_again -t 1
check 'one thread gives the same text' 'same seed7 && [ "$(field logits)" = "$hash" ]'
foretell run -m "$model" -p "$prompt" -n 40 -s 7
check 'run is the default subcommand' 'same seed7'
FORETELL_MODEL=$model foretell -p "$prompt" -n 40 -s 7
check 'FORETELL_MODEL names the model' 'same seed7'
tell -p "$prompt" -n 20 -s 7
check 'fewer tokens are the beginning of more tokens' '[[ $(cat "$work/seed7") = "$(cat "$work/out")"* ]]'
tell -p "$prompt" -n 40 -s 8
check 'another seed gives another text' '! same seed7'
run_again --no-display-prompt
check '--no-display-prompt prints only the continuation' '[ "$prompt$(cat "$work/out")" = "$(cat "$work/seed7")" ]'
printf '%s\n' "$prompt" >"$work/prompt"
run_again >/dev/null
tell -f "$work/prompt" -n 40 -s 7
check 'a prompt from a file loses its last newline' 'same seed7'
for argument in '-' '-f-'; do
    "$program" -m "$model" -n 40 -s 7 $argument <"$work/prompt" >"$work/out" 2>"$work/err"
    check "$argument reads a prompt from standard input" 'same seed7'
done
"$program" -m "$model" -n 40 -s 7 -p "$prompt" >"$work/out" 2>"$work/err" <&-
check 'standard input may be closed' 'same seed7'

tell -n 30 -s 1
seedless=$(field prompt)
check 'the empty prompt begins a text' '[ $status -eq 0 ] && [ "$(wc -c <"$work/out")" -gt 30 ] && [[ $seedless = "1 tokens,"* ]] &&
    [[ $(head -c 1 "$work/out") != " " ]]'
tell -n 1
first=$(head -1 "$work/err")
tell -n 1
check 'without --seed each run has another seed' '[ "$first" != "$(head -1 "$work/err")" ]'
tell -p "$prompt" -n 0
check '-n 0 prints the prompt alone' '[ $status -eq 0 ] && [ "$(cat "$work/out")" = "$prompt" ] && [[ $(field decode) = "0 tokens"* ]]'
tell -p "$prompt" -n 30 --temp 0 -s 1
keep greedy
check '--temp 0 is greedy' '[[ $(head -1 "$work/err") = *"greedy, seed 1" ]]'
tell -p "$prompt" -n 30 --temp 0 -s 2
check '--temp 0 does not depend on the seed' 'same greedy'
tell -p "$prompt" -n 30 --top-k 1 --temp 1 -s 3
check '--top-k 1 is greedy, too' 'same greedy'
tell -p "$prompt" -n 30 --kv f32 --temp 0
check '--kv f32 works' '[ $status -eq 0 ] && [[ $(cat "$work/out") = "$prompt "* ]]'
tell -p '<s>' -n 0
check 'names of control tokens in a prompt are ordinary text' '[[ $(field prompt) != "2 tokens"* ]]'
tell -p '<s>' -n 0 --special
check '--special reads names of control tokens' '[[ $(field prompt) = "2 tokens"* ]]'

tell -p "$prompt" -c 8 -n 50 --ignore-eos -s 1
full='foretell: the context of 8 tokens is full (-c N takes another)'
check 'a full context ends the text, and a message says so' '[ $status -eq 0 ] && contains "$full" && [[ $(field decode) = "3 tokens"* ]]'
tell -p "$prompt" -c 5 -n 1
check 'a prompt may fill the context' '[ $status -eq 0 ] && [[ $said != *full* ]]'
failure 'the prompt has 5 tokens, the context only 4 (-c N takes another)' -m "$model" -p "$prompt" -c 4

"$program" -m "$model" -p "$prompt" -n 400 --ignore-eos 2>"$work/err" | head -c 20 >"$work/out"
statuses=("${PIPESTATUS[@]}")
check 'a closed pipe ends the program silently' '[ "${statuses[0]}" -eq 141 -o "${statuses[0]}" -eq 1 ] && ! grep -q logits "$work/err"'
if [ -w /dev/full ]; then
    said=$("$program" -m "$model" -p "$prompt" -n 5 2>&1 >/dev/full | tail -1)
    check 'a full disk is a failure' '[ "$said" = "foretell: standard output: No space left on device" ]'
    "$program" -m "$model" -p "$prompt" -n 5 2>/dev/null >/dev/full
    status=$?
    check 'its exit status is 1' '[ $status -eq 1 ]'
fi

# Text and figures in one file: the text's last line is ended, once.
together() { "$program" -m "$model" -s 1 "$@" >"$work/both" 2>&1; said=$(cat "$work/both"); }
line_before() { grep -B 1 -m 1 -- "$1" "$work/both" | head -1; }
together -p "$prompt" -n 5
check 'figures begin on a line of their own' '[[ $(line_before "^load ") = "$prompt "* ]]'
together -p "$prompt"$'\n' -n 0
check 'a text that ends with a newline gets no empty line after it' '[ "$(line_before "^load ")" = "$prompt" ]'
together -n 0
check 'an empty text gets no empty line either' '[[ $(line_before "^load ") = *" -> draw, seed 1" ]]'
together -p "$prompt" -n 5 -N 2
check 'figures of several texts begin on a line of their own' '[[ $(line_before "^   1 *5 tokens") = "$prompt "* ]]'
together -p "$prompt" -n 5 --explain
check 'so do the lines of --explain' '[ "$(line_before "^5 \"")" = "$prompt" ] && [ "$(grep -c "^[0-9]* \".*survivors$" "$work/both")" -eq 5 ]'
(trap '' XFSZ; ulimit -f 1; "$program" -m "$model" -s 1 -n 600 --ignore-eos -p "$prompt" 2>&1 >"$work/out") | cat >"$work/both"
check 'so does an error that ends the text' '[ "$(tail -1 "$work/both")" = "foretell: standard output: File too large" ] &&
    [ "$(tail -2 "$work/both" | head -1)" = "" ] && [ -s "$work/out" ]'

# The writer waits for a reader when the pipe is full, so this run does not end by itself before the signal.
interrupt() { # how many signals
    mkfifo "$work/pipe"
    "$program" -m "$model" -n -1 -c 200000 --ignore-eos -s 1 --no-display-prompt >"$work/pipe" 2>"$work/err" &
    local pid=$!
    exec 3<"$work/pipe"
    head -c 1 <&3 >/dev/null
    for ((i = 0; i < $1; i++)); do kill -INT $pid && sleep 0.1; done
    cat <&3 >/dev/null &
    wait $pid
    status=$?
    exec 3<&-
    rm "$work/pipe"
    said=$(cat "$work/err")
}
interrupt 1
check 'Ctrl-C ends the run with its statistics' '[ $status -eq 130 ] && grep -q "^logits  [0-9a-f]*$" "$work/err"'

if [ -d $shared/models/stories260K ]; then
    stories=$shared/models/stories260K
    foretell -m $stories/stories260K.bin -t 1 --temp 0 -n 200
    check 'stories260K writes its known story' \
        '[[ $(cat "$work/out") = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high."* ]]'
    hash=$(field logits)
    keep story
    foretell -m $stories/stories260K_v1.bin -t 1 --temp 0 -n 200
    check 'version 1 of the file gives the same bits' 'same story && [ "$(field logits)" = "$hash" ]'
    failure "$model: expected the 512 tokens of $stories/stories260K.bin, got 4096" -m $stories/stories260K.bin --tokenizer "$model"
    cp $stories/stories260K.bin "$work/model.bin"
    failure "$work/model.bin: expected its vocabulary beside it, tokenizer.bin or one tok*.bin, got 0 of them (--tokenizer FILE names one)" -m "$work/model.bin"
    cp $stories/tok512.bin "$work/tok512.bin"
    foretell -m "$work/model.bin" -t 1 --temp 0 -n 200
    check 'the only tok*.bin is found' 'same story'
    cp $stories/tok512.bin "$work/tok2.bin"
    failure "$work/model.bin: expected its vocabulary beside it, tokenizer.bin or one tok*.bin, got 2 of them (--tokenizer FILE names one)" -m "$work/model.bin"
    cp $stories/tok512.bin "$work/tokenizer.bin"
    foretell -m "$work/model.bin" -t 1 --temp 0 -n 200
    check 'tokenizer.bin has precedence over other vocabularies' 'same story'
else
    skip 'stories260K' "$shared/models is missing"
fi
"$program" quantize --type f32 "$model" "$work/f32.gguf" 2>/dev/null
logits_of() { KERNELS=generic OMP_NUM_THREADS=4 "$program" -m "$work/f32.gguf" -n 20 --temp 0 -s 1 -t "$1" 2>&1 | sed -n 's/^logits *//p'; }
one=$(logits_of 1) two=$(logits_of 2)
check 'KERNELS=generic: the bits of float weights do not depend on threads' '[ -n "$one" ] && [ "$one" = "$two" ]'
done_testing
