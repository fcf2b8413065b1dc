#!/bin/bash
# The files of tests/bad through the program: exit status 1, nothing on stdout, and on stderr exactly the one line.
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/tap.sh

: "${FORETELL:=build/release/foretell}"
folder=$(dirname "$FORETELL")/tests/bad
[ -f "$folder/manifest" ] || skip_all "$folder/manifest is missing: make test-programs writes it"
while IFS=$'\t' read -r kind name message; do
    case $kind in
        model) said=$("$FORETELL" inspect -m "$folder/$name" 2>&1 </dev/null) ;;
        tokenizer) said=$("$FORETELL" tokenize --tokenizer "$folder/$name" -p text 2>&1 </dev/null) ;;
    esac
    status=$?
    expected="foretell: $folder/$name: $message"
    check "$kind $name" '[ $status -eq 1 ] && [ "$said" = "$expected" ]'
done <"$folder/manifest"

said=$("$FORETELL" run -m "$folder/good_model" --tokenizer "$folder/good_tokenizer" -p text 2>&1 </dev/null)
status=$?
expected="foretell: $folder/good_tokenizer: expected the 3 tokens of $folder/good_model, got 259"
check "a vocabulary of another size than the model's" '[ $status -eq 1 ] && [ "$said" = "$expected" ]'
done_testing
