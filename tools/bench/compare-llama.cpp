#!/ usr / bin / env python3
""
            "Compares foretell with llama.cpp: the same files, the same machine, in turn.

            usage : tools /
                    bench / compare -
        llama
            .cpp BUILD[--markdown][--rounds N][-t N] [--only SHAPE:DTYPE, ...][--foretell PROGRAM]

        BUILD is where llama.cpp was built : llama -
        bench is in it or
    in its bin /
    , and llama - batched - bench, if it is there,
    gives the figures of several rows.Random weights of each shape are written to a temporary folder($TMPDIR or / tmp,
                                                                                                     1.2 GB at a time),
    measured and removed.A round runs llama - bench,
    llama - batched - bench and foretell bench in turn on the same file;
every figure is the median of the rounds,
    and a ratio is the median of the rounds' ratios.

    ratio how many times as fast foretell is target what foretell is meant to reach,
    on 2 cores of Zen 4(AVX - 512 VNNI) that read 33 GB / s forks llama.cpp has no future entropy; the figure is computed from its pass of k rows that share a prompt, one such
            pass per token, and nothing else

llama.cpp's figures are for passes alone; those of foretell for future entropy include drawing the tokens.
"""
import argparse
import csv
import io
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Failure(Exception):
    pass

#-- -- what is measured : the file, then its lines

def at_least(value, what="tok/s"):
    return f"≥ {value} {what}", lambda figure, line: figure >= value


def times_peer(value):
    return f"≥ {value} × peer", lambda figure, line: line["ratio"] is not None and line["ratio"] >= value


def times_one_row(value):
    return f"≤ {value} × own 1 row", lambda figure, line: line["times"] <= value


def of_decoding(value):
    return f"≥ {value} × own decoding", lambda figure, line: line["share"] >= value


def both(first, second):
    return f"{first[0]}, {second[0]}", lambda figure, line: first[1](figure, line) and second[1](figure, line)

#(kind, rows or k or tokens, target)
MODELS = [
    ("tinyllama-1.1b", "q8_0", [
        ("row", 1, times_peer(0.97)), ("rows", 8, times_one_row(1.25)), ("rows", 20, times_one_row(2.2)),
        ("batched", 8, at_least(25)), ("batched", 20, at_least(14)), ("lazy", 20, both(of_decoding(0.85), at_least(26))),
        ("prompt", 512, at_least(240))]),
    ("stories110m", "q8_0", [
        ("row", 1, at_least(215)), ("batched", 8, at_least(165)), ("batched", 20, at_least(95)),
        ("lazy", 8, of_decoding(0.75)), ("lazy", 20, of_decoding(0.75))]),
    ("stories110m", "f32", [("row", 1, at_least(73)), ("batched", 8, at_least(62)), ("prompt", 512, at_least(900))]),
    ("smollm2-135m", "q8_0", [("row", 1, at_least(180)), ("batched", 8, at_least(130))]),
    ("stories15m", "q8_0", [("row", 1, at_least(1700)), ("batched", 8, at_least(900))]),
    ("tinyllama-1.1b", "q4_0", [("row", 1, at_least(51)), ("batched", 8, at_least(26))]),
]

NAMES = {
    "row": lambda n: "1 row, tok/s",
    "rows": lambda n: f"{n} rows of one prefix, ms",
    "batched": lambda n: f"future entropy, k {n}, eager, tok/s",
    "lazy": lambda n: f"future entropy, k {n}, lazy, tok/s",
    "prompt": lambda n: f"prompt of {n}, tok/s",
}

#-- -- running programs

def say(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def output_of(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                          errors="replace")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failure(f"{os.path.basename(command[0])} ended with status {done.returncode}: {last}")
    return done.stdout


def find_program(build, name):
    for folder in (build, os.path.join(build, "bin"), os.path.join(build, "build", "bin")):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def theirs(tools, path, wanted, threads):
    """{("row", 1): tok/s, ("prompt", n): tok/s, ("rows", n): ms}"""
    prompts = [n for kind, n, _ in wanted if kind == "prompt"]
    n_gen = 32 if os.path.getsize(path) > 5e8 else 128
    text = output_of([tools["llama-bench"], "-m", path, "-t", str(threads), "-p", str(prompts[0] if prompts else 0),
                      "-n", str(n_gen), "-r", "1", "-o", "json"])
    figures = {}
    for test in json.loads(text):
        tools["commit"] = test.get("build_commit", "unknown")
        key = ("prompt", test["n_prompt"]) if test["n_prompt"] else ("row", 1)
        figures[key] = test["avg_ts"]
    counts = sorted({n for kind, n, _ in wanted if kind in ("rows", "batched")})
    if tools["llama-batched-bench"] and counts:
        text = output_of([tools["llama-batched-bench"], "-m", path, "-t", str(threads), "-c", "4096", "-npp", "64",
                          "-ntg", str(min(n_gen, 64) // 2), "-npl", ",".join(map(str, counts)), "-pps"])
        figures.update(batched_rows(text))
    return figures


def batched_rows(text):
    head, figures = None, {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if "S_TG t/s" in cells:
            head = cells
        elif head and len(cells) == len(head) and cells[0].isdigit():
            row = dict(zip(head, cells))
            figures["rows", int(row["B"])] = 1e3 * int(row["B"]) / float(row["S_TG t/s"])
    return figures


def ours(program, path, wanted, threads):
    """The same, and ("batched" or "lazy", k): tok/s, ("decode", k): tok/s beside it."""
    def numbers(*kinds):
        return ",".join(map(str, sorted({n for kind, n, _ in wanted if kind in kinds})))
    prompt = numbers("prompt")
    command = [program, "bench", "-m", path, "-t", str(threads), "--csv", "--runs", "5", "--rows",
               numbers("row", "rows"), "--k", numbers("batched", "lazy"), "--looks", "batched,lazy"]
    figures = {}
    for line in csv.DictReader(io.StringIO(output_of(command + (["--prompt", prompt] if prompt else [])))):
        what, n, k = line["what"], round(float(line["rows"])), int(line["k"])
        if what == "rows":
            figures["rows", n] = float(line["ms_median"])
            if n == 1:
                figures["row", 1] = float(line["per_second"])
        elif what == "prompt":
            figures["prompt", n] = float(line["per_second"])
        elif what == "decode" or what.startswith("future "):
            figures[what.removeprefix("future "), k] = float(line["per_second"])
    return figures

#-- -- the table

def middle(values):
    return statistics.median(values) if values else None


def line_of(kind, n, target, peers, own):
    """Medians over the rounds. Of figures in milliseconds smaller ones are better."""
    in_ms = kind == "rows"
    peer_values = [1e3 / p["rows", n] if kind in ("batched", "lazy") else p[kind, n] for p in peers
                   if ("rows" if kind in ("batched", "lazy") else kind, n) in p]
    values = [o[kind, n] for o in own]
    ratios = [t / o if in_ms else o / t for t, o in zip(peer_values, values)]
    line = {
    "peer" : middle(peer_values), "own" : middle(values), "ratio" : middle(ratios)}
    if in_ms:
        line["times"] = middle([o["rows", n] / o["rows", 1] for o in own])
    if kind == "lazy":
        line["share"] = middle([o["lazy", n] / o["decode", n] for o in own])
    words, reached = target
    line["target"], line["met"] = words, reached(line["own"], line)
    return line


def number(value):
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def cells_of(shape, dtype, kind, n, line):
    own = number(line["own"])
    if "times" in line:
        own += f" ({line['times']:.2f} × own 1 row)"
    if "share" in line:
        own += f" ({line['share']:.2f} × own decoding)"
    peer = number(line["peer"]) + (" (forks)" if kind in ("batched", "lazy") and line["peer"] else "")
    ratio = "-" if line["ratio"] is None else f"{line['ratio']:.2f}"
    return [f"{shape} {dtype.upper()}", NAMES[kind](n), peer, own, ratio, line["target"], "yes" if line["met"] else "no"]


HEAD = ["random weights", "what", "llama.cpp", "foretell", "ratio", "target", "met"]


def print_table(rows, markdown):
    widths = [max(len(row[i]) for row in [HEAD] + rows) for i in range(len(HEAD))]
    if markdown:
        print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
        last = None
        for row in rows:
            print("| " + " | ".join(["" if row[0] == last else row[0]] + row[1:]) + " |")
            last = row[0]
    else:
        for row in [HEAD] + rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown processor"


def measure(args, tools, folder):
    rows = []
    for shape, dtype, wanted in args.models:
        path = os.path.join(folder, f"{shape}-{dtype}.gguf")
        say(f"{shape} {dtype}: writing weights")
        output_of([args.foretell, "export", "--random", shape, "--dtype", dtype, "-o", path])
        peers, own = [], []
        for i in range(args.rounds):
            say(f"{shape} {dtype}: round {i + 1} of {args.rounds}, llama.cpp")
            peers.append(theirs(tools, path, wanted, args.threads))
            say(f"{shape} {dtype}: round {i + 1} of {args.rounds}, foretell")
            own.append(ours(args.foretell, path, wanted, args.threads))
        os.remove(path)
        rows += [cells_of(shape, dtype, kind, n, line_of(kind, n, target, peers, own)) for kind, n, target in wanted]
        say("")
    return rows


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage=argparse.SUPPRESS)
    parser.add_argument("build")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-t", "--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only")
    parser.add_argument("--foretell", default=os.path.join(HERE, "..", "foretell"))
    args = parser.parse_args()
    if not 1 <= args.rounds <= 100:
        parser.error(f"--rounds: expected a whole number from 1 to 100, got {args.rounds}")
    if not 1 <= args.threads <= 1024:
        parser.error(f"--threads: expected a whole number from 1 to 1024, got {args.threads}")
    names = [f"{shape}:{dtype}" for shape, dtype, _ in MODELS]
    wanted = args.only.split(",") if args.only else names
    for name in wanted:
        if name not in names:
            parser.error(f"--only: expected some of {', '.join(names)}, got '{name}'")
    args.models = [model for model, name in zip(MODELS, names) if name in wanted]
    return args


def main():
    args = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    tools = {
name: find_program(args.build, name) for name in ("llama-bench", "llama-batched-bench")}
    if not tools["llama-bench"]:
        raise Failure(f"{args.build}: no llama-bench in it or in its bin/ "
                      "(cmake --build build --target llama-bench llama-batched-bench)")
    if not os.access(args.foretell, os.X_OK):
        raise Failure(f"{args.foretell}: not there; `make` builds it")
    if os.getloadavg()[0] > 0.5:
        print(f"compare: other programs are running (load {os.getloadavg()[0]:.1f}): figures will be low, ratios too "
              "may be wrong", file=sys.stderr)
    begun = time.monotonic()
    folder = tempfile.mkdtemp(prefix="foretell-compare-")
    try:
        rows = measure(args, tools, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        say("")
    print_table(rows, args.markdown)
    version = output_of([args.foretell, "--version"]).strip()
    batched = "" if tools["llama-batched-bench"] else "; no llama-batched-bench, so no figures of several rows"
    print(f"\n{version}, llama.cpp {tools['commit']}{batched}; {args.threads} threads of {cpu_name()}, "
          f"medians of {args.rounds} round{'s' if args.rounds > 1 else ''}, {(time.monotonic() - begun) / 60:.0f} minutes")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"compare: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"compare: {error}")
