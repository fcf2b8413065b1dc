#!/bin/bash
# What a failed test prints: the place, the condition, its values, in shell (tests/support/tap.sh) and in C
# (tests/support/test.h).
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/support/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
line() { printf '%s\n' "$said" | grep -qxF -- "$1"; }
lines() { [ "$(printf '%s\n' "$said" | grep -c -- "$1")" -eq "$2" ]; }

shell_test() { # lines of a shell test after its preamble, which is 2 lines
    printf '#!/bin/bash\n. tests/support/tap.sh\n%s\n' "$1" >"$work/test.sh"
    said=$(bash "$work/test.sh" 2>&1)
    status=$?
}

shell_test "said='line 1
line 2'; status=3; n=7; wanted=8
check 'a name' '[ \$status -eq 3 ] && [ \$n -eq \$wanted ] && contains never'
done_testing"
check 'shell: a failure is counted' '[ $status -eq 1 ] && line "not ok 1 - a name" && line "1..1"'
check 'shell: the place of the check is shown' 'line "# $work/test.sh:5"'
check 'shell: the condition is shown as written' 'line "# condition: [ \$status -eq 3 ] && [ \$n -eq \$wanted ] && contains never"'
check 'shell: the parts that held are shown with values' "line \"# ran: '[' 3 -eq 3 ']'\""
check 'shell: the part that failed is shown as the culprit' "line \"# culprit: '[' 7 -eq 8 ']'\" && lines culprit 1"
check 'shell: parts that were not evaluated are not shown' '! line "# culprit: contains never"'
check 'shell: the status and all lines of the output are shown' 'line "# status: 3" && line "# said: line 1" && line "# said: line 2"'

shell_test 'said=words; inner() { true; [ 1 -eq 2 ]; }
helper() { check "in a helper" "$1"; }
helper "true && inner"
helper "[ \"\$(printf %s 12 | wc -c)\" -eq 5 ]"
helper "false || inner || [ \"a
b\" = c ]"
done_testing'
check 'shell: the place is the test'"'"'s line, not the helper'"'"'s' 'line "# $work/test.sh:5" && line "# $work/test.sh:6"'
check 'shell: a function is one part' 'line "# culprit: inner" && ! contains "1 -eq 2"'
check 'shell: a command substitution is one part, shown by its output' "line \"# culprit: '[' 2 -eq 5 ']'\" && ! contains 'culprit: wc'"
check 'shell: values of several lines are shown' 'contains "# culprit: '"'['"' '"'"'a" && contains "b'"' = c ']'"'"'
check 'shell: parts of || are shown' 'line "# ran: false" && line "# ran: inner"'

shell_test 'for name in result commands level trace; do
    declare "$name=mine"
    said=$name
    check "a variable of the test named $name" "[ \"\${!said}\" = mine ]"
done
done_testing'
check 'shell: conditions see the variables of the test' '[ $status -eq 0 ]'

shell_test 'x=1
check "values that a condition sets stay" "x=2 && true"
check "a passed check prints one line" "[ \$x -eq 2 ]"
echo trace >&2
set -- $-
check "no trace is left on" "case $1 in *x*) false ;; esac"
done_testing'
check 'shell: passing checks print their names alone' '[ $status -eq 0 ] && [ "$(printf "%s\n" "$said" | wc -l)" -eq 5 ]'

command -v cc >/dev/null || { skip 'C: what assertions print' 'no C compiler'; done_testing; }
# In each test the first assertion holds and the second does not.
cat >"$work/test.c" <<'END'
#include "tests/support/test.h"
static void comparison(void **state) { (void)state; int n = 3; assert_that(n, <=, 3); assert_that(n + 1, <=, 3); }
static void floats(void **state) { (void)state; float x = 0.1f; assert_that(x, ==, x); assert_that(x, ==, 0.1); }
static void sizes(void **state) { (void)state; size_t n = 5; assert_that(n, ==, 5); assert_that(n, !=, 5); }
static void pointers(void **state) { (void)state; char c, *p = &c; assert_that(p, !=, NULL); assert_that(p, ==, NULL); }
static void once(void **state) { (void)state; int n = 0; assert_that(n++, ==, 0); assert_that(n++, ==, 0); }
static void integers(void **state) { (void)state; int n = -1; assert_int_equal(n, -1); assert_int_equal(n, 2); }
static void unlike(void **state) { (void)state; int n = 1; assert_int_not_equal(n, 2); assert_int_not_equal(n, 1); }
static void ranges(void **state) { (void)state; int n = 9; assert_in_range(n, 9, 9); assert_in_range(n, 1, 8); }
static void nearness(void **state) { (void)state; double x = 1.5; assert_near(x, 1, 0.5); assert_near(x, 1, 0.25); }
static void not_a_number(void **state) { (void)state; assert_near(0.0 / 0.0, 1, 1e9); }
static void errors(void **state) {
    (void)state;
    Error error = {.message = "file 'x': expected 4, got 5"};
    bool opened = true, read = false;
    must(opened, &error);
    must(read, &error);
}
static void memory(void **state) {
    (void)state;
    float got[] = {1, 2, 3}, expected[] = {1, 2, 4};
    assert_memory_equal(got, expected, 2 * sizeof(float));
    assert_memory_equal(got, expected, sizeof got);
}
static void message(void **state) { (void)state; fail_msg("token %d", 12); }
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison), cmocka_unit_test(floats), cmocka_unit_test(sizes), cmocka_unit_test(pointers),
        cmocka_unit_test(once), cmocka_unit_test(integers), cmocka_unit_test(unlike), cmocka_unit_test(ranges),
        cmocka_unit_test(nearness), cmocka_unit_test(not_a_number), cmocka_unit_test(errors), cmocka_unit_test(memory),
        cmocka_unit_test(message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
END
said=$(cc -std=c11 -I. "$work/test.c" tests/support/test.c -lcmocka -lm -o "$work/test" 2>&1)
status=$?
check 'C: the assertions compile' '[ $status -eq 0 ]'
said=$(CMOCKA_MESSAGE_OUTPUT=TAP "$work/test" 2>&1)
status=$?
c_test() { # test, lines that follow its name, with the place in $work/test.c
    local expected=$2 found
    found=$(printf '%s\n' "$said" | sed -n "/^not ok [0-9]* - $1\$/,/^# .*: error/p" | sed '1d;$d;s/^# //')
    check "C: $1" '[ "$found" = "$expected" ]'
}
check 'C: every failure has its place' 'lines "^# .*/test.c:[0-9]*: error: Failure!" 13 && lines "^not ok" 13 && [ $status -eq 13 ]'
check 'C: the line of the assertion is shown' 'contains "/test.c:2: error" && contains "/test.c:10: error"'
c_test comparison $'n + 1 <= 3\nis false: 4 <= 3'
c_test floats $'x == 0.1\nis false: 0.100000001 == 0.10000000000000001'
c_test sizes $'n != 5\nis false: 5 != 5'
c_test once $'n++ == 0\nis false: 1 == 0'
c_test integers $'n == 2\nis false: -1 == 2'
c_test unlike $'n != 1\nis false: 1 != 1'
c_test ranges $'n <= 8\nis false: 9 <= 8'
c_test nearness $'x is near 1\nis false: got 1.5, expected 1 within 0.25'
c_test errors $'read\nfailed: file \'x\': expected 4, got 5'
c_test memory $'got has the bytes of expected\nis false: 1 of 12 bytes differ, the first at 10: 0x40, not 0x80 (as float 2: 3, not 4)'
c_test message 'token 12'
check 'C: pointers are shown' 'contains "p == NULL" && contains "is false: 0x" && contains "== (nil)"'
check 'C: NaN is near nothing' 'contains "is false: got -nan, expected 1" || contains "is false: got nan, expected 1"'
said=$(TEST_FILTER='n*' CMOCKA_MESSAGE_OUTPUT=TAP "$work/test" 2>&1)
status=$?
check 'C: TEST_FILTER chooses tests by name' '[ $status -eq 2 ] && lines "^not ok" 2 && contains nearness && contains not_a_number'
done_testing
