#!/bin/bash
# foretell inspect: what it says of the shipped model.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

has_line() { tr -s ' ' <"$work/out" | grep -qxE -- " ?$1"; }
foretell inspect -m "$model"
check 'inspect succeeds' '[ $status -eq 0 ] && [ -z "$said" ]'
for line in "file $model" 'format GGUF v3, [0-9,]+ bytes' 'architecture llama' 'parameters 6,213,376' 'layers 7' \
    'width 256, feed-forward 704' 'heads 8 of 32, 4 for keys and values' 'vocabulary 4096, output tied to the embedding' \
    'context 1024 tokens' 'rope theta 10000, 32 of 32 dimensions' 'rms epsilon 1e-05' \
    'tensors 65, [0-9,]+ bytes, [0-9,]+ read for each token decoded' 'F32 15, 15,360 bytes' 'Q8_0 50, 6,597,632 bytes' \
    'tokenizer GGUF llama, 4096 tokens' 'begin of text 1 <s>' 'end of text 2 </s>' \
    'memory [0-9,]+ bytes beside the file, for a context of 1024 with f16 keys and values'; do
    check "inspect prints: $line" 'has_line "$line"'
done
cp "$work/out" "$work/whole"
foretell inspect "$model"
check 'the model may be an argument' 'cmp -s "$work/out" "$work/whole"'
memory() { sed -nE 's/^memory +([0-9,]+) bytes.*/\1/p' "$work/out" | tr -d ,; }
usual=$(memory)
foretell inspect -m "$model" -c 2048
longer=$(memory)
foretell inspect -m "$model" --kv f32
wider=$(memory)
# Keys and values: 7 layers, 2 * 4 heads of 32, 2 bytes.
check 'a longer context takes more memory' '[ $((longer - usual)) -ge $((1024 * 7 * 2 * 4 * 32 * 2)) ]'
check 'f32 keys and values take more memory' '[ $((wider - usual)) -ge $((1024 * 7 * 2 * 4 * 32 * 2)) ]'
foretell inspect -m "$model" --tensors
check '--tensors lists all tensors' '[ "$(grep -cE "^[a-z0-9_.]+\.weight " "$work/out")" -eq 65 ]'
check '--tensors prints type, shape and position' 'has_line "blk.0.attn_q.weight Q8_0 256 x 256 69,632 [0-9,]+"'

failure 'no/such.gguf: cannot open: No such file or directory' inspect no/such.gguf
head -c 100000 "$model" >"$work/cut.gguf"
foretell inspect "$work/cut.gguf"
check 'a truncated file is a failure' '[ $status -eq 1 ] && silent && [[ $said = "foretell: $work/cut.gguf: "* ]] && [[ $said != *$'"'\n'"'* ]]'
done_testing
