#!/bin/bash
# make install into a folder of its own, what it exports, the header by itself, make uninstall.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/support/tap.sh
for tool in make pkg-config nm; do command -v $tool >/dev/null || skip_all "$tool is not installed"; done
[ -f weights/tales-6m-q8_0.gguf ] || skip_all 'weights/tales-6m-q8_0.gguf is missing'

config=$(basename "$(dirname "${FORETELL:-build/release/foretell}")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
run() {
    said=$("$@" 2>&1)
    status=$?
}
target() { run make --no-print-directory "$1" config="$config" DESTDIR="$root" PREFIX=/opt/tales; }
at=$root/opt/tales

target install
check 'make install succeeds' '[ $status -eq 0 ]'
said=$(cd "$root" && find . ! -type d | LC_ALL=C sort)
check 'it installs these files and no others' '[ "$said" = "./opt/tales/bin/foretell
./opt/tales/include/foretell.h
./opt/tales/lib/libforetell.a
./opt/tales/lib/libforetell.so
./opt/tales/lib/libforetell.so.0
./opt/tales/lib/pkgconfig/foretell.pc
./opt/tales/share/foretell/CARD.md
./opt/tales/share/foretell/tales-6m-q8_0.gguf
./opt/tales/share/man/man1/foretell.1
./opt/tales/share/man/man3/foretell.3" ]'

# What other programs see of the libraries: foretell.h, as tests/golden/symbols.txt lists it.
golden=$(cat tests/golden/symbols.txt)
declared=$(tr '\n' ' ' <foretell.h | grep -oE 'FORETELL_API [^;(]*\(' | grep -oE 'foretell_[a-z_]+\($' | tr -d '(' |
    LC_ALL=C sort)
check 'foretell.h declares the listed functions' '[ "$declared" = "$golden" ]'
defined() { # arguments of nm: names of what a library defines for others
    said=$(nm --defined-only --extern-only --format=posix "$@" |
        awk 'NF > 2 && $2 != "A" { sub(/@.*/, "", $1); print $1 }' | LC_ALL=C sort)
}
defined --dynamic "$at/lib/libforetell.so.0"
check 'the shared library exports exactly these functions' '[ "$said" = "$golden" ]'
defined "$at/lib/libforetell.a"
check 'the archive exports exactly these functions' '[ "$said" = "$golden" ]'
run readelf --dynamic --wide "$at/lib/libforetell.so.0"
check 'the soname is libforetell.so.0' 'contains "SONAME" && contains "[libforetell.so.0]"'
check 'the shared library loads no BLAS and has no library path' \
    '! contains blas && ! contains RPATH && ! contains RUNPATH && ! contains TEXTREL'
check 'libforetell.so leads to libforetell.so.0' '[ "$(readlink "$at/lib/libforetell.so")" = libforetell.so.0 ]'
said=$(grep -oE 'foretell_[a-z_]+\(' "$at/share/man/man3/foretell.3" | tr -d '(' | LC_ALL=C sort -u |
    comm -13 - tests/golden/symbols.txt)
check 'the manual page shows every function' '[ -z "$said" ]'
if command -v man >/dev/null; then
    run env LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l "$at/share/man/man3/foretell.3"
    check 'the manual page is well formed' '[ $status -eq 0 ] && ! contains "warning" && contains "Reproducibility."'
fi

for compiler in gcc clang; do
    command -v $compiler >/dev/null || { skip "foretell.h by $compiler" "$compiler is not installed" && continue; }
    for standard in c99 c11 c++11 c++17; do
        language=c
        [[ $standard = c++* ]] && language=c++
        echo '#include <foretell.h>' >"$root/program.$language"
        run $compiler -std=$standard -pedantic -Wall -Wextra -Werror -I "$at/include" -fsyntax-only -x $language \
            "$root/program.$language"
        check "foretell.h compiles by itself: $compiler, $standard" '[ $status -eq 0 ] && [ -z "$said" ]'
        rm "$root/program.$language"
    done
done

export PKG_CONFIG_PATH=$at/lib/pkgconfig
run pkg-config --modversion foretell
check 'pkg-config knows the version' '[ $status -eq 0 ] && [ "$said" = "$(sed -n "s/^VERSION *:= *//p" Makefile)" ]'
run pkg-config --cflags --libs foretell
check 'pkg-config prints the compiler'\''s options' '[ "$(xargs <<<"$said")" = "-I/opt/tales/include -L/opt/tales/lib -lforetell" ]'
run pkg-config --libs --static foretell
check 'pkg-config --static prints what the archive needs' \
    'contains "-lforetell " && contains " -lpcre2-8" && contains " -lm" && contains omp'
run pkg-config --variable=model foretell
check 'pkg-config prints the place of the model' '[ -f "$root$said" ]'

run "$at/bin/foretell" --version
check 'the installed program runs' '[ $status -eq 0 ] && contains foretell'
cd / || exit 1
run "$at/bin/foretell" run -t 1 -n 4 -s 1 -p 'Once upon a time'
check 'the installed program finds the installed model' '[ $status -eq 0 ]'
cd - >/dev/null || exit 1

echo mine >"$at/share/foretell/notes"
target uninstall
said=$(find "$root" ! -type d -o -name '*foretell*')
check 'make uninstall leaves files of others' '[ $status -eq 0 ] && [ "$said" = "$at/share/foretell
$at/share/foretell/notes" ]'
rm "$at/share/foretell/notes"
target uninstall
said=$(find "$root" ! -type d -o -name '*foretell*')
check 'make uninstall removes everything else' '[ $status -eq 0 ] && [ -z "$said" ]'
target uninstall
check 'a second make uninstall succeeds' '[ $status -eq 0 ]'
done_testing
