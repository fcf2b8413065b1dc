#!/bin/bash
# tests/run itself, on made-up test programs: what it counts, shows and returns.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/support/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/cli"

program() { # name, script: the only test program of the build
    rm -rf "$work/build" && mkdir -p "$work/build/tests"
    add "$@"
}
add() { printf '#!/bin/bash\n%s\n' "$2" >"$work/build/tests/$1" && chmod +x "$work/build/tests/$1"; }
run() { # names
    said=$(TEST_TIMEOUT=1 SHELL_TESTS=$work/cli tests/run "$work/build" "$@" 2>&1)
    status=$?
}
ends_with() { [ "$(printf '%s\n' "$said" | tail -n 1)" = "$1" ]; }

program test_good 'echo 1..2; echo "ok 1 - a"; echo "ok 2 - b"; echo "this is only shown on failure"'
run
check 'a passing program is success' '[ $status -eq 0 ] && ends_with "2 passed, 0 failed, 0 skipped"'
check 'it prints one line with name, counts and time' '[ "$(printf "%s\n" "$said" | wc -l)" -eq 2 ] &&
    printf "%s\n" "$said" | grep -q "^test_good  *2 passed, 0 failed, 0 skipped  *[0-9]*\.[0-9] s$"'

program test_skip 'echo 1..3; echo "ok 1 - a"; echo "skipped: no models here"; echo "not ok 2 # SKIP b"; echo "ok 3 - c # SKIP no curl"'
run
check 'skips of cmocka and of shell tests are no failures' '[ $status -eq 0 ] && ends_with "1 passed, 0 failed, 2 skipped"'
check 'the reasons of skips are shown' 'contains "skipped: b: no models here" && contains "skipped: c: no curl"'

program test_bad 'echo 1..2; echo "ok 1 - a"; echo "not ok 2 - b"; echo "# 1 != 2"; echo "on stderr" >&2; exit 1'
run
check 'a failure counts once' '[ $status -eq 1 ] && ends_with "1 passed, 1 failed, 0 skipped"'
check 'all output of a failed program is shown' 'contains "| # 1 != 2" && contains "| on stderr"'
check 'passed tests of a failed program are not shown' '! contains "| ok 1" && ! contains "| 1..2"'
check 'a failed program is listed at the end, after the command that runs it again' \
    '[ "$(printf "%s\n" "$said" | tail -n 4 | head -n 3)" = "failed:"$'"'\\n'"'"  tests/run $work/build bad/test_bad.c"$'"'\\n'"'"      b" ]'
said=$(RERUN='make test only=' tests/run "$work/build" test_bad 2>&1)
check 'with RERUN the list has the command of make' 'contains "  make test only=bad/test_bad.c"'

program test_crash 'echo 1..1; echo "ok 1 - a"; kill -SEGV $$'
run
check 'a crash after the last test is one failure' '[ $status -eq 1 ] && ends_with "1 passed, 1 failed, 0 skipped"'
check 'the signal of a crash is named' 'contains "crashed: SEGV"'

program test_midway 'echo 1..4; echo "ok 1 - a"; kill -ABRT $$'
run
check 'tests that a crash prevented count as failures' '[ $status -eq 1 ] && ends_with "1 passed, 3 failed, 0 skipped"'

program test_early 'kill -ABRT $$'
run
check 'a crash before any output is one failure' '[ $status -eq 1 ] && ends_with "0 passed, 1 failed, 0 skipped"'

program test_leak 'echo 1..1; echo "ok 1 - a"; exit 23'
run
check 'an exit status without a failed test is a failure' '[ $status -eq 1 ] && ends_with "1 passed, 1 failed, 0 skipped" &&
    contains "exit status 23"'

program test_short 'echo 1..3; echo "ok 1 - a"'
run
check 'fewer results than planned are failures' '[ $status -eq 1 ] && ends_with "1 passed, 2 failed, 0 skipped"'

program test_silent 'echo hello'
run
check 'a program without tests is a failure' '[ $status -eq 1 ] && ends_with "0 passed, 1 failed, 0 skipped" && contains "printed no test"'

program test_slow 'echo 1..2; echo "ok 1 - a"; sleep 30'
run
check 'a program that hangs is stopped' '[ $status -eq 1 ] && ends_with "1 passed, 1 failed, 0 skipped" && contains "limit of 1 s"'

program test_groups 'echo 1..1; echo "ok 1 - a"; echo 1..1; echo "ok 1 - b"'
add fuzz_gguf 'echo 1..1; echo "ok 1 - corpus"'
add test_notes.o 'echo "not ok 1 - an object file was run"'
printf '#!/bin/bash\necho "ok 1 - a"; echo "$FORETELL $CMOCKA_MESSAGE_OUTPUT"; echo 1..2; echo "not ok 2 - show"; exit 1\n' >"$work/cli/shell.sh"
chmod +x "$work/cli/shell.sh"
echo 'echo "not ok 1 - not executable"' >"$work/cli/helper.sh"
run
check 'groups, fuzz replays and shell tests are counted together' '[ $status -eq 1 ] && ends_with "4 passed, 1 failed, 0 skipped"'
check 'shell tests know the program' 'contains "$work/build/foretell TAP"'
chmod -x "$work/cli/shell.sh"
run
check 'a shell test that is not executable is a failure' '[ $status -eq 1 ] && contains "shell.sh: a test that is not executable"'
rm "$work/cli/shell.sh"

program test_gguf 'echo 1..1; echo "ok 1 - a"'
add test_truncate 'echo 1..1; echo "ok 1 - a"'
add test_absent 'echo 1..1; echo "ok 1 - a"'
printf '#!/bin/bash\necho "ok 1 - a"; echo 1..1\n' >"$work/cli/help.sh" && chmod +x "$work/cli/help.sh"
ran() { [ "$(printf '%s\n' "$said" | sed '$d; s/ .*//' | paste -s -d ' ')" = "$1" ]; }
run
check 'without a name all tests run' '[ $status -eq 0 ] && ran "test_absent test_gguf test_truncate help.sh"'
run runca
check 'a name selects tests by a part of their path' '[ $status -eq 0 ] && ran test_truncate'
run sampler/chain/ help.sh
check 'names select rooms, several tests and shell tests' '[ $status -eq 0 ] && ran "test_truncate help.sh"'
run tensor/test_gguf.c
check 'a name may be a whole path' '[ $status -eq 0 ] && ran test_gguf'
run nothing-of-this-name
check 'a name that matches no test is a failure' '[ $status -eq 1 ] && contains "no path of a test contains: nothing-of-this-name"'
rm "$work/cli/help.sh"

rm -rf "$work/build" && mkdir "$work/build"
run
check 'nothing to run is a failure' '[ $status -eq 1 ] && ends_with "0 passed, 0 failed, 0 skipped"'
said=$(tests/run "$work/nowhere" 2>&1)
status=$?
check 'a missing build folder prints the usage' '[ $status -eq 2 ] && contains usage'
done_testing
