#!/bin/bash
# The manual page against the program: each subcommand's section names exactly the options that its --help names.
# shellcheck disable=SC2016,SC2034,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/tap.sh
foretell=${FORETELL:-build/release/foretell}
[ -x "$foretell" ] || skip_all "$foretell is not built"

options() { grep -oE '(^|[ ,|])--[a-z][a-z0-9-]*' | tr -d ' ,|' | grep -v -e '^--help$' -e '^--version$' | sort -u; }
# Options whose value is one of some words: "--type f32|f16".
choices() { grep -oE -- '--[a-z-]+ +[a-z0-9_-]+(\|[a-z0-9_-]+)+' | tr -s ' ' | sort -u; }
# The section of a subcommand, from its heading to the next, without roff.
section() { awk -v name="\"foretell $1\"" '$1 == ".SH" { inside = index($0, name) } inside' tools/foretell.1 |
    grep -A 1 '^\.TP' | grep -v '^\.TP' | sed -e 's/\\-/-/g' -e 's/^\.[A-Z]* *//' -e 's/"//g'; }

commands=$("$foretell" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | grep -v '^help$')
said=$commands
check 'the program lists its subcommands' '[ "$(printf "%s\n" "$commands" | wc -l)" -ge 5 ]'
for command in $commands; do
    said=$(diff <("$foretell" "$command" --help | grep '^ *-' | cut -c 1-32 | options) <(section "$command" | options))
    check "the manual has the options of $command" '[ -z "$said" ] && section "$command" >/dev/null'
    said=$(diff <("$foretell" "$command" --help | choices) <(section "$command" | choices))
    check "and the words of each choice" '[ -z "$said" ]'
    said=$command
    check "the manual lists $command" 'grep -q "\.B foretell $command\|\.RB \[ $command \]" tools/foretell.1'
done
# The settings of the sampler are described by the same words, from --preset on; the manual may say more.
plain() { tr '\n' ' ' | sed -e 's/\\-/-/g'; }
for command in run explore; do
    text=$(awk -v name="\"foretell $command\"" '$1 == ".SH" { inside = index($0, name) } inside' tools/foretell.1 | plain)
    said=$(awk '/--temp / { inside = 1 } /--help/ { inside = 0 } inside' <("$foretell" "$command" --help) |
        sed -E -e 's/^ *--[^ ]+( [^ ]+)? +//' -e 's/ \(default: [^)]*\)$//' |
        while read -r help; do grep -qiF -- "$help" <<<"$text" || echo "$help"; done)
    check "the manual describes the settings of $command as its help does" '[ -z "$said" ]'
done
if command -v man >/dev/null; then
    said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -l tools/foretell.1 2>&1 >/dev/null)
    check 'roff reports no warning' '[ -z "$said" ]'
fi
done_testing
