#!/bin/bash
# foretell run with several continuations: samples, the best of them, beams.
# shellcheck disable=SC2016,SC2034,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/cli/foretell.sh

prompt='Once upon a time'
tell() { foretell -m "$model" -p "$prompt" -n 20 -s 5 "$@"; }
keep() { cp "$work/out" "$work/$1"; }
same() { cmp -s "$work/out" "$work/$1"; }
listed() { grep -E '^ *[0-9]+ +[0-9]+ tokens  logprob ' "$work/err"; }
numbers() { listed | awk '{ printf "%s ", $1 }'; }
figure() { listed | sed -n "s/.*  $1 \(-\?[0-9.]*\).*/\1/p"; } # of each text listed
text() { awk -v n="$1" '$0 == "---" { i++; next } i == n - 1' "$work/$2"; }

tell
keep one
tell -N 3
keep three
check '-N 3 prints three texts, parted by ---' '[ $status -eq 0 ] && [ "$(grep -c -x -e --- "$work/out")" -eq 2 ] &&
    [ "$(grep -c "^$prompt" "$work/out")" -eq 3 ]'
check 'their figures are on standard error, by number' '[ "$(numbers)" = "1 2 3 " ] && contains "as long as asked"'
check 'the first is what a single run writes' '[ "$(text 1 three)" = "$(cat "$work/one")" ]'
check 'they differ' '[ "$(text 1 three)" != "$(text 2 three)" ] && [ "$(text 2 three)" != "$(text 3 three)" ]'
check 'all share the passes' '[[ $said = *"decode  57 tokens"* ]]'
tell --samples 2 -t 1
keep two
check 'fewer are the first of more' '[ "$(text 2 two)" = "$(text 2 three)" ] && [ "$(numbers)" = "1 2 " ]'
tell -N 1
check '-N 1 is a single run' 'same one'
tell -N 2 --no-display-prompt
keep bare
check '--no-display-prompt leaves the continuations' '[ "$prompt$(text 2 bare)" = "$(text 2 two)" ]'
tell --preset future-entropy
keep future_one
tell --preset future-entropy -N 2
keep future
check 'with future entropy too' '[ $status -eq 0 ] && [ "$(text 1 future)" = "$(cat "$work/future_one")" ] &&
    [[ $said = *"of the rows to look ahead"* ]]'
tell -N 2 -n -1 -c 12 --ignore-eos
check '-n -1 is what the context holds, which is said' '[ $status -eq 0 ] && contains "up to 8 tokens each, as many as the context holds" &&
    contains "   2     8 tokens"'
tell -N 2 -n 0
keep zero
check '-n 0 prints the prompt alone, twice' '[ $status -eq 0 ] && [ "$(text 2 zero)" = "$prompt" ]'
foretell -m "$model" -N 2 -n 8 -s 1
check 'an empty prompt begins texts without a space' '[ $status -eq 0 ] && ! grep -q "^ " "$work/out"'

for metric in logprob entropy:3 future distinct2 logprob,0.5*future; do
    tell --best-of 3 --rank "$metric" --rank-all
    best=$(numbers | cut -d ' ' -f 1)
    check "--rank $metric prints the one at the head of its list" \
        '[ $status -eq 0 ] && [ "$(listed | wc -l)" -eq 3 ] && [ "$(cat "$work/out")" = "$(text "$best" three)" ]'
done
tell --best-of 3 --rank-all
check 'the default is logprob, the best first' '[ "$(figure logprob)" = "$(figure logprob | sort -gr)" ] && contains "the best of 3 by logprob"'
keep best
listed_in() { listed | sed 's/.*logprob \(.*\)  entropy \(.*\)  future \(.*\)  distinct2 \([0-9.]*\) .*/\1 \2 \3 \4/'; }
listed_in >"$work/nats"
tell --best-of 3 --rank-all --units bits
listed_in >"$work/bits"
check '--units bits: log-probability and entropy, not the others' '[ "$(wc -l <"$work/bits")" -eq 3 ] && paste "$work/nats" "$work/bits" |
    awk "function off(x, y) { return x - y > 2e-4 || y - x > 2e-4 }
        { bad += NF != 10 || \$6 != \"bits\" || \$8 != \"bits\" || off(\$1 / log(2), \$5) || off(\$2 / log(2), \$7) ||
            \$3 != \$9 || \$4 != \$10 } END { exit bad }"'
check 'the same text is the best' 'same best'
tell --best-of 3
check 'one is listed without --rank-all' '[ "$(listed | wc -l)" -eq 1 ] && same best'

tell --temp 0
keep greedy
foretell -m "$model" -p "$prompt" -n 20 --beam 1
check 'one beam is greedy' 'same greedy'
foretell -m "$model" -p "$prompt" -n 20 --beam 4 --rank-all
keep beam
check '--beam 4 prints one text, the likeliest first' '[ $status -eq 0 ] && [ "$(numbers)" = "1 2 3 4 " ] &&
    [ "$(figure logprob)" = "$(figure logprob | sort -gr)" ] && ! grep -q -x -e --- "$work/out"'
foretell -m "$model" -p "$prompt" -n 20 --beam 4 -t 1
check 'with one thread the same' 'same beam'
foretell -m "$model" -p "$prompt" -n 20 --beam 4 --rerank future --rank-all
check '--rerank orders the same beams anew' '[ "$(figure future)" = "$(figure future | sort -gr)" ] &&
    [ "$(numbers | tr " " "\n" | sort | xargs)" = "1 2 3 4" ] && contains "reranked by future"'
foretell -m "$model" -p "$prompt" -n 20 --beam 2 --length-penalty 0
check '--length-penalty' '[ $status -eq 0 ] && contains "2 beams, score ln p / length^0"'

"$program" -m "$model" -p "$prompt" -n -1 -c 4000 --ignore-eos -s 1 -N 2 >"$work/out" 2>"$work/err" &
pid=$!
while ! grep -q draw "$work/err"; do sleep 0.05; done
sleep 0.3
kill -INT $pid
wait $pid
status=$?
said=$(cat "$work/err")
check 'Ctrl-C prints what there is so far' '[ $status -eq 130 ] && [ "$(listed | grep -c interrupted)" -eq 2 ] &&
    [ "$(grep -c "^$prompt" "$work/out")" -eq 2 ]'

# Refused before a model is looked for.
model=no/such.gguf
refused() { local message=$1; shift; usage_error "$message" -m "$model" "$@"; }
refused 'expected one of --beam and --best-of, got both' --beam 2 --best-of 2
refused 'expected one of --beam and --samples, got both' --beam 2 -N 2
refused 'expected one of --best-of and --samples, got both' --best-of 2 -N 2
refused '--beam: cannot be had together with --fe (--rerank future ranks the finished beams)' --beam 2 --fe
refused '--beam: searches by natural probabilities, cannot be had together with settings of sampling' --beam 2 --temp 1
refused '--rank: expected --best-of with it' --rank logprob
refused '--rank: expected --best-of with it' --rank logprob -N 3
refused '--rank-all: expected --best-of or --beam with it' --rank-all
refused '--rerank: expected --beam with it' --best-of 2 --rerank future
refused '--length-penalty: expected --beam with it' --length-penalty 1
refused "--length-penalty: expected a number from 0 to 10, got '-1'" --beam 2 --length-penalty -1
refused "--rank: expected logprob, entropy:TARGET, future or distinct2, got 'beauty'" --best-of 2 --rank beauty
refused "--rerank: expected logprob, entropy:TARGET, future or distinct2, got 'entropy'" --beam 2 --rerank entropy
refused "--samples: expected a whole number from 1 to 256, got '257'" -N 257
refused "--best-of: expected a whole number from 1 to 256, got '0'" --best-of 0
refused "--beam: expected a whole number from 1 to 256, got '1000'" --beam 1000
done_testing
