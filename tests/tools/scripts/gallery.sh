#!/bin/bash
# The gallery is a page of tools/scripts/gallery. Its texts are not compared: they depend on the compiler.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

without_texts() { sed 's/^> .*/> a text/' "$1" | uniq | grep -v '^> $' | uniq; }
printf '#!/bin/bash\nexec "%s" "$@" -n 1\n' "$program" >"$work/short" # texts of one token take less time
chmod +x "$work/short"
FORETELL=$work/short FORETELL_MODEL=$model tools/scripts/gallery >"$work/page" 2>"$work/err"
status=$?
said=$(diff <(without_texts sampler/GALLERY.md) <(without_texts "$work/page"))
check 'GALLERY.md is what the script prints, except for the texts' '[ $status -eq 0 ] && [ -z "$said" ]'
check 'GALLERY.md has all 18 texts' '[ "$(without_texts "$work/page" | grep -c "^> a text")" -eq 18 ]'
done_testing
