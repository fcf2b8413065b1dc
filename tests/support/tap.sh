# TAP for shell tests: `check NAME CONDITION` evaluates the condition, `done_testing` prints the plan and exits.
# The caller keeps in $said what the last command printed, and in $status its exit status. A failed check shows where it is,
# its condition, and each command of the condition that ran, with the values of its variables; the last one decided:
#
#   not ok 3 - refuses a negative seed
#   # tests/tools/cli/options.sh:40
#   # condition: [ $status -eq 2 ] && contains seed && silent
#   # ran: '[' 2 -eq 2 ']'
#   # culprit: contains seed
#   # status: 2
#   # said: foretell: unknown option --sed
# shellcheck shell=bash
count=0
failures=0
said=
status=0

# The shell's own trace (xtrace) has the commands with their values. It goes to a file that only these descriptors reach.
# A test run with `bash -x` keeps its trace on standard error.
tap_trace=$(mktemp)
exec {tap_write}>>"$tap_trace" {tap_read}<"$tap_trace"
rm "$tap_trace"
case $- in *x*) ;; *) BASH_XTRACEFD=$tap_write ;; esac

check() { # name, condition
    tap_evaluate "$2"
    local result=$? lines=()
    mapfile -t -u "$tap_read" lines
    count=$((count + 1))
    if [ $result -eq 0 ]; then
        echo "ok $count - $1"
        return
    fi
    failures=$((failures + 1))
    printf 'not ok %d - %s\n' "$count" "$1"
    {
        echo "${BASH_SOURCE[-1]}:${BASH_LINENO[-2]}"
        echo "condition: $2"
        printf '%s\n' "${lines[@]}" | tap_commands $((${#FUNCNAME[@]} + 1))
        echo "status: $status"
        printf '%s\n' "$said" | sed 's/^/said: /'
    } | sed 's/^/# /'
}

# The condition sees the variables of the test, so there are no local ones here that could hide them.
tap_evaluate() { # condition
    case $- in *x*) eval "$1"; return ;; esac
    PS4='+${#FUNCNAME[@]}: '
    set -x
    eval "$1"
    tap_result=$?
    set +x
    return $tap_result
}

# The trace of tap_evaluate, without what ran inside functions and command substitutions. The shell repeats the first
# character of PS4 for eval; lines without the prefix continue a value of several lines.
tap_commands() { # number of functions that tap_evaluate is in
    awk -v prefix="++$1: " '
        /^\++[0-9]+: / { keep = index($0, prefix) == 1; if (keep) { commands[++n] = substr($0, length(prefix) + 1) }; next }
        keep { commands[n] = commands[n] "\n           " $0 }
        END { for (i = 1; i <= n; i++) print (i < n ? "ran: " : "culprit: ") substr(commands[i], 1, 2000) }'
}

contains() { case $said in *"$1"*) true ;; *) false ;; esac; }

skip() { # name reason
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

skip_all() { # reason: for a test that cannot run here at all
    echo "ok 1 - $(basename "$0" .sh) # SKIP $1"
    echo 1..1
    exit 0
}

done_testing() {
    echo "1..$count"
    [ "$failures" -eq 0 ]
    exit
}
