#!/bin/bash
# The shipped model has its documented checksum, and the program finds it without -m.
# shellcheck disable=SC2016 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/support/foretell.sh

check 'the checksums are right' '(cd weights && sha256sum --check --quiet SHA256SUMS)'
(cd / && env -u FORETELL_MODEL "$program" inspect) >"$work/out" 2>"$work/err"
check 'the shipped model is found from any folder' 'grep -q "tales-6m-q8_0.gguf$" "$work/out"'
check 'all tensors are Q8_0 except the norms' 'grep -q "^  Q8_0  *50," "$work/out" && grep -q "^  F32  *15," "$work/out"'
done_testing
