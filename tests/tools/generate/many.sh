#!/bin/bash
# foretell run with several continuations: samples, the best of them, beams.
# shellcheck disable=SC2016,SC2034,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

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
check '-N 3 prints three texts, separated by ---' '[ $status -eq 0 ] && [ "$(grep -c -x -e --- "$work/out")" -eq 2 ] &&
    [ "$(grep -c "^$prompt" "$work/out")" -eq 3 ]'
check 'their figures are on standard error, by number' '[ "$(numbers)" = "1 2 3 " ] && contains "as long as asked"'
check 'the first text is that of a single run' '[ "$(text 1 three)" = "$(cat "$work/one")" ]'
check 'the texts differ' '[ "$(text 1 three)" != "$(text 2 three)" ] && [ "$(text 2 three)" != "$(text 3 three)" ]'
check 'all texts share the passes' '[[ $said = *"decode  57 tokens"* ]]'
tell --samples 2 -t 1
keep two
check 'fewer texts are the first ones of more' '[ "$(text 2 two)" = "$(text 2 three)" ] && [ "$(numbers)" = "1 2 " ]'
tell -N 1
check '-N 1 is a single run' 'same one'
tell -N 2 --no-display-prompt
keep bare
check '--no-display-prompt prints only the continuations' '[ "$prompt$(text 2 bare)" = "$(text 2 two)" ]'
tell --preset future-entropy
keep future_one
tell --preset future-entropy -N 2
keep future
check 'all this holds with future entropy, too' '[ $status -eq 0 ] && [ "$(text 1 future)" = "$(cat "$work/future_one")" ] &&
    [[ $said = *"of the rows to look ahead"* ]]'
tell -N 2 -n -1 -c 12 --ignore-eos
check '-n -1 fills the context, and a message says so' '[ $status -eq 0 ] && contains "up to 8 tokens each, as many as the context holds" &&
    contains "   2     8 tokens"'
tell -N 2 -n 0
keep zero
check '-n 0 prints the prompt alone, twice' '[ $status -eq 0 ] && [ "$(text 2 zero)" = "$prompt" ]'
foretell -m "$model" -N 2 -n 8 -s 1
check 'with an empty prompt texts begin without a space' '[ $status -eq 0 ] && ! grep -q "^ " "$work/out"'

for metric in logprob entropy:3 future distinct2 logprob,0.5*future; do
    tell --best-of 3 --rank "$metric" --rank-all
    best=$(numbers | cut -d ' ' -f 1)
    check "--rank $metric prints the first text of its list" \
        '[ $status -eq 0 ] && [ "$(listed | wc -l)" -eq 3 ] && [ "$(cat "$work/out")" = "$(text "$best" three)" ]'
done
tell --best-of 3 --rank-all
check 'the default metric is logprob, the best text first' '[ "$(figure logprob)" = "$(figure logprob | sort -gr)" ] && contains "the best of 3 by logprob"'
keep best
listed_in() { listed | sed 's/.*logprob \(.*\)  entropy \(.*\)  future \(.*\)  distinct2 \([0-9.]*\) .*/\1 \2 \3 \4/'; }
listed_in >"$work/nats"
tell --best-of 3 --rank-all --units bits
listed_in >"$work/bits"
check '--units bits changes log-probability and entropy, not the other figures' '[ "$(wc -l <"$work/bits")" -eq 3 ] && paste "$work/nats" "$work/bits" |
    awk "function off(x, y) { return x - y > 2e-4 || y - x > 2e-4 }
        { bad += NF != 10 || \$6 != \"bits\" || \$8 != \"bits\" || off(\$1 / log(2), \$5) || off(\$2 / log(2), \$7) ||
            \$3 != \$9 || \$4 != \$10 } END { exit bad }"'
check '--units bits does not change the best text' 'same best'
tell --best-of 3
check 'without --rank-all one text is listed' '[ "$(listed | wc -l)" -eq 1 ] && same best'

tell --temp 0
keep greedy
foretell -m "$model" -p "$prompt" -n 20 --beam 1
check 'one beam is greedy' 'same greedy'
foretell -m "$model" -p "$prompt" -n 20 --beam 4 --rank-all
keep beam
check '--beam 4 prints one text, the likeliest first' '[ $status -eq 0 ] && [ "$(numbers)" = "1 2 3 4 " ] &&
    [ "$(figure logprob)" = "$(figure logprob | sort -gr)" ] && ! grep -q -x -e --- "$work/out"'
foretell -m "$model" -p "$prompt" -n 20 --beam 4 -t 1
check 'one thread gives the same beams' 'same beam'
foretell -m "$model" -p "$prompt" -n 20 --beam 4 --rerank future --rank-all
check '--rerank sorts the same beams by another metric' '[ "$(figure future)" = "$(figure future | sort -gr)" ] &&
    [ "$(numbers | tr " " "\n" | sort | xargs)" = "1 2 3 4" ] && contains "reranked by future"'
foretell -m "$model" -p "$prompt" -n 20 --beam 2 --length-penalty 0
check '--length-penalty changes the scores' '[ $status -eq 0 ] && contains "2 beams, score ln p / length^0"'

# Each text is the one that its number writes alone, with the same trace.
tell --sequence 3
check '--sequence 3 writes the third text' '[ $status -eq 0 ] && [ "$(text 3 three)" = "$(cat "$work/out")" ]'
tell --sequence 2 -N 2
keep later
check 'with -N it is the number of the first text' '[ "$(text 1 later)" = "$(text 2 three)" ] && [ "$(text 2 later)" = "$(text 3 three)" ] &&
    [ "$(numbers)" = "2 3 " ]'
echo 'The King said that' >"$work/other"
alike() { # options: three texts side by side, and each alone
    local good=1 i
    rm -f "$work"/run*.jsonl
    tell -N 3 -n 40 --trace "$work/run.jsonl" "$@"
    keep side
    [ $status -eq 0 ] || good=0
    for i in 1 2 3; do
        tell --sequence $i -n 40 --trace "$work/run.jsonl" "$@"
        [ $status -eq 0 ] && [ "$(text $i side)" = "$(cat "$work/out")" ] || good=0
        cmp "$work/run.jsonl" "$work/run-$i.jsonl" || good=0
        foretell replay -m "$model" "$work/run-$i.jsonl"
        [ $status -eq 0 ] || good=0
    done
    check "the same in parallel and alone: ${*//$work\//}" '[ $good -eq 1 ]'
}
alike
alike --ban the
alike --ban a --ban e --ban ' h'
alike --stop ', '
alike --stop 'an' --ban 'The' --ban ' s' --fe
alike --temp-policy edt-instance --edt-theta 2
alike --temp-policy kld --kld-without "$work/other"
alike --temp-policy kld --kld-without "$work/other" --ban the --stop king --fe --fe-k 5
alike --preset wave --ban ','
alike --fe --fe-depth 2 --fe-k 4 --mirostat-tau 3 --ban t
alike -c 30 -n -1 --ignore-eos --ban e
check 'the contexts were full' 'grep -q "\"context full\"" "$work/run-2.jsonl" && ! grep -q "\"sequence\"" "$work/run-1.jsonl" &&
    grep -q "\"sequence\":2" "$work/run-2.jsonl"'
tell --best-of 2 --trace "$work/plain" --ban the --stop 'zz'
check 'a trace may have no extension' '[ $status -eq 0 ] && [ -s "$work/plain-1" ] && [ -s "$work/plain-2" ] && [ ! -e "$work/plain" ]'
tell -N 2 --trace "$work/"
check 'the name of a folder is no name of a trace' '[ $status -eq 1 ] && [[ $said = "foretell: $work/: expected the name of a file, got that of a folder" ]]'
tell -N 2 --trace "$work/no.such/run.jsonl"
check 'a missing folder is a failure' '[ $status -eq 1 ] && [[ $said = *"no.such/run-1.jsonl: cannot create: No such file or directory" ]]'
tell -N 3 --stop ' '
keep stopped
check 'the listing names the stop string' '[ "$(listed | grep -c "  a stop string$")" -eq 3 ] && ! grep -v -e --- "$work/stopped" | grep -q "^$prompt "'

# Phrases and beams.
beam() { foretell -m "$model" -p "$prompt" -n 20 --beam 4 "$@"; }
likeliest=$(cat "$work/beam")
rest=${likeliest#"$prompt"}
beam --stop "${rest:9:5}"
check 'a stop string finishes a beam before it' '[ $status -eq 0 ] && ! grep -qF -- "${rest:9:5}" "$work/out"'
beam --stop ' ' --rank-all
check 'the listing says so' '[ "$(listed | grep -c "  a stop string$")" -ge 1 ] && [ "$(cat "$work/out")" = "$prompt" ]'
beam --ban "${rest:9:5}" --rank-all
check 'no beam has a banned phrase' '[ $status -eq 0 ] && ! grep -qF -- "${rest:9:5}" "$work/out" && ! grep -q "^ban " "$work/err"'
beam --ban "this is nowhere" --stop "nor this"
check 'phrases that do not occur change nothing' '[ "$(cat "$work/out")" = "$likeliest" ]'

# Sampling on from beams.
then_() { foretell -m "$model" -p "$prompt" -n 40 -s 5 --beam 3 --then "$@"; }
rm -f "$work"/run*.jsonl
then_ 'preset=future-entropy, alpha=0.5, min-p 0.1' -N 2 --rank-all --trace "$work/run.jsonl"
keep after
check '--then continues each beam' '[ $status -eq 0 ] && [ "$(listed | wc -l)" -eq 6 ] && [ "$(figure logprob)" = "$(figure logprob | sort -gr)" ] &&
    contains "3 beams, score ln p / length^1" && contains "then top-k 40 -> top-p 0.95 -> min-p 0.1 -> future entropy alpha 0.5" &&
    contains "the best of 2 for each beam by logprob"'
good=1
for i in 1 2 3 4 5 6; do
    foretell replay -m "$model" "$work/run-$i.jsonl" || good=0
    [ $status -eq 0 ] && grep -q '"prefix":[0-9]' "$work/run-$i.jsonl" || good=0
done
check 'each text replays without the beams' '[ $good -eq 1 ]'
then_ 'preset=future-entropy, alpha=0.5, min-p 0.1' -N 2 -t 1
check 'one thread gives the same texts' 'same after'
then_ 'temp 1' --beam-until length --beam-length 5 --no-display-prompt
keep five
foretell -m "$model" -p "$prompt" -n 5 --beam 3 --rank-all --no-display-prompt --length-penalty 0
check 'the text begins with a beam' '[[ $(cat "$work/five") = "$(cut -c 1-4 "$work/out")"* ]]'
then_ 'temp 1' --beam-until length --beam-length 40
check 'a beam of full length is not continued' '[ $status -eq 0 ] && [[ $said != *"tok/s"*"rows"* ]] && [ "$(listed | wc -l)" -eq 1 ]'
then_ 'temp 1' --temp 0.9
check '--beam with --then still refuses settings of sampling' '[ $status -eq 2 ] && silent'
then_ 'temp 1, seed 3'
check 'the seed is that of --seed alone' '[ $status -eq 2 ] && silent && contains "--then: expected no seed"'
then_ 'temp 1' --rank future --ban the --stop king --rank-all -N 3
check '--then works with --rank and phrases' '[ $status -eq 0 ] && [ "$(figure future)" = "$(figure future | sort -gr)" ] && ! grep -q -e the -e king "$work/out"'
then_ 'temp 1' --trace "$work/no.such/run.jsonl"
check 'a trace that cannot be written is reported before the search' '[ $status -eq 1 ] && [ "$said" = "foretell: $work/no.such/run-1.jsonl: cannot create: No such file or directory" ]'
then_ 'temp 1' --beam-until length --beam-length 40 --trace "$work/none.jsonl"
check 'beams that are not continued write no trace, and a message says so' '[ $status -eq 0 ] && [ -z "$(find "$work" -name "none*")" ] && contains "foretell: no beam is continued, and no trace written: "'
then_ 'temp-policy=kld' --kld-without "$work/other" --trace "$work/kld.jsonl" -N 2
foretell replay -m "$model" "$work/kld-4.jsonl"
check 'kld continues beams, too' '[ $status -eq 0 ]'

"$program" -m "$model" -p "$prompt" -n -1 -c 4000 --ignore-eos -s 1 -N 2 >"$work/out" 2>"$work/err" &
pid=$!
while ! grep -q draw "$work/err"; do sleep 0.05; done
sleep 0.3
kill -INT $pid
wait $pid
status=$?
said=$(cat "$work/err")
check 'Ctrl-C prints the texts so far' '[ $status -eq 130 ] && [ "$(listed | grep -c interrupted)" -eq 2 ] &&
    [ "$(grep -c "^$prompt" "$work/out")" -eq 2 ]'

# Refused before a model is looked for.
model=no/such.gguf
refused() { local message=$1; shift; usage_error "$message" -m "$model" "$@"; }
refused 'expected one of --beam and --best-of, got both' --beam 2 --best-of 2
refused 'expected one of --beam and --samples, got both' --beam 2 -N 2
refused 'expected one of --best-of and --samples, got both' --best-of 2 -N 2
refused '--beam: expected no --fe (--rerank future ranks the finished beams)' --beam 2 --fe
refused '--beam: expected no settings of sampling: a beam search uses the model'\''s own probabilities' --beam 2 --temp 1
refused '--rank: expected --best-of with it' --rank logprob
refused '--rank: expected --best-of with it' --rank logprob -N 3
refused '--rank-all: expected --best-of or --beam with it' --rank-all
refused '--rerank: expected --beam with it' --best-of 2 --rerank future
refused '--rerank: expected no --then: --rank ranks the texts of --then' --beam 2 --then temp=1 --rerank future
refused '--then: expected --beam with it' --then temp=1
refused "--then: temp: expected a number from 0 to 100, got 'warm'" --beam 2 --then 'temp=warm'
refused '--then: expected at most 256 texts, got 100 beams with 3 each' --beam 100 --then temp=1 -N 3
refused '--beam-length: expected --then with it' --beam 2 --beam-length 3
refused '--beam-until: expected --then with it' --beam 2 --beam-until length
refused '--trace: expected no --beam without --then: a beam search draws no token' --beam 2 --trace x
refused '--sequence: expected no --beam without --then: a beam search has no noise' --beam 2 --sequence 2
refused '--color-by and --explain: expected one text, got -N, --best-of or --beam' -N 2 --explain
refused "--sequence: expected a whole number from 1 to 1073741824, got '0'" --sequence 0
refused '--temp-policy kld and --kld-without FILE: expected both, got only --temp-policy kld' --beam 2 --then temp-policy=kld
refused '--length-penalty: expected --beam with it' --length-penalty 1
refused "--length-penalty: expected a number from 0 to 10, got '-1'" --beam 2 --length-penalty -1
refused "--rank: expected logprob, entropy:TARGET, future or distinct2, got 'beauty'" --best-of 2 --rank beauty
refused "--rerank: expected logprob, entropy:TARGET, future or distinct2, got 'entropy'" --beam 2 --rerank entropy
refused "--samples: expected a whole number from 1 to 256, got '257'" -N 257
refused "--best-of: expected a whole number from 1 to 256, got '0'" --best-of 0
refused "--beam: expected a whole number from 1 to 256, got '1000'" --beam 1000
# A text that cannot go on ends alone. No token of the small vocabulary may come twice, so each text fails in the end,
# except the one that ends at a stop string before.
small=$shared/models/stories260K
once() {
    rm -f "$work"/once-*.jsonl
    foretell -m $small/stories260K.bin -s 4 -N 3 -n 600 -c 1024 --no-repeat-ngram 1 --ignore-eos --trace "$work/once.jsonl" "$@"
}
if [ -d $small ]; then
    once
    keep all
    check 'texts that fail are printed, with the first failure' '[ $status -eq 1 ] && contains "foretell: text 1: position " &&
        contains "no-repeat-ngram leaves no token possible" && [ "$(grep -c "  failed$" "$work/err")" -eq 3 ] &&
        [ "$(grep -c -x -e --- "$work/out")" -eq 2 ] && ! ls "$work"/once-* 2>/dev/null'
    word=$(for i in {40..300}; do
        word=$(text 2 all | tr -d '\n\0' | cut -c "$i-$((i + 5))")
        { text 1 all; text 3 all; } | grep -qF -- "$word" || { echo "$word" && break; }
    done)
    once --stop "$word"
    check 'a text that does not fail is complete, with its trace' '[ $status -eq 1 ] && [ "$(listed | grep -c "a stop string")" -eq 1 ] &&
        [ "$(ls "$work"/once-*)" = "$work/once-2.jsonl" ]'
    foretell replay -m $small/stories260K.bin "$work/once-2.jsonl"
    check 'this trace replays' '[ $status -eq 0 ]'
else
    skip 'texts that fail' "$small is missing"
fi
done_testing
