#!/bin/bash
# make install into a folder of its own, a C program compiled against it through pkg-config, make uninstall.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/support/tap.sh
for tool in make pkg-config; do command -v $tool >/dev/null || skip_all "$tool is not installed"; done
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
check 'make install' '[ $status -eq 0 ]'
for file in bin/foretell lib/libforetell.a lib/pkgconfig/foretell.pc include/foretell/model/session.h \
    share/man/man1/foretell.1 share/foretell/tales-6m-q8_0.gguf share/foretell/CARD.md; do
    check "$file is there" "[ -f '$at/$file' ]"
done
check 'nothing outside the prefix' '[ "$(ls -A "$root")" = opt ] && [ "$(ls -A "$root/opt")" = tales ]'

cat >"$root/program.c" <<'END'
#include "sampler/sampler.h"
#include "model/session.h"
#include <stdio.h>

int main(void) {
    Model *model;
    Error error;
    if (model_open(&model, "/nowhere/model.gguf", &error)) return 1;
    puts(error.message);
    return 0;
}
END
export PKG_CONFIG_PATH=$at/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
run pkg-config --modversion foretell
check 'pkg-config knows the version' '[ $status -eq 0 ] && [ "$said" = "$(sed -n "s/^VERSION *:= *//p" Makefile)" ]'
sanitize=()
[ "$config" = sanitize ] && sanitize=(-fsanitize=address -fsanitize=undefined)
read -r -a flags < <(pkg-config --cflags --libs foretell)
run "${CC:-cc}" "$root/program.c" "${sanitize[@]}" "${flags[@]}" -o "$root/program"
check 'a program compiles against what is installed' '[ $status -eq 0 ]'
run "$root/program"
check 'and runs' '[ $status -eq 0 ] && contains "/nowhere/model.gguf"'
rm -f "$root/program" "$root/program.c"

run "$at/bin/foretell" --version
check 'the installed program runs' '[ $status -eq 0 ] && contains foretell'
cd / || exit 1
run "$at/bin/foretell" run -t 1 -n 4 -s 1 -p 'Once upon a time'
check 'and finds the installed model' '[ $status -eq 0 ]'
cd - >/dev/null || exit 1

target uninstall
check 'make uninstall' '[ $status -eq 0 ]'
said=$(find "$root" ! -type d -o -name '*foretell*')
check 'leaves nothing' '[ -z "$said" ]'
done_testing
