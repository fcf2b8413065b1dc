# For the tests of the program: a work folder, the shipped model, and `foretell`, which runs the program under test and
# leaves its standard output in $work/out, its standard error in $said and its exit status in $status.
# shellcheck shell=bash disable=SC2034
. tests/support/tap.sh

program=${FORETELL:-build/release/foretell}
model=${TEST_MODEL:-weights/tales-6m-q8_0.gguf}
shared=../shared
unset FORETELL_MODEL
export OMP_WAIT_POLICY=passive # other programs may share the processors
[ -x "$program" ] || skip_all "$program is not built"
[ -f "$model" ] || skip_all "$model is missing"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

foretell() {
    "$program" "$@" >"$work/out" 2>"$work/err"
    status=$?
    said=$(cat "$work/err")
}
out_is() { [ "$(cat "$work/out"; echo .)" = "$1"$'\n'. ]; } # one line, with its newline
out_has() { grep -qF -- "$1" "$work/out"; }
silent() { [ ! -s "$work/out" ]; }
says_only() { # exit status, message, arguments: nothing on standard output, exactly this line on standard error
    local expected=$1 message="foretell: $2"
    shift 2
    foretell "$@"
    check "${*//$'\n'/ }" '[ "$said" = "$message" ] && [ $status -eq "$expected" ] && silent'
}
usage_error() { says_only 2 "$@"; } # message, arguments
failure() { says_only 1 "$@"; }     # message, arguments

terminal_missing() { # programs that a test in a terminal needs: why it cannot run here; empty where it can
    local each
    for each in python3 "$@"; do
        command -v "$each" >/dev/null || { echo "$each is not installed"; return; }
    done
    python3 -c 'import os; os.openpty()' 2>/dev/null || echo 'no pseudo-terminal can be opened'
}
