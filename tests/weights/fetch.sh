#!/bin/bash
# weights/fetch.sh against files served from this machine: whole, broken off, wrong, absent.
# shellcheck disable=SC2016,SC2034,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../.." || exit 1
. tests/support/tap.sh
for tool in curl python3; do command -v $tool >/dev/null || skip_all "$tool is not installed"; done

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT

# A server of made-up files that knows ranges. The repository says how it errs: "break-N" cuts the file after N bytes at
# the first request and refuses the second (so that one run ends broken off), "flaky" sends 100000 bytes at most,
# "norange" ignores ranges.
cat >"$work/server.py" <<'END'
import http.server, os, sys
root, asked = sys.argv[1], {}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def log_message(self, *_):
        pass
    def do_GET(self):
        _, owner, repository, _, revision, name = self.path.split("/")
        wanted = self.headers.get("Range", "")
        open(f"{root}/log", "a").write(f"{name} {revision} {wanted}\n")
        asked[name] = asked.get(name, 0) + 1
        cut = int(repository[6:]) if repository.startswith("break-") else None
        path = f"{root}/served/{name}"
        if not os.path.exists(path) or (cut and asked[name] == 2):
            self.send_error(503 if cut else 404)
            return
        data = open(path, "rb").read()
        start = 0
        if wanted and repository != "norange":
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if repository == "flaky":
            cut = start + 100000
        elif asked[name] > 1:
            cut = None
        self.wfile.write(data[start:cut])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
END
mkdir "$work/served" "$work/got"
mkfifo "$work/port"
python3 "$work/server.py" "$work" >"$work/port" &
server=$!
read -r port <"$work/port"

for file in whole broken flaky norange wrong; do head -c 300000 /dev/urandom >"$work/served/$file.gguf"; done
row() { # name repository bytes runs [sum]
    local sum
    sum=${5:-$(sha256sum "$work/served/$1.gguf" | cut -d ' ' -f 1)}
    printf '%s\tmade-up/%s\tv1\t%s.gguf\t%s\t%s\tnone\t%s\n' "$1" "$2" "$1" "$3" "$sum" "$4"
}
{
    echo '# a comment'
    row whole plain 300000 yes
    row broken break-100000 300000 'it is a test'
    row flaky flaky 300000 yes
    row norange norange 300000 yes
    row wrong plain 300000 yes "$(printf '0%.0s' {1..64})"
    row absent plain 300000 yes "$(printf '0%.0s' {1..64})"
} >"$work/models.tsv"
fetch() { # runs the script on the made-up table; its exit status in $status, all it says in $said
    said=$(FORETELL_MIRROR="http://127.0.0.1:$port" weights/fetch.sh --table "$work/models.tsv" "$@" 2>&1 </dev/null)
    status=$?
}
same() { cmp -s "$work/served/$1.gguf" "$work/got/$1.gguf"; }

fetch -o "$work/got" whole
check 'a complete file gets its name' '[ $status -eq 0 ] && same whole && [ ! -e "$work/got/whole.gguf.part" ]'
check 'the file is requested at the revision of the table' 'grep -q "^whole.gguf v1 $" "$work/log"'

fetch -o "$work/got" whole
check 'an existing file is checked and not fetched again' \
    '[ $status -eq 0 ] && contains "checksum right" && [ "$(grep -c ^whole "$work/log")" -eq 1 ]'

echo damage >>"$work/got/whole.gguf"
fetch -o "$work/got" whole
check 'an existing wrong file is reported and not changed' \
    '[ $status -eq 1 ] && contains "whole.gguf is there, but its sha256 is" && [ "$(tail -n 1 "$work/got/whole.gguf" | tail -c 7)" = damage ]'

fetch -o "$work/got" broken
check 'a broken download keeps its bytes, and a message says how to resume' \
    '[ $status -eq 1 ] && contains "100000 of 300000 bytes are kept" && [ "$(stat -c %s "$work/got/broken.gguf.part")" -eq 100000 ]'
check 'a model that foretell refuses is marked so' 'contains "foretell refuses this model for now: it is a test"'
fetch -o "$work/got" broken
check 'the next run resumes the download' '[ $status -eq 0 ] && same broken && grep -q "^broken.gguf v1 bytes=100000-$" "$work/log"'

fetch -o "$work/got" flaky
check 'if a server breaks off repeatedly, the request is repeated' \
    '[ $status -eq 0 ] && same flaky && [ "$(grep -c ^flaky "$work/log")" -eq 3 ]'

head -c 1000 "$work/served/norange.gguf" >"$work/got/norange.gguf.part"
fetch -o "$work/got" norange
check 'if a server has no ranges, the download begins again' '[ $status -eq 0 ] && same norange'

head -c 400000 /dev/zero >"$work/got/whole.gguf.part"
rm "$work/got/whole.gguf"
fetch -o "$work/got" whole
check 'a .part that is longer than the file is removed' '[ $status -eq 0 ] && same whole'

cp "$work/served/norange.gguf" "$work/got/norange.gguf.part"
rm "$work/got/norange.gguf"
before=$(wc -l <"$work/log")
fetch -o "$work/got" norange
check 'a complete .part needs no server' '[ $status -eq 0 ] && same norange && [ "$(wc -l <"$work/log")" -eq "$before" ]'

fetch -o "$work/got" wrong
check 'after a wrong checksum the exit status is 1, and the file is removed' '[ $status -eq 1 ] && [ -z "$(ls "$work/got" | grep wrong)" ]'
check 'one line prints the actual and the expected checksum' \
    '[ "$(printf "%s\n" "$said" | grep -c "^fetch.sh: wrong: the sha256 of http.* is [0-9a-f]\{64\} .*, expected 0000")" -eq 1 ]'

fetch -o "$work/got" absent
check 'a file that the server lacks is a failure' '[ $status -eq 1 ] && contains "404" && [ ! -e "$work/got/absent.gguf.part" ]'

fetch -o "$work/got" whole nonesuch
check 'an unknown name exits with 2 and lists the known names' '[ $status -eq 2 ] && contains "\"nonesuch\"; there are: whole broken"'
fetch
check 'a missing name exits with 2 and prints the usage' '[ $status -eq 2 ] && contains "usage:"'
fetch --frobnicate
check 'an unknown option exits with 2' '[ $status -eq 2 ] && contains "unknown option --frobnicate"'
fetch --list
check 'the list names every model, its size and why it does not run' \
    '[ $status -eq 0 ] && [ "$(printf "%s\n" "$said" | wc -l)" -eq 7 ] && contains "no: it is a test"'

fetch -o "$work/models.tsv/inside" broken
check 'a folder that cannot be created is a failure' '[ $status -eq 1 ] && contains "cannot write to $work/models.tsv/inside"'

kill "$server"
wait "$server" 2>/dev/null
server=
rm -f "$work/got/broken.gguf"
fetch -o "$work/got" broken
check 'without a network one line is printed, the exit status is 1, and no file is left' \
    '[ $status -eq 1 ] && contains "could not fetch http://127.0.0.1:$port" && [ ! -e "$work/got/broken.gguf.part" ]'

said=$(weights/fetch.sh --list)
check 'the shipped table is well-formed' '[ "$(awk -F "\t" "!/^#/ && NF == 8 && \$5 > 1e8 && length(\$6) == 64 && \$6 ~ /^[0-9a-f]*$/" \
    weights/models.tsv | wc -l)" -eq "$(grep -vc ^# weights/models.tsv)" ]'
for name in smollm2-135m smollm2-360m tinyllama-1.1b llama-3.2-1b; do check "it has $name" 'contains "$name"'; done
done_testing
