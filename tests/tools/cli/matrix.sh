#!/bin/bash
# Every option of every subcommand with values that no one should give it: tests/tools/cli/matrix.py has the rules.
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh
command -v python3 >/dev/null || skip_all 'python3 is not installed'
rm -rf "$work"
exec python3 tests/tools/cli/matrix.py "$program"
