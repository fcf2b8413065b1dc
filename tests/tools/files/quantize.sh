#!/bin/bash
# foretell quantize: what it writes, and that a failure leaves no file.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

names() { "$program" inspect "$1" --tensors | awk '/\.weight / { print $1, $3, $4, $5 }'; }
for type in f32 f16 bf16 q8_0 q4_0; do
    foretell quantize "$model" "$work/$type.gguf" --type $type
    check "quantize converts to $type" '[ $status -eq 0 ] && [ -z "$said" ] && silent && [ "$(ls "$work"/*.gguf*)" = "$work/$type.gguf" ]'
    "$program" inspect "$work/$type.gguf" >"$work/out"
    matrices=50 vectors=15
    [ $type = f32 ] && matrices=65
    check "$type: matrices have this type, vectors F32" \
        'grep -qE "^  ${type^^} +$matrices," "$work/out" && { [ $type = f32 ] || grep -qE "^  F32 +$vectors," "$work/out"; }'
    check "$type: the file has the same tensors" '[ "$(names "$model")" = "$(names "$work/$type.gguf")" ]'
    foretell -m "$work/$type.gguf" -p 'Once upon a time' -n 8 --temp 0
    check "$type: the model writes a text" '[ $status -eq 0 ] && [[ $(cat "$work/out") = "Once upon a time "* ]]'
    "$program" quantize "$model" "$work/packed" --type $type --packed
    "$program" inspect "$work/packed" >"$work/out"
    check "$type packed: inspect says so" 'grep -qE "^  ${type^^}-packed +50," "$work/out"'
    tale() { "$program" -m "$1" -p 'Once upon a time' -n 30 -s 1 2>&1 | grep -v "tok.s$\|read$\|ms$\|peak$"; }
    check "$type packed: the model writes the same text" '[ -n "$(tale "$work/packed")" ] && [ "$(tale "$work/packed")" = "$(tale "$work/$type.gguf")" ]'
    "$program" quantize "$work/packed" "$work/again" --type $type
    check "$type packed and converted back: the same bits" 'cmp "$work/$type.gguf" "$work/again"'
    rm "$work/packed" "$work/again"
    mv "$work/$type.gguf" "$work/$type.kept"
done
"$program" quantize "$work/f32.kept" "$work/again"
check 'Q8_0 to F32 and back gives the same bits' 'cmp "$work/q8_0.kept" "$work/again"'
"$program" quantize "$work/q4_0.kept" "$work/wide" --type f32
"$program" quantize "$work/wide" "$work/again" --type q4_0
check 'Q4_0 to F32 and back gives the same bits' 'cmp "$work/q4_0.kept" "$work/again"'
"$program" quantize "$work/bf16.kept" "$work/wide" --type f32
"$program" quantize "$work/wide" "$work/again" --type bf16
check 'BF16 to F32 and back gives the same bits' 'cmp "$work/bf16.kept" "$work/again"'

cp "$work/again" "$work/copy"
failure "$work/copy: is being read, will not be replaced" quantize "$work/copy" "$work/copy"
ln -s copy "$work/link"
failure "$work/link: is being read, will not be replaced" quantize "$work/copy" "$work/link"
check 'and has not' 'cmp "$work/again" "$work/copy"'
mkdir "$work/full"
said=$( (ulimit -f 1000; "$program" quantize "$model" "$work/full/out.gguf") 2>&1)
status=$?
check 'a full disk is a failure' '[ $status -eq 1 ] && [[ $said = "foretell: $work/full/out.gguf"*"File too large" ]] && [ -z "$(ls -A "$work/full")" ]'
foretell quantize "$model" "$work/none/out.gguf"
check 'a missing folder is a failure' '[ $status -eq 1 ] && [[ $said = "foretell: $work/none/out.gguf"*"No such file or directory" ]]'
failure 'no/such.gguf: cannot open: No such file or directory' quantize no/such.gguf "$work/none.gguf"

if [ -d $shared/models/stories260K ]; then
    stories=$shared/models/stories260K/stories260K.bin
    story() { "$program" -m "$1" -t 1 --temp 0 -s 1 -n 200 2>&1 | grep -v "tok.s$\|read$\|ms$\|peak$"; }
    foretell quantize $stories "$work/stories.gguf" --type f32
    check 'a llama2.c model is converted with its vocabulary' '[ $status -eq 0 ] && [ -z "$said" ]'
    check 'the converted model computes the same bits' '[ -n "$(story $stories)" ] && [ "$(story $stories)" = "$(story "$work/stories.gguf")" ]'
    foretell quantize $stories "$work/stories.gguf" --type q8_0
    check 'a matrix whose columns do not fill blocks becomes F16, with a message' \
        '[ $status -eq 0 ] && [ "$said" = "foretell: 5 matrices are F16: their columns are no multiple of Q8_0'"'"'s block of 32" ]'
    foretell -m "$work/stories.gguf" -t 1 --temp 0 -n 20
    check 'the converted llama2.c model writes its text' '[[ $(cat "$work/out") = "Once upon a time, there was a little girl named Lily."* ]]'
else
    skip 'llama2.c models' "$shared/models is missing"
fi
done_testing
