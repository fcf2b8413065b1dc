#!/bin/bash
# run --color-by and --explain: on a terminal (script gives one), and off it.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

arguments=(run -m "$model" -p 'Once upon a time' -n 12 -s 5)
foretell "${arguments[@]}"
cp "$work/out" "$work/plain"
foretell "${arguments[@]}" --color-by p
check 'without a terminal the text is plain' '[ $status -eq 0 ] && cmp -s "$work/out" "$work/plain" && ! contains probability'
foretell "${arguments[@]}" --explain
check '--explain does not change the text' '[ $status -eq 0 ] && cmp -s "$work/out" "$work/plain"'
check '--explain prints a table per token' '[ "$(grep -c "^[0-9]* \".*survivors$" "$work/err")" -eq 12 ] && [ "$(grep -c "^  > " "$work/err")" -eq 12 ]'
check 'without lookahead the table has p only' 'grep -q "^    \".*  p 0\.[0-9]*$" "$work/err" && ! grep -q Hhat "$work/err"'
foretell "${arguments[@]}" --explain --fe --fe-eager
check 'with lookahead the table has Hhat and s, too' 'grep -q "^  > \".*  p [0-9.]*  Hhat [0-9.]*  s [0-9.]*" "$work/err"'
table() { sed -n 's/^[0-9]* ".*  H \([0-9.]*\)\( [a-z]*\)\?  T .*/\1\2/p' "$work/err"; }
foretell "${arguments[@]}" --explain
table >"$work/nats"
foretell "${arguments[@]}" --explain --units bits
table >"$work/bits"
check '--units bits prints H / ln 2 and names the unit' '[ "$(wc -l <"$work/bits")" -eq 12 ] && paste "$work/nats" "$work/bits" |
    awk "{ d = \$1 / log(2) - \$2; bad += d > 2e-3 || d < -2e-3 || \$3 != \"bits\" } END { exit bad }"'
check '--units bits does not change the text' 'cmp -s "$work/out" "$work/plain"'
foretell "${arguments[@]}" --explain --units nats
table >"$work/again"
check '--units nats is the default' 'cmp -s "$work/nats" "$work/again" && ! grep -q nats "$work/again"'
usage_error "--units: expected one of nats|bits, got 'bans'" run --units bans
usage_error '--color-by future: expected --fe or --wave too' run --color-by future
usage_error '--color-by alpha: expected --fe or --wave too' run --color-by alpha
usage_error "--color-by: expected one of none|p|surprisal|entropy|future|alpha|rank, got 'mood'" run --color-by mood

missing=$(terminal_missing script)
if [ -z "$missing" ]; then
    on_terminal() { # what it prints to a terminal, the ends of lines as they were, standard error elsewhere
        local command
        printf -v command '%q ' "$program" "${arguments[@]}" "$@"
        script -qec "$command 2>$work/err" /dev/null </dev/null | tr -d '\r' >"$work/out"
    }
    untinted() { sed 's/\x1b\[[0-9;]*m//g' "$work/out"; }
    export TERM=xterm
    unset NO_COLOR COLORTERM
    tints() { grep -o $'\x1b\\[48;[0-9;]*m' "$work/out" | sort -u | wc -l; }
    for by in p surprisal entropy rank; do
        on_terminal --color-by $by
        check "by $by: the same text, in several tints" '[ "$(untinted)" = "$(cat "$work/plain")" ] && [ "$(tints)" -ge 3 ]'
    done
    check 'tints have 256 colours, and each is reset' '! grep -q "48;2;" "$work/out" && [ "$(grep -o $'\''\x1b\\[48;'\'' "$work/out" | wc -l)" -eq "$(grep -o $'\''\x1b\\[0m'\'' "$work/out" | wc -l)" ]'
    check 'a legend is printed' 'grep -q "^rank  1 .* 1024$" "$work/err"'
    on_terminal --color-by entropy
    check 'the scale of the entropy ends at 8 nats' 'grep -q "^entropy  0 .* 8 nats$" "$work/err"'
    cp "$work/out" "$work/nats"
    on_terminal --color-by entropy --units bits
    check 'with --units bits it ends at 12 bits' 'grep -q "^entropy  0 .* 12 bits$" "$work/err" && ! cmp -s "$work/out" "$work/nats" &&
        [ "$(untinted)" = "$(cat "$work/plain")" ]'
    for by in future alpha; do
        on_terminal --color-by $by --preset wave
        check "by $by" '[ "$(tints)" -ge 3 ]'
    done
    on_terminal --color-by alpha --fe --at '/.*/:preset=precise'
    check 'a rule that does not look ahead gives no tint by alpha' '[ "$(tints)" -eq 0 ] && [ "$(untinted | wc -c)" -gt 20 ]'
    on_terminal --color-by p
    cp "$work/out" "$work/tinted"
    on_terminal --color-by p --stop ' the zz' --ban 'a zz' --ban ' hzz'
    check 'text that was held back keeps its tints' 'cmp -s "$work/out" "$work/tinted"'
    "$program" "${arguments[@]}" --ban the --ban ' a' >"$work/banned" 2>/dev/null
    on_terminal --color-by p --ban the --ban ' a'
    check 'text that was taken back leaves no tint' '[ "$(untinted)" = "$(cat "$work/banned")" ] && [ "$(tints)" -ge 3 ]'
    COLORTERM=truecolor on_terminal --color-by p
    check 'COLORTERM=truecolor gives true colours' 'grep -q "48;2;" "$work/out" && [ "$(untinted)" = "$(cat "$work/plain")" ]'
    NO_COLOR=1 on_terminal --color-by p
    check 'NO_COLOR turns tints off' '[ "$(cat "$work/out")" = "$(cat "$work/plain")" ] && ! grep -q probability "$work/err"'
    TERM=dumb on_terminal --color-by p
    check 'a terminal without colours gets no tints' '[ "$(cat "$work/out")" = "$(cat "$work/plain")" ]'
else
    skip 'on a terminal' "$missing"
fi
done_testing
