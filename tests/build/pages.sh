#!/bin/bash
# The pages against the repository: links and anchors, paths, files, names of functions, make targets, subcommands and options that
# they name exist, and README.md is short.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/support/tap.sh
command -v python3 >/dev/null || skip_all 'python3 is missing'
program=${FORETELL:-build/release/foretell}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints a line for each breach on the pages below a folder; what they name is looked up in this repository.
cat >"$work/pages.py" <<'PYTHON'
import os, re, subprocess, sys

SKIPPED = {"./build", "./.git", "./tests/fuzz/corpus"}
ROOMS = "model|sampler|tensor|tests|tokenizer|tools|weights|\\.ci|\\.github"


def walk(root, endings):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if os.path.join(folder, f) not in SKIPPED)
        yield from (os.path.relpath(os.path.join(folder, n), root) for n in names if n.endswith(endings))


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


sources = list(walk(".", (".c", ".h", ".py", ".sh", ".cpp")))
base_names = {os.path.basename(s) for s in sources}
code = "\n".join(read(s) for s in sources if s != "tests/build/pages.sh")  # which makes names up
models = read("weights/models.tsv")
targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.M))
helps = {}


def help_of(command):
    if command not in helps:
        helps[command] = subprocess.run([sys.argv[2], *command, "--help"], capture_output=True, text=True).stdout
    return helps[command]


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", read(page), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def exists(path):
    path = path.rstrip("./")
    built = re.fullmatch(r"build/\w+/tests/(\w+)", path)
    return os.path.exists(path) or (built and built[1] + ".c" in base_names) or os.path.basename(path) in models


def links(page, text):
    for target, anchor in re.findall(r"\]\(([^)#: ]*)(?:#([^)]*))?\)", text):
        path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
        if not os.path.exists(os.path.join(root, path)) and not os.path.exists(path):
            yield f"a link to {target}"
        elif anchor and anchor not in anchors(os.path.join(root, path) if not target else path):
            yield f"a link to {target}#{anchor}, which has no such heading"


def paths(text):
    for path in re.findall(rf"(?<![\w./~-])((?:{ROOMS}|build)/[\w./-]*\w)", text):
        if not exists(path):
            yield f"the path {path}"


def names(text):
    for name in re.findall(r"`([\w./-]+\.(?:c|h|py|sh))`", text):
        if os.path.basename(name) not in base_names:
            yield f"the file {name}"
    for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", text):
        if not re.search(rf"\b{name}\b", code):
            yield f"the name {name}"


def calls(text):
    for block in re.findall(r"^```c\n(.*?)^```", text, re.M | re.S):
        for name in re.findall(r"\b([a-z]\w*)\(", re.sub(r"/\*.*?\*/", "", block, flags=re.S)):
            if not re.search(rf"\b{name}\(", code):
                yield f"the function {name}"


def commands(text):
    for target in re.findall(r"(?:^ {4}|`|&& )(?:SLOW=1 )?make (?:config=\w+ )?([a-z-]+)", text, re.M):
        if target not in targets:
            yield f"make {target}"
    for line in re.findall(r"(?:^ {4}|`|&& |\| )(?:\./)?foretell(?= )([^`\n]*)", text, re.M):
        line = re.sub(r" +# .*|\d?>.*|&&.*", "", line)
        word = line.split()[0] if line.split() else ""
        command = "run" if re.match(r"-|$", word) else word
        if not re.search(rf"^  {command}  ", help_of(()), re.M):
            yield f"foretell {command}"
            continue
        for option in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", re.sub(r"\"[^\"]*\"|'[^']*'", "", line)):
            if not re.search(rf"(?<![\w-]){option}(?![\w-])", help_of((command,))):
                yield f"foretell {command} {option}"


root = sys.argv[1]
for page in sorted(walk(root, ".md")):
    text = read(os.path.join(root, page))
    for breach in [*links(page, text), *paths(text), *names(text), *calls(text), *commands(text)]:
        print(f"{page}: {breach}: not there")
PYTHON
pages() { said=$(python3 "$work/pages.py" "$1" "$program" 2>&1); }

mkdir -p "$work/tree"
breach() { # what is said, text of a page
    printf '# A page\n\n%s\n' "$2" >"$work/tree/page.md"
    pages "$work/tree"
    check "found: $1" '[ "$said" = "page.md: '"$1"': not there" ]'
}
if [ -x "$program" ]; then
    breach 'a link to nowhere.md' 'See [this](nowhere.md) and [that](README.md).'
    breach 'a link to #the-page, which has no such heading' 'See [this](#the-page) and [that](#a-page).'
    breach 'the path tools/scripts/nothing' 'Run tools/scripts/nothing, then `tools/scripts/deps`.'
    breach 'the path build/release/tests/bench_nothing' '    build/release/tests/bench_nothing && build/release/tests/bench_gemm'
    breach 'the file nowhere.c' 'In `nowhere.c` and `sampler.c`.'
    breach 'the name candidates_top_q' '`candidates_top_q` and `candidates_top_k`'
    breach 'the function texts_stop' $'```c\ntexts_step(&texts); /* or texts_skip() */\ntexts_stop();\n```'
    breach 'make nothing' '    tools/scripts/deps -y && make nothing'
    breach 'foretell rum' '    ./foretell rum -p "--no option"'
    breach 'foretell bench --alphas' '    ./foretell bench --alphas 1 --k 8 # --comment'
    breach 'foretell run --tempo' '    ./foretell --temp 0 --tempo 1'
    pages .
    check 'everything that the pages name exists' '[ -z "$said" ]'
else
    skip 'what the pages name is there' "$program is not built"
fi
awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' README.md >"$work/story.c"
said=$("${CC:-cc}" -std=c11 -Wall -Wextra -Werror -fsyntax-only -I. "$work/story.c" 2>&1)
status=$?
check 'the program in README.md compiles' '[ $status -eq 0 ] && grep -q "int main" "$work/story.c"'
said=$(diff <(grep -lr '#pragma omp parallel' --include='*.c' tensor tokenizer model sampler | sort) \
    <(sed -n '/^\*\*OpenMP\*\*/,/^\*\*OpenBLAS/s/^| `\([a-z_/]*\.c\)`.*/\1/p' tools/bench/RESULTS.md | sort))
check 'RESULTS.md lists the files that use OpenMP' '[ -z "$said" ]'
said=$(wc -l <README.md)
check 'README.md has fewer than 180 lines' '[ "$said" -lt 180 ]'
done_testing
