#!/bin/bash
# The samplers through the program: which settings change the text and which do not, and messages about mistakes.
# shellcheck disable=SC2016,SC2086 # conditions are evaluated by check; options are several words
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

text() { "$program" -m "$model" -p 'Once upon a time' -n 40 -s "$seed" $1 2>/dev/null; }

same=0
different=0
for seed in 1 2 3 4 5; do
    for options in '--alpha -0.5' '--alpha 0 --fe-k 8' '--alpha 0.5 --fe-at word' '--alpha 1 --temp 1.3 --fe-k 40' '--wave sine:1:20'; do
        lazy=$(text "--fe $options")
        [ "$lazy" = "$(text "--fe $options --fe-eager")" ] && same=$((same + 1))
        [ "$lazy" = "$(text "--fe $options --fe-chunk 1")" ] && same=$((same + 1))
        [ "$lazy" = "$(text "--fe $options --fe-chunk 4")" ] && same=$((same + 1))
        [ "$lazy" = "$(text "--fe $options -t 1")" ] && same=$((same + 1))
        [ "$lazy" = "$(text "--fe $options -t 3")" ] && same=$((same + 1))
        [ "$lazy" != "$(text '')" ] && different=$((different + 1))
    done
done
check 'lazy and eager, chunks by cost, of 1 and of 4, 1, 2 and 3 threads give the same texts' '[ $same -eq 125 ]'
check 'they differ from those of the plain chain' '[ $different -ge 20 ]'

seed=8
check 'alpha -1 gives the text of the chain without lookahead, for any k' \
    '[ "$(text "--fe --alpha -1 --fe-k 2")" = "$(text "")" ] && [ "$(text "--fe --alpha -1")" = "$(text "")" ]'
for preset in precise balanced creative future-entropy wave code; do
    foretell -m "$model" -p x -n 5 -s 1 --preset $preset
    check "--preset $preset writes a text" '[ $status -eq 0 ] && [ -s "$work/out" ]'
done
foretell -m "$model" -n 3 -s 1 --preset wave --alpha 0.3 --temp 0.7
check 'settings after a preset override it' 'contains "temp 0.7 -> draw"'
foretell -m "$model" -n 3 -s 1 --temp 1.7 --preset precise
check 'settings before a preset do not' 'contains "temp 0.3 -> draw"'
foretell -m "$model" -n 20 -s 1 --fe
check 'rows and passes of looking ahead are counted' 'contains "rows and" && contains "passes per token"'
foretell -m "$model" -c 20 -n 100 -s 1 --fe --ignore-eos --fe-depth 4
check 'a full context is reported' '[ $status -eq 0 ] && contains "the context of 20 tokens is full"'
check 'a ban holds' '[ "$(text "--temp 0 --logit-bias 13-inf -n 200" | wc -l)" -eq 0 ]'
check 'penalties change the text' '[ "$(text "--temp 0")" != "$(text "--temp 0 --repeat-penalty 1.3")" ]'
check '--no-repeat-ngram repeats no n-gram' '[ "$(text "--temp 0 -n 200 --no-repeat-ngram 2")" != "$(text "--temp 0 -n 200")" ]'
for policy in linear sigmoid edt udt dynatemp; do
    foretell -m "$model" -n 10 -s 1 --temp-policy $policy
    check "--temp-policy $policy works" '[ $status -eq 0 ] && contains "temp-policy $policy"'
done
foretell --list-samplers
check '--list-samplers prints stages and ranges' '[ $status -eq 0 ] && out_has "top-nsigma" && out_has "dynatemp" && out_has "sine:1:60" && out_has "above 0 and at most 1, default 1" && out_has "0 to 1000000, default 40"'

usage_error "--edt-n: expected a number above 0 and below 1, got '1'" --temp-policy edt --edt-n 1
usage_error "--fe-n: expected a whole number from 2 to 1000000, got '1'" --fe-n 1
usage_error "--alpha: expected a number from -1 to 1, got '1.5'" --alpha 1.5
usage_error "--fe-k: expected a whole number from 1 to 64, got '65'" --fe-k 65
usage_error "--min-p: expected a number from 0 to 1, got '2'" --min-p 2
usage_error "--samplers: expected stages that drop candidates (top-nsigma, top-k, typical, top-p, min-p, epsilon, eta, top-h, xtc, mirostat), got 'magic'" --samplers top-k,magic
usage_error "--preset: expected precise, balanced, creative, future-entropy, wave or code, got 'wild'" --preset wild
foretell -n 1 --wave sine:1:0
check 'a wave without a period is refused' '[ $status -eq 2 ] && silent && contains "--wave"'
foretell -m "$model" -n 1 --logit-bias 4096+1
check 'a bias on an unknown token is refused' '[ $status -eq 1 ] && contains "logit-bias: expected a token id below 4096, got 4096"'
done_testing
