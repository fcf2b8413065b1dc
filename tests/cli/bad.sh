#!/bin/bash
# The files of tests/bad through the program: exit status 1, nothing on stdout, and on stderr exactly the one line.
cd "$(dirname "$0")/../.." || exit 1
. tests/cli/tap.sh

folder=$(dirname "${FORETELL:=build/release/foretell}")/tests/bad
[ -f "$folder/manifest" ] || skip_all "$folder/manifest is missing: make test-programs writes it"
while IFS=$'\t' read -r kind name message; do
    case $kind in
        model) said=$("$FORETELL" inspect -m "$folder/$name" 2>&1 </dev/null) ;;
        tokenizer) said=$("$FORETELL" tokenize --tokenizer "$folder/$name" -p text 2>&1 </dev/null) ;;
    esac
    status=$?
    # shellcheck disable=SC2034 # read by the condition
    expected="foretell: $folder/$name: $message"
    # shellcheck disable=SC2016
    check "$kind $name" '[ $status -eq 1 ] && [ "$said" = "$expected" ]'
done <"$folder/manifest"
done_testing
