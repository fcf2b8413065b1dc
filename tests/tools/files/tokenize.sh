#!/bin/bash
# foretell tokenize: ids of a text, and every byte back.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

tokenize() { foretell tokenize -m "$model" "$@"; }

tokenize -p 'Once upon a time'
check 'ids are printed on one line' '[ $status -eq 0 ] && [ -z "$said" ] && out_is "3628 585 261 575"'
tokenize --bos -p 'Once upon a time'
check '--bos adds the token that begins a text' 'out_is "1 3628 585 261 575"'
tokenize --pieces -p $'a time\n'
check '--pieces prints ids and pieces' 'out_is "    261  '"' a'"'
    575  '"' time'"'
     13  '"'<0x0A>'"'"'
tokenize -p ''
check 'the empty text has no tokens' '[ $status -eq 0 ] && out_is ""'
tokenize -p '</s>'
check 'names of control tokens are ordinary text' '! out_is 2'
tokenize -p '</s>' --special
check '--special reads names of control tokens' 'out_is 2'
tokenize --decode --special 2
check '--decode --special prints them' '[ "$(cat "$work/out")" = "</s>" ]'
printf 'Once upon a time' | "$program" tokenize -m "$model" >"$work/out"
check 'the default input is standard input' 'out_is "3628 585 261 575"'
foretell tokenize --tokenizer "$model" -p 'Once upon a time'
check '--tokenizer names another vocabulary' 'out_is "3628 585 261 575"'
tokenize --decode 3628 585 261 575
check '--decode reads arguments' '[ $status -eq 0 ] && [ "$(cat "$work/out")" = "Once upon a time" ]'
printf '3628\n 585\t261  575\n\n' | "$program" tokenize -m "$model" --decode >"$work/out"
check '--decode reads standard input' '[ "$(cat "$work/out")" = "Once upon a time" ]'

round_trip() { # name; the text is $work/text
    "$program" tokenize -m "$model" -f "$work/text" | "$program" tokenize -m "$model" --decode >"$work/out"
    check "round trip: $1" 'cmp "$work/text" "$work/out"'
}
while IFS= read -r text; do
    # shellcheck disable=SC2059 # the escapes are meant
    printf "$text" >"$work/text"
    round_trip "$text"
done <<'END'

 
  two before, two behind  
a\0b\0
\xff\xfe\x80
\xe2\x96\x81 \xe2\x96
na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82
\r\n\t<s></s><unk><0x0A>
\n\n\n
END
head -c 65536 "$program" >"$work/text"
round_trip 'the first 64 KiB of the program'

for id in 4096 -1 x 1.0 99999999999999999999; do
    failure "token id: expected a whole number from 0 to 4095, got '$id'" tokenize -m "$model" --decode -- "$id"
done
failure 'no/such: cannot open: No such file or directory' tokenize -m "$model" -f no/such
failure 'tests/tools: cannot read: Is a directory' tokenize -m "$model" -f tests/tools
failure 'no/such.bin: cannot open: No such file or directory' tokenize --tokenizer no/such.bin -p a
done_testing
