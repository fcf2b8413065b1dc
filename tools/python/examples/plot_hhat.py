#!/usr/bin/env python3
"""Plots how open the text was at each token: the entropy of the model's distribution and Hhat of the drawn token.

    python3 plot_hhat.py "The dragon" hhat.svg

Draws with matplotlib if it is installed; otherwise it writes a plain SVG itself.
"""

import math
import sys

import foretell


def svg(labels, curves):
    """A plain line chart: curves is a list of (name, colour, values)."""
    step, height = 24, 220
    top = max([value for _, _, values in curves for value in values if not math.isnan(value)], default=1) or 1
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{step * len(labels) + 60}" height="{height + 110}" '
             'font-family="sans-serif" font-size="11">']
    for row, (name, colour, values) in enumerate(curves):
        points = " ".join(f"{40 + step * i},{height + 10 - height * value / top:.1f}" for i, value in enumerate(values)
                          if not math.isnan(value))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<text x="44" y="{22 + 14 * row}" fill="{colour}">{name}</text>')
    for i, label in enumerate(labels):
        escaped = label.replace("&", "&amp;").replace("<", "&lt;")
        lines.append(f'<text transform="translate({44 + step * i},{height + 22}) rotate(60)">{escaped}</text>')
    lines.append(f'<text x="4" y="16">{top:.2f}</text><text x="4" y="{height + 10}">0</text></svg>')
    return "\n".join(lines) + "\n"


def plot(path, labels, curves):
    try:
        import matplotlib
    except ImportError:
        with open(path, "w", encoding="utf-8") as file:
            file.write(svg(labels, curves))
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(max(6, len(labels) / 4), 4))
    for name, colour, values in curves:
        axes.plot(values, color=colour, label=name)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=7)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def main(prompt="Once upon a time", path="hhat.svg"):
    model = foretell.Model()
    steps = list(model.write(prompt, n=40, fe=True, alpha=0.5, seed=1))
    drawn = [step for step in steps if step.end == foretell.End.GOES_ON]
    print(prompt + "".join(step.text for step in steps))
    labels = [model.decode([step.token]).strip() or " " for step in drawn]
    plot(path, labels, [("entropy H, nats", "#c0392b", [step.entropy for step in drawn]),
                        ("future Hhat of the drawn token", "#2471a3", [step.hhat for step in drawn])])
    print(f"plot_hhat: {len(drawn)} tokens in {path}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except (foretell.Error, OSError) as error:
        sys.exit(f"plot_hhat: {error}")
