#!/bin/bash
# The release build is hardened: read from the program itself.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/support/foretell.sh

[[ $program = *release* ]] || skip_all "$program is not the release build"
command -v readelf >/dev/null || skip_all 'readelf (binutils) is not installed'
read_elf() {
    said=$(readelf --wide "$@" "$program" 2>&1)
    status=$?
}
has() { printf '%s\n' "$said" | grep -qE -- "$1"; }

read_elf --file-header
is_shared=$([ $status -eq 0 ] && has 'Type: +DYN' && echo yes)
read_elf --dynamic
check 'the program is a position-independent executable' '[ -n "$is_shared" ] && has "FLAGS_1.*PIE" && ! has "TEXTREL"'
check 'all relocations are made at the start' 'has "BIND_NOW|FLAGS_1.*NOW"'
check 'the program has no library path of its own' '! has "RPATH|RUNPATH"'
check 'OpenBLAS is not loaded at the start' 'has "NEEDED.*libgomp|NEEDED.*libomp" && ! has "NEEDED.*blas"'
read_elf --segments
check 'relocations are read-only after the start' 'has "GNU_RELRO"'
check 'the stack is not executable' 'has "GNU_STACK .* RW +0x"'
check 'no segment is both writable and executable' 'has "LOAD .* R E " && ! has "LOAD .* RWE "'
read_elf --dyn-syms
check 'the program has stack canaries' 'has " __stack_chk_fail"'
for name in snprintf vsnprintf fprintf; do
    check "$name is fortified where the size is known" "has ' __${name}_chk'"
done
object=${program%/*}/tensor/bytes.o
if [ "$(uname -m)" = x86_64 ] && [ -f "$object" ]; then
    said=$(readelf --wide --notes "$object")
    check 'indirect branches are marked' 'has "x86 feature: .*IBT" && has SHSTK'
else
    skip 'indirect branches are marked' 'looked for on x86-64, in an object file'
fi
done_testing
