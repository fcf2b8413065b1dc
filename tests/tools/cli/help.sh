#!/bin/bash
# The help: there for every subcommand, true and complete.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

foretell --help
check '--help prints the usage' '[ $status -eq 0 ] && [ -z "$said" ] && out_has "usage: foretell [SUBCOMMAND] [options]"'
cp "$work/out" "$work/overview"
foretell help
check 'help prints the same as --help' '[ $status -eq 0 ] && cmp -s "$work/out" "$work/overview"'
commands=$(sed -n 's/^  \([a-z]\+\) .*/\1/p' "$work/overview" | grep -v '^help$')
check 'the help lists all subcommands' '[ "$(echo $commands)" = "run tokenize inspect perplexity quantize bench export replay explore look" ]'

for command in $commands; do
    foretell "$command" --help
    check "$command --help prints the usage" '[ $status -eq 0 ] && [ -z "$said" ] && out_has "usage: foretell $command [options]"'
    cp "$work/out" "$work/help"
    foretell help "$command"
    check "help $command prints the same as --help" '[ $status -eq 0 ] && cmp -s "$work/out" "$work/help"'

    # Every listed option is accepted, with a value exactly where the list shows one.
    wrong=
    while read -r option metavar; do
        if [ -n "$metavar" ]; then
            foretell "$command" "$option"
            [ "$said" = "foretell: $option: expected a value ($metavar)" ] || wrong+=" $option"
        else
            foretell "$command" "$option=1"
            [ "$said" = "foretell: $option: takes no value" ] || wrong+=" $option"
        fi
    done < <(sed -nE 's/^  (-., |    )(--[a-z-]+)( ([^ ]+))? .*/\2 \4/p' "$work/help" | grep -v -- --help)
    check "$command: each listed option is accepted" '[ -z "$wrong" ]'
    [ -z "$wrong" ] || echo "# not as listed:$wrong"
done

foretell run --help
cp "$work/out" "$work/help"
foretell --top-k 3 -n 7 -p text --help
check 'the defaults shown are the defaults' 'cmp -s "$work/out" "$work/help" && out_has "(default: 40)"'
check 'every sampling stage is listed' '(for s in top-k top-p min-p temp; do out_has "--$s " || exit 1; done)'
foretell --version
version=$(sed -n 's/^VERSION := //p' Makefile)
check '--version prints the version' '[ $status -eq 0 ] && out_is "foretell $version" && [ -z "$said" ]'

usage_error "no such subcommand: 'tell' (foretell --help lists them)" tell
usage_error "no such subcommand: 'tell' (foretell --help lists them)" help tell
usage_error "help: expected one subcommand, got 'inspect' too" help run inspect
if [ -w /dev/full ]; then
    said=$("$program" --help 2>&1 >/dev/full)
    status=$?
    check 'a help that cannot be written is a failure' '[ $status -eq 1 ] && contains "No space left on device"'
fi
done_testing
