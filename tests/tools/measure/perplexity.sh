#!/bin/bash
# foretell perplexity: its counts, and that its figures agree with each other.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

field() { sed -n "s|^$1 *||p" "$work/out"; }
perplexity() { foretell perplexity -m "$model" "$@"; }
agree() { # nats, perplexity and bits tell the same, to the digits printed
    local tokens bytes
    tokens=$(field tokens) bytes=$(field bytes)
    awk -v n="$(field nats/token)" -v p="$(field perplexity)" -v b="$(field bits/byte)" -v t="${tokens%% *}" \
        -v s="${bytes%% *}" 'function near(x, y) { return x < 1.0003 * y && y < 1.0003 * x }
        BEGIN { exit !(n > 0 && near(p, exp(n)) && near(b, n / log(2) * t / s)) }'
}
first='A fox once saw a crow fly off with a piece of cheese in its beak and settle on a branch of a tree.'
second='The king had three daughters, and the youngest was so beautiful that the sun itself wondered.' # the shorter one
count() { printf '%s' "$1" | "$program" tokenize -m "$model" | wc -w; }
n_first=$(count "$first")
n_second=$(count "$second")

printf '%s' "$first" >"$work/first"
perplexity -f "$work/first"
check 'a text is measured' '[ $status -eq 0 ] && [ -z "$said" ] && agree'
check 'every token is scored' '[ "$(field tokens)" = "$n_first in 1 windows of 1024" ]'
check 'every byte is counted' '[ "$(field bytes)" = "${#first} in 1 document" ]'
nats=$(field nats/token)
check 'the model predicts better than chance' 'awk -v n="$nats" "BEGIN { exit !(n < 5) }"' # a blind one: ln 4096 = 8.3
cp "$work/out" "$work/whole"
"$program" perplexity -m "$model" <"$work/first" >"$work/out"
check 'the text may come from standard input' 'cmp -s "$work/out" "$work/whole"'
perplexity -t 1 "$work/first"
check 'one thread gives the same figures' 'cmp -s "$work/out" "$work/whole"'
perplexity -c 7 "$work/first"
check 'windows score every token' '[ "$(field tokens)" = "$n_first in $(((n_first + 6) / 7)) windows of 7" ] && agree'
check 'short windows give a higher perplexity' 'awk -v n="$(field nats/token)" -v m="$nats" "BEGIN { exit !(n > m) }"'
perplexity -c 1 "$work/first"
check 'windows of one token work' '[ "$(field tokens)" = "$n_first in $n_first windows of 1" ] && agree'

perplexity --units bits "$work/first"
check '--units bits prints bits' 'awk -v n="$nats" -v b="$(field bits/token)" "BEGIN { d = n / log(2) - b; exit !(d < 2e-4 && d > -2e-4) }" &&
    cmp -s <(grep -v /token "$work/out") <(grep -v /token "$work/whole")'

printf '\n\n%s\n\n***\n***\n\n%s\n\n***\n' "$first" "$second" >"$work/both"
perplexity "$work/both" --documents '***'
check 'each document is followed by its end, and a beginning is between two documents' \
    '[ "$(field tokens)" = "$((n_first + n_second + 3)) in 1 windows of 1024" ] && agree'
check 'newlines around documents are not counted' '[ "$(field bytes)" = "$((${#first} + ${#second})) in 2 documents" ]'
perplexity "$work/both" --documents '***' -c $((n_first + 1))
check 'a beginning between documents that begins a window counts once' \
    '[ "$(field tokens)" = "$((n_first + n_second + 2)) in 2 windows of $((n_first + 1))" ]'
apart=$(field nats/token)
mean=$(for text in "$first" "$second"; do
    printf '%s\n***' "$text" >"$work/one"
    "$program" perplexity -m "$model" "$work/one" --documents '***' | awk '/^tokens/ { t = $2 } /^nats/ { print t, $2 }'
done | awk '{ t += $1; n += $1 * $2 } END { print n / t }')
check 'both documents are then scored as if alone' 'awk -v a="$apart" -v m="$mean" "BEGIN { exit !(a - m < 2e-4 && m - a < 2e-4) }"'
perplexity "$work/both" --documents '**'
check 'a separator is a whole line' '[[ $(field bytes) = *"in 1 document" ]]'

: >"$work/empty"
failure 'the text is empty' perplexity -m "$model" "$work/empty"
printf '***\n\n***\n' >"$work/none"
failure 'the text is empty' perplexity -m "$model" "$work/none" --documents '***'
failure 'no/such: cannot open: No such file or directory' perplexity -m "$model" no/such
done_testing
