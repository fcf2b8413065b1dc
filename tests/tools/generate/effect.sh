#!/bin/bash
# What run says of settings that cannot have an effect; --alpha looks ahead, as --wave does.
# shellcheck disable=SC2016,SC2154,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

run() { foretell run -m "$model" -p 'Once' -n 3 -s 1 "$@"; }
first() { [ "$(head -1 "$work/err")" = "$1" ]; }
mute() { [ "$status" -eq 0 ] && ! contains 'without effect'; }

run --fe-k 5 --edt-n .5 --mirostat-eta .2
check 'one line names all settings without effect' '[ $status -eq 0 ] && first "foretell: without effect here: --fe-k (needs --fe), --edt-n (needs --temp-policy edt, edt-instance or udt), --mirostat-eta (needs --mirostat-tau)" && [ "$(grep -c effect "$work/err")" -eq 1 ]'
run --fe-k 5 --fe-k 6
check 'each setting is named once' 'first "foretell: without effect here: --fe-k (needs --fe)"'
run --temp .5 --min-p .2 --preset precise --min-p .1
check 'a later preset replaces all settings' 'first "foretell: without effect here: --temp (a later --preset sets all)"'
run --fe --fe-chunk 3 --trace "$work/trace"
check 'tracing evaluates all candidates' 'first "foretell: without effect here: --fe-chunk (all candidates are evaluated at once)"'
run --beam 2 --then fe --fe-k 5 --temp .8
check '--then has its own settings' 'first "foretell: without effect here: --fe-k, --temp (--then has its own settings)"'
run -c 8 -n 30
cp "$work/out" "$work/alone"
run -c 8 -n 30 --fe --alpha -1 --fe-depth 3
check 'settings without effect need no room in the context' 'contains "without effect here: --fe (" && cmp -s "$work/out" "$work/alone"'
run --temp-policy linear --at 'speech:{temp=.5,temp-range=0:1}' --at number:temp-policy=edt,edt-theta=1 --preset code
check 'settings inside rules are reported, except those of a preset' 'first "foretell: without effect here: --temp-policy (a later --preset sets all), --at speech:temp-range (needs --temp-policy linear, sigmoid or target)"'
for given in '' '--top-p 1 --min-p 0 --typical 1' '--preset wave --fe-k 3' '--temp 0' '--temp 0 --fe --top-k 5' '--alpha 0.5' \
    '--temp 0 --top-k 1' '-N 2 --fe-n 5' '--xtc-probability 0'; do
    # shellcheck disable=SC2086 # several words are meant
    run $given
    check "nothing is reported for '$given'" mute
done
usage_error "--fe-k: expected a whole number from 1 to 64, got 'x'" run --edt-n .5 --fe-k x

run --alpha .5
cp "$work/out" "$work/alone"
check '--alpha looks ahead' 'contains "future entropy alpha 0.5"'
run --fe --alpha .5
check '--alpha with --fe gives the same text' 'cmp -s "$work/out" "$work/alone"'
done_testing
