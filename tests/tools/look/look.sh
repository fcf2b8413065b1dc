#!/bin/bash
# foretell look: every tensor of the forward pass, what it prints, what it writes, and the same computed by numpy.
# shellcheck disable=SC2016,SC2034,SC2154,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

python=python3
python3 -c 'import numpy' 2>/dev/null || python=/usr/bin/python3 # Debian's own has python3-numpy
prompt='The old house at the edge'
look() { foretell look -m "$model" -p "$prompt" "$@"; }
lines_of() { awk -v name="$1" '$1 == name' "$work/out" | wc -l; }

look
cp "$work/out" "$work/all"
names='embedding attn_norm query key value query_rope key_rope scores weights attended attn_output attn_residual ffn_norm gate up swiglu down ffn_residual output_norm logits'
layers=$("$program" inspect -m "$model" | sed -n 's/^layers *//p')
heads=$("$program" inspect -m "$model" | sed -n 's/^heads *\([0-9]*\) .*/\1/p')
check 'all layers are printed' '[ $status -eq 0 ] && [ -z "$said" ] && [ "$layers" -ge 2 ] && [ "$(grep -c "^layer " "$work/out")" -eq "$layers" ]'
for name in $names; do
    expected=$layers
    case $name in
    embedding | output_norm | logits) expected=1 ;;
    scores | weights) expected=$((heads * layers)) ;; # a line per head
    esac
    check "$name" '[ "$(lines_of "$name")" -eq "$expected" ]'
done
check 'the tokens are printed' '[ "$(grep "^token" "$work/out" | awk "{ print \$3 }" | tr "\n" " ")" = "$("$program" tokenize -m "$model" --bos -p "$prompt") " ]'
check 'the next tokens are printed, likeliest first' '[ "$(grep -c "^next" "$work/out")" -eq 5 ] && grep "^next" "$work/out" | awk "{ print \$5 }" | sort -c -g -r'
greedy=$("$program" run -m "$model" -p "$prompt" -n 1 --temp 0 2>/dev/null)
next=$(sed -n "s/^next *1 .*'\(.*\)'\$/\1/p" "$work/out")
check 'the likeliest token is that of greedy decoding' '[ "$greedy" = "$prompt$next" ]'
for threads in 1 3; do
    look -t $threads
    check "$threads threads print the same" 'cmp -s "$work/out" "$work/all"'
done
printf '%s' "$prompt" >"$work/prompt"
foretell look -m "$model" -f "$work/prompt"
check 'the prompt may come from a file' 'cmp -s "$work/out" "$work/all"'
look --layer 1
check '--layer prints one layer' '[ "$(grep "^layer" "$work/out")" = "layer 1" ] && [ "$(lines_of query)" -eq 1 ] && diff "$work/out" "$work/all" | grep -q "^>" && ! diff "$work/out" "$work/all" | grep -q "^<"'
look --layer 1 --only weights
check '--only prints one tensor' '[ $status -eq 0 ] && [ "$(lines_of weights)" -eq "$heads" ] && [ "$(lines_of scores)" -eq 0 ] && [ "$(lines_of logits)" -eq 0 ]'
foretell look -m "$model"
check 'an empty prompt computes the token that begins a text' '[ $status -eq 0 ] && [ "$(grep -c "^token" "$work/out")" -eq 1 ]'

mkdir "$work/one"
look --layer 0 --only query --save "$work/one"
check '--save writes one file per tensor' '[ $status -eq 0 ] && [ "$(ls "$work/one")" = layer0.query.npy ]'
check 'the file has magic, version 1.0 and a header of 118 bytes' '[ "$(head -c 10 "$work/one/layer0.query.npy" | od -An -tx1 | tr -d " \n")" = 934e554d505901007600 ]'

usage_error "--only: expected one of ${names// /, }, got 'queries'" look --only queries
usage_error '--layer: logits belongs to no layer' look --only logits --layer 0
usage_error 'look: expected one of --prompt and --file, got both' look -p a -f "$work/prompt"
usage_error "look: unexpected argument 'Once' (-p TEXT is the prompt)" look Once
failure "--layer: expected 0 to $((layers - 1)), the layers of this model, got $layers" look -m "$model" --layer "$layers"
failure "--save $work/none: expected a folder that exists and can be written" look -m "$model" --save "$work/none"
failure "--save $work/prompt: expected a folder that exists and can be written" look -m "$model" --save "$work/prompt"
failure 'the prompt has 7 tokens, the context only 3 (-c N takes another)' look -m "$model" -p "$prompt" -c 3
mkdir "$work/taken" "$work/taken/layer0.key.npy"
look --layer 0 --only key --save "$work/taken"
check 'a file that cannot be written is a failure' '[ $status -eq 1 ] && contains "$work/taken/layer0.key.npy: " && [ "$(ls "$work/taken")" = layer0.key.npy ]'
if [ "$(id -u)" -ne 0 ]; then
    chmod a-w "$work/one"
    failure "--save $work/one: expected a folder that exists and can be written" look -m "$model" --save "$work/one"
    chmod u+w "$work/one"
fi

# ---------------------------------------------------------------- against numpy

if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip 'every tensor against numpy' 'python3-numpy is missing'
    done_testing
fi
mkdir "$work/numpy"
"$program" quantize --type f32 "$model" "$work/f32.gguf" 2>/dev/null
read -r -a tokens < <("$program" tokenize -m "$model" --bos -p "$prompt")
oracle() { said=$("$python" tests/oracle/look.py "$work/f32.gguf" "$work/numpy" "$@" 2>&1); status=$?; }
foretell look -m "$work/f32.gguf" -p "$prompt" --kv f32 --save "$work/numpy"
oracle 1e-5 "${tokens[@]}"
check 'every tensor agrees with numpy' '[ $status -eq 0 ] && contains "$((17 * layers + 3)) tensors compared, 0 wrong"'
oracle 1e-5 "${tokens[@]:0:6}" 300
check 'the comparison notices another token' '[ $status -eq 1 ] && contains "layer0.scores: " && contains "logits: "'
oracle 1e-9 "${tokens[@]}"
check 'a tolerance below that of float32 is too small' '[ $status -eq 1 ] && contains "too much"'
foretell look -m "$model" -p "$prompt" --save "$work/numpy"
oracle 0.1 "${tokens[@]}"
check 'with weights and activations of 8 bits and keys and values of 16 bits tensors are close' '[ $status -eq 0 ]'
if [ -f "$shared/models/stories260K/stories260K.bin" ]; then
    small=$shared/models/stories260K
    rm "$work"/numpy/*
    "$program" quantize --type f32 --tokenizer "$small/tok512.bin" "$small/stories260K.bin" "$work/f32.gguf" 2>/dev/null
    read -r -a tokens < <("$program" tokenize --tokenizer "$small/tok512.bin" --bos -p "$prompt")
    foretell look -m "$small/stories260K.bin" --tokenizer "$small/tok512.bin" -p "$prompt" --kv f32 --save "$work/numpy"
    oracle 1e-5 "${tokens[@]}"
    check 'the tensors of a llama2.c model agree with numpy, too' '[ $status -eq 0 ] && contains " 0 wrong"'
else
    skip 'a llama2.c model against numpy' "$shared/models/stories260K is missing"
fi
done_testing
