#!/bin/bash
# Stop strings, banned phrases and the temperature policies that read more than the step: what reaches standard output.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

prompt='Once upon a time'
tell() { foretell -m "$model" -p "$prompt" -n 60 -s 7 --no-display-prompt "$@"; }
text() { cat "$work/out"; echo .; } # $() would drop newlines at the end
keep() { cp "$work/out" "$work/$1"; }
same() { cmp -s "$work/out" "$work/$1"; }

tell
keep plain
plain=$(cat "$work/plain")
logits=$(grep '^logits' "$work/err")
word=$(cut -d ' ' -f 8 <"$work/plain" | head -1)   # of the plain text
cut="${word:1} $(cut -d ' ' -f 9 <"$work/plain" | head -1 | cut -c 1)" # begins and ends within words
check 'the plain text has the phrases that are looked for' '[ ${#word} -ge 2 ] && [[ $plain = *"$cut"* ]]'

tell --stop "$cut"
check 'the text ends directly before a stop string' '[ $status -eq 0 ] && [ "$(text)" = "${plain%%"$cut"*}"$'"'\n'"'. -o "$(text)" = "${plain%%"$cut"*}." ]'
tell --stop 'this is nowhere' --stop "$cut" --stop "${plain:200:5}"
check 'the first of several stop strings ends the text' '[ "$(cat "$work/out")" = "${plain%%"$cut"*}" ]'
tell --stop 'this is nowhere' --stop "${plain: -3}?"
check 'a stop string that does not occur changes nothing, and no text is lost at the end' 'same plain && [ "$(grep ^logits "$work/err")" = "$logits" ]'
tell --stop "${plain:0:1}"
check 'a stop string may be the first byte' '[ $status -eq 0 ] && silent'
tell --stop 'upon a'
check 'the prompt is not searched' 'same plain'

tell --ban "$word"
keep banned
check 'a banned phrase does not occur' '[ $status -eq 0 ] && ! grep -qF -- "$word" "$work/out" && grep -q "^ban  *[1-9]" "$work/err"'
check 'the text before it stays' '[[ $(cat "$work/out") = "${plain%%"$word"*}"* ]] || [[ "${plain%%"$word"*}" = "$(head -c 8 "$work/out")"* ]]'
tell --ban "$word" -t 1
check 'one thread gives the same text' 'same banned'
dense=()
for phrase in {a..z} ' ' ',' . - '"'; do dense+=(--ban "$phrase"); done
foretell -m "$model" -p "$prompt" -n 60 -s 7 "${dense[@]}"
check 'if 256 tokens are banned at one position, the run fails' '[ $status -eq 1 ] && [[ $(tail -1 "$work/err") = "foretell: position "*": banned phrase "*": 256 tokens are banned here, no more are tried" ]]'
check 'it prints the text up to there' '[[ $(cat "$work/out") = "$prompt"* ]]'
tell --ban 'This Is Nowhere'
check 'a banned phrase that does not occur changes nothing' 'same plain && ! grep -q "^ban" "$work/err"'
tell --ban "${word^^}${word^^}"
check 'case counts' 'same plain'
tell --ban e --ban a
check 'single letters can be banned' '[ $status -eq 0 ] && ! grep -q "[ea]" "$work/out" && [ "$(wc -c <"$work/out")" -gt 20 ]'
tell --ban "$word" --fe
check 'bans work with lookahead, too' '[ $status -eq 0 ] && ! grep -qF -- "$word" "$work/out"'
tell --ban "$word" --fe --fe-eager
keep eager
tell --ban "$word" --fe
check 'lazy and eager lookahead give the same text' 'same eager'
prompt='' tell --ban T --ban O
check 'bans work with an empty prompt' '[ $status -eq 0 ] && [ -s "$work/out" ] && ! grep -q "[TO]" "$work/out"'

tell --temp-policy edt-instance --edt-theta 2
keep instance
check 'edt-instance is in the chain and changes the text' '[ $status -eq 0 ] && ! same plain && contains "temp-policy edt-instance"'
echo 'Once upon a time' >"$work/same"
tell --temp-policy kld --kld-without "$work/same"
check 'kld with the same prompt has divergence 0, so T is T0' 'same plain && [ "$(grep ^logits "$work/err")" = "$logits" ]'
echo 'The King said that' >"$work/other"
tell --temp-policy kld --kld-without "$work/other" --kld-sigma 0.00001
keep cold
tell --temp 0
check 'kld with another prompt and a small sigma is greedy' 'same cold'
tell --temp-policy kld --kld-without "$work/other" --ban "$word"
check 'kld works with a ban' '[ $status -eq 0 ] && ! grep -qF -- "$word" "$work/out"'
tell --temp-policy kld --kld-without "$work/other" --fe
check 'kld works with lookahead' '[ $status -eq 0 ] && [ -s "$work/out" ]'
for i in {1..20}; do cat "$work/other"; done >"$work/lines"
head -c -1 "$work/lines" >"$work/long"
tell --temp-policy kld --kld-without "$work/long" -c 120 -n -1 --ignore-eos
check 'the longer of the two prompts fills the context' '[ $status -eq 0 ] && contains "the context of 120 tokens is full"'
failure "--kld-without has $(foretell tokenize -m "$model" --bos <"$work/long"; wc -w <"$work/out") tokens, the context only 30 (-c N takes another)" \
    -m "$model" -c 30 --temp-policy kld --kld-without "$work/long"

usage_error '--stop: expected a text that is not empty' --stop ''
usage_error '--ban: expected a text that is not empty' --ban ''
usage_error '--temp-policy kld and --kld-without FILE: expected both, got only --temp-policy kld' --temp-policy kld
usage_error '--temp-policy kld and --kld-without FILE: expected both, got only --kld-without' --kld-without x
usage_error '--kld-sigma: expected a number above 0 and at most 1000, got '"'0'" --kld-sigma 0
usage_error '--fe-depth: expected less than the 4 tokens of --ctx-size, got 4' --fe --fe-depth 4 -c 4
# Before a model is loaded, so none is needed.
missing='-m no/such.gguf'
usage_error "--edt-n: expected a number above 0 and below 1, got '1'" $missing --edt-n 1
usage_error "--fe-n: expected a whole number from 2 to 1000000, got '1'" $missing --fe-n 1
usage_error "--alpha: expected a number from -1 to 1, got '1.5'" $missing --alpha 1.5
usage_error "--min-p: expected a number from 0 to 1, got '2'" $missing --min-p 2
usage_error "--samplers: expected stages that drop candidates (top-nsigma, top-k, typical, top-p, min-p, epsilon, eta, top-h, xtc, mirostat), got 'magic'" $missing --samplers magic
usage_error '--temp-policy table: expected temp-table with 1 to 16 knots' $missing --temp-policy table
failure 'no/such.gguf: cannot open: No such file or directory' $missing --edt-n 0.5 --sigmoid-k 3 --fe-k 3 --wave-clock word --kld-sigma 2
foretell $missing --wave sine:1:0
check 'a wave of period 0 is refused' '[ $status -eq 2 ] && contains --wave'
done_testing
