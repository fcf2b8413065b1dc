# TAP for shell tests: `check NAME CONDITION` evaluates the condition, `done_testing` prints the plan and exits.
# shellcheck shell=bash
count=0
failures=0
said=
status=0

check() {
    count=$((count + 1))
    if eval "$2"; then
        echo "ok $count - $1"
    else
        failures=$((failures + 1))
        printf 'not ok %d - %s\n# condition: %s\n# status: %s\n' "$count" "$1" "$2" "$status"
        printf '%s\n' "$said" | sed 's/^/# said: /'
    fi
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
