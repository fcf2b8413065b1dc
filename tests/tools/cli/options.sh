#!/bin/bash
# Mistakes in the command line: one exact line naming option, range and value; exit status 2; nothing on standard output.
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

whole='expected a whole number from'
usage_error "--threads: $whole 1 to 1024, got '0'" -t 0
usage_error "--threads: $whole 1 to 1024, got '1025'" --threads 1025
usage_error "--threads: $whole 1 to 1024, got '2x'" --threads=2x
usage_error "--threads: $whole 1 to 1024, got ''" -t ''
for option in --trace --model --tokenizer --file --kld-without; do
    usage_error "$option: expected the name of a file, got ''" "$option" ''
done
usage_error "--threads: $whole 1 to 1024, got ' 2'" -t ' 2'
usage_error "--threads: $whole 1 to 1024, got '0x2'" -t 0x2
usage_error "--threads: $whole 1 to 1024, got '99999999999999999999'" -t 99999999999999999999
usage_error "--predict: $whole -1 to 2147483647, got '-2'" -n -2
usage_error "--predict: $whole -1 to 2147483647, got '1e3'" -n 1e3
usage_error "--ctx-size: $whole 1 to 16777216, got '0'" -c 0
usage_error "--seed: $whole 0 to 18446744073709551615, got '-1'" -s -1
usage_error "--seed: $whole 0 to 18446744073709551615, got '18446744073709551616'" --seed 18446744073709551616
usage_error "--kv: expected one of f16|f32, got 'f64'" --kv f64
usage_error "--kv: expected one of f16|f32, got 'f16|f32'" --kv 'f16|f32'
usage_error "--kv: expected one of f16|f32, got ''" --kv ''
usage_error "--top-k: expected a whole number from 0 to 1000000, got '-1'" --top-k -1
usage_error "--top-p: expected a number from 0 to 1, got '1.01'" --top-p 1.01
usage_error "--min-p: expected a number from 0 to 1, got 'nan'" --min-p nan
usage_error "--temp: expected a number from 0 to 100, got 'hot'" --temp hot
usage_error "unknown option '--nonsense' (foretell run --help lists them)" --nonsense
usage_error "unknown option '-x' (foretell run --help lists them)" run -x
usage_error "unknown option '--t' (foretell run --help lists them)" --t 1
usage_error "--prompt: expected a value (TEXT)" -p
usage_error "--special: takes no value" --special=yes
usage_error "run: unexpected argument 'more' (-p TEXT is the prompt)" -p text more
usage_error "run: expected one of --prompt and --file, got both" -p text -f file
usage_error "run: expected one of --prompt and --file, got both" -p text -
usage_error "unknown option '--temp' (foretell tokenize --help lists them)" tokenize --temp 1
usage_error "--decode: expected no --bos and no --pieces" tokenize --decode --pieces 1
usage_error "tokenize: unexpected argument '5' (-p TEXT is the text)" tokenize 5
usage_error "tokenize: expected one of --prompt, --file and arguments, got more" tokenize --decode -p 5 5
usage_error "inspect: unexpected argument 'b'" inspect a b
usage_error "perplexity: unexpected argument 'b'" perplexity a b
usage_error "--documents: expected a line that is not empty" perplexity a --documents ''
usage_error "quantize: expected two arguments, IN and OUT, got 1" quantize a
usage_error "quantize: unexpected argument 'c'" quantize a b c
usage_error "--type: expected one of f32|f16|bf16|q8_0|q4_0, got 'q5_0'" quantize a b --type q5_0
usage_error "--kv: expected one of f16|f32, got '?[31m'" --kv $'\e[31m' # what was typed cannot drive the terminal

KERNELS=magic foretell -m "$model" -n 1
check 'an unknown kernel table is refused' '[ $status -eq 1 ] && silent && contains KERNELS && contains magic'
failure 'no/such.gguf: cannot open: No such file or directory' -m no/such.gguf
FORETELL_MODEL=no/such.gguf failure 'no/such.gguf: cannot open: No such file or directory' inspect
mkdir "$work/bin"
cp "$program" "$work/bin/foretell"
said=$("$work/bin/foretell" -n 1 2>&1)
status=$?
check 'without any model the message says where it was sought' \
    '[ $status -eq 1 ] && contains "foretell: no model: tales-6m-q8_0.gguf is not in weights/ beside the program"'
mkdir "$work/weights" "$work/bin/weights" "$work/share" "$work/share/foretell"
for place in bin/weights share/foretell; do
    cp "$model" "$work/$place/tales-6m-q8_0.gguf"
    said=$("$work/bin/foretell" inspect 2>&1)
    check "the shipped model is found in $place" 'contains "$place/tales-6m-q8_0.gguf"'
    rm "$work/$place/tales-6m-q8_0.gguf"
done
done_testing
