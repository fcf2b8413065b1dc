#!/bin/bash
# tools/scripts/deps with a made-up dpkg-query, apt-get, sudo and id: what it asks, and what it would run.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stub() { printf '#!/bin/bash\n%s\n' "$2" >"$work/$1" && chmod +x "$work/$1"; }
stub dpkg-query 'for last; do :; done; [ "$last" = there ] && echo -n installed'
stub apt-get 'echo "$*" >>"'"$work"'/log"'
stub sudo 'echo -n "sudo " >>"'"$work"'/log"; "$@"'
stub id 'echo "$FAKE_ID"'
deps() { # user id, answer, arguments
    local user=$1 answer=$2
    shift 2
    : >"$work/log"
    said=$(printf '%s' "$answer" | PATH="$work:$PATH" FAKE_ID=$user CI="$ci" tools/scripts/deps "$@" 2>&1)
    status=$?
}
ran() { [ "$(cat "$work/log")" = "$1" ]; }
ci=

deps 1000 '' there
check 'if no package is missing, no command is run' '[ $status -eq 0 ] && ran "" && contains "all installed: there"'
deps 1000 $'y\n' there gone
check 'deps prints what it will run, then runs it with sudo' '[ $status -eq 0 ] &&
    contains "will run: sudo apt-get update && sudo apt-get install --yes --no-install-recommends gone" &&
    ran "sudo update
sudo install --yes --no-install-recommends gone"'
deps 1000 $'n\n' gone
check 'the answer no installs nothing' '[ $status -eq 1 ] && ran "" && contains "nothing was installed"'
deps 1000 '' gone
check 'no answer installs nothing' '[ $status -eq 1 ] && ran ""'
deps 1000 '' -y gone
check '-y does not ask' '[ $status -eq 0 ] && ran "sudo update
sudo install --yes --no-install-recommends gone"'
ci=true
deps 1000 '' gone
check 'CI=true does not ask' '[ $status -eq 0 ] && [ -s "$work/log" ]'
ci=
deps 0 '' gone also
check 'root needs no sudo' '[ $status -eq 0 ] && ran "update
install --yes --no-install-recommends gone also"'
deps 0 '' --frobnicate
check 'an unknown option prints the usage' '[ $status -eq 2 ] && contains usage'
deps 0 ''
check 'without a name deps installs what the build needs' '[ $status -eq 0 ] && grep -q "recommends gcc .* libpcre2-dev$" "$work/log"'
deps 0 '' test
check 'test adds what the tests need' '[ $status -eq 0 ] && grep -q "recommends gcc .*libstb-dev libjansson-dev libncurses-dev libpcre2-dev g++ libcmocka-dev" "$work/log"'
stub apt-get 'exit 100'
deps 0 '' gone
check 'a failure of apt-get is a failure' '[ $status -eq 100 ]'
done_testing
