#!/bin/bash
# Fetches larger models by name: resumes interrupted downloads, checks the sha256, and only then gives the file its name.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
table=$here/models.tsv
folder=$here
mirror=${FORETELL_MIRROR:-https://huggingface.co}

usage() {
    cat <<'END'
usage: weights/fetch.sh [-o DIR] [--table FILE] NAME...
       weights/fetch.sh --list

  --list        the models this script knows
  -o DIR        put files there (default: the folder of this script)
  --table FILE  read names, files and checksums from FILE (default: models.tsv beside this script)
  --help        this text

A download that breaks off stays as FILE.part; the same command goes on from there.
FORETELL_MIRROR=URL takes the files from URL/REPOSITORY/resolve/REVISION/FILE instead of https://huggingface.co.
Exit status: 0 all there, 1 a file could not be had, 2 wrong usage.
END
}

fail() { # $1: exit status
    local status=$1
    shift
    printf 'fetch.sh: %s\n' "$*" >&2
    exit "$status"
}

rows() { grep -v -e '^#' -e '^$' "$table"; }

list_models() {
    printf '%-16s %9s  %-11s %s\n' NAME SIZE LICENCE 'RUNS IN FORETELL TODAY'
    local name bytes licence runs
    while IFS=$'\t' read -r name _ _ _ bytes _ licence runs; do
        [ "$runs" = yes ] || runs="no: $runs"
        printf '%-16s %6d MB  %-11s %s\n' "$name" $(((bytes + 500000) / 1000000)) "$licence" "$runs"
    done < <(rows)
}

size_of() { if [ -f "$1" ]; then stat -c %s "$1"; else echo 0; fi; }
sum_of() { sha256sum "$1" | cut -d ' ' -f 1; }

# Fetches url into $part, starting at its end. curl is started again as long as each start adds bytes.
download() {
    local meter=--silent before said status size
    [ -t 2 ] && meter=--progress-bar
    while :; do
        before=$(size_of "$part")
        said=$(curl --fail --location --connect-timeout 20 $meter --continue-at - --output "$part" \
            --write-out '%{errormsg}' "$url")
        status=$?
        size=$(size_of "$part")
        if [ $status -eq 0 ]; then return; fi
        if [ $status -eq 33 ] && [ "$before" -gt 0 ]; then
            rm -f "$part" # the server cannot resume, so the download begins again
        elif [ "$size" -le "$before" ]; then
            break
        fi
    done
    [ "$size" -gt 0 ] || rm -f "$part"
    [ "$size" -eq 0 ] || said="$said; $size of $bytes bytes are kept in $part, run this again to go on"
    fail 1 "$name: could not fetch $url: $said"
}

row_of() { rows | awk -F '\t' -v name="$1" '$1 == name'; }

fetch() {
    local repository revision file sum licence runs got
    IFS=$'\t' read -r name repository revision file bytes sum licence runs < <(row_of "$1")
    target=$folder/$file
    part=$target.part
    url=$mirror/$repository/resolve/$revision/$file

    echo "$name: $file, $bytes bytes, licence $licence"
    [ "$runs" = yes ] || echo "$name: note: foretell refuses this model for now: $runs"
    if [ -f "$target" ]; then
        got=$(sum_of "$target")
        [ "$got" = "$sum" ] || fail 1 "$target is there, but its sha256 is $got, expected $sum; move it away to fetch it again"
        echo "$name: $target is there already, checksum right"
        return
    fi
    { mkdir -p "$folder" && : >>"$part"; } 2>/dev/null || fail 1 "$name: cannot write to $folder"
    [ "$(size_of "$part")" -le "$bytes" ] || rm -f "$part"
    [ "$(size_of "$part")" -eq "$bytes" ] || download
    got=$(sum_of "$part")
    if [ "$got" != "$sum" ]; then
        bytes="$(size_of "$part") bytes"
        rm -f "$part" # not resumable: it is unknown which of its bytes are wrong
        fail 1 "$name: the sha256 of $url is $got ($bytes), expected $sum; the download was removed"
    fi
    mv "$part" "$target" || fail 1 "$name: cannot rename $part to $target"
    echo "$name: $target, checksum right"
}

names=()
listing=no
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --list) listing=yes ;;
    -o | --table)
        [ $# -ge 2 ] || fail 2 "$1 needs a value (see --help)"
        if [ "$1" = -o ]; then folder=$2; else table=$2; fi
        shift
        ;;
    -*) fail 2 "unknown option $1 (see --help)" ;;
    *) names+=("$1") ;;
    esac
    shift
done
[ -r "$table" ] || fail 2 "cannot read the table $table"
if [ $listing = yes ]; then
    list_models
    exit 0
fi
[ ${#names[@]} -gt 0 ] || { usage >&2 && exit 2; }
for tool in curl sha256sum; do
    command -v $tool >/dev/null || fail 1 "$tool is not installed (on Debian: apt-get install curl coreutils)"
done
for each in "${names[@]}"; do
    [ -n "$(row_of "$each")" ] || fail 2 "no model is called \"$each\"; there are: $(rows | cut -f 1 | paste -s -d ' ')"
done
for each in "${names[@]}"; do fetch "$each"; done
