"""Plots how the cost of a decoding step grows with batch, context and model size, beside the model
that explains it: bytes over the read bandwidth and operations over the integer peak of the same
sitting, whichever takes longer.

    .build/peers/bin/python Benchmarks/plot.py [--executable FILE] [--threads N] [batch|context|size...]

Measures the named plots, all three by default, and writes step-NAME.png beside itself. What was
measured stays in .build/peers/steps-NAME.json; --draw-only draws from there.
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plot  # noqa: E402  (the backend comes first)

import sides  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SHAPE = "tinyllama-1.1b"
BATCHES = [1, 2, 4, 8, 16, 32]
CONTEXTS = [128, 1024, 4096, 8192]
SHAPES = ["qwen2.5-0.5b", "tinyllama-1.1b", "llama-2-7b"]
SCHEMES = {"int4": "tab:blue", "nf4": "tab:orange"}


def decode(options: argparse.Namespace, scheme: str, **settings) -> dict:
    """The report of `martlet bench decode` with these flags."""
    arguments = {"shape": SHAPE, "quantize": scheme, "threads": options.threads, "tokens": 16,
                 "runs": 2} | settings
    flags = [text for name, value in arguments.items() for text in (f"--{name}", value)]
    report = sides.martlet(options.executable, "decode", *flags)
    print(json.dumps(report), flush=True)
    return report


def measure_batch(options: argparse.Namespace, scheme: str) -> list[dict]:
    prefill = sides.martlet(options.executable, "prefill", "--shape", SHAPE, "--quantize", scheme,
                            "--threads", options.threads, "--runs", 1)
    limits = {key: prefill.get(key) for key in ("operations_per_token", "integer_peak")}
    return [decode(options, scheme, batch=batch) | limits for batch in BATCHES]


def measure_context(options: argparse.Namespace, scheme: str) -> list[dict]:
    return [decode(options, scheme, context=context) for context in CONTEXTS]


def measure_size(options: argparse.Namespace, scheme: str) -> list[dict]:
    return [decode(options, scheme, shape=shape) for shape in SHAPES]


def explained(report: dict) -> float:
    """Milliseconds that the step can't do without: reading the weights once and each sequence's
    keys and values, or multiplying, where the integer peak was measured."""
    cached = report["batch"] * report["context"] * report["kv_bytes_per_position"]
    reading = (report["bytes_per_token"] + cached) / report["read_bandwidth"]
    multiplying = 0.0
    if report.get("integer_peak"):
        multiplying = report["batch"] * report["operations_per_token"] / report["integer_peak"]
    return 1000 * max(reading, multiplying)


# What is measured, what is drawn along the x axis, its label and the title.
PLOTS = {
    "batch": (measure_batch, lambda report: report["batch"], "sequences in the batch",
              f"{SHAPE}, 128 tokens of context"),
    "context": (measure_context, lambda report: report["context"], "tokens of context",
                f"{SHAPE}, one sequence"),
    "size": (measure_size, lambda report: round(report["parameters"] / 1e9, 2),
             "parameters (billions)", "One sequence, 128 tokens of context"),
}


def draw(name: str, steps: dict[str, list[dict]]) -> None:
    _, x, label, title = PLOTS[name]
    figure, axes = plot.subplots(figsize=(6.4, 4.4))
    for scheme, color in SCHEMES.items():
        places = [x(report) for report in steps[scheme]]
        axes.plot(places, [report["step_ms"] for report in steps[scheme]], "o-", color=color,
                  label=f"{scheme}, measured")
        axes.plot(places, [explained(report) for report in steps[scheme]], "--", color=color,
                  label=f"{scheme}, bytes / bandwidth or operations / peak")
    machine = steps["int4"][0]
    where = f"{machine['cpu']}, {machine['threads']} threads, {machine['isa']}"
    axes.set(title=f"{title}\n{where}", xlabel=label, ylabel="ms per step", xscale="log",
             yscale="log")
    axes.set_xticks(places, [f"{place:g}" for place in places])
    low, high = axes.get_ylim()
    ticks = [value * 10 ** power for power in range(-1, 5) for value in (1, 1.5, 2, 3, 4, 5, 7)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(HERE / f"step-{name}.png", dpi=100)
    plot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("plots", nargs="*", metavar="PLOT", help=", ".join(PLOTS))
    parser.add_argument("--executable", default=str(sides.ROOT / ".build/release/martlet"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--draw-only", action="store_true", help="don't measure again")
    options = parser.parse_args()
    if unknown := set(options.plots) - set(PLOTS):
        parser.error(f"no plot named {', '.join(sorted(unknown))}")
    for name in options.plots or PLOTS:
        path = sides.PEERS / f"steps-{name}.json"
        if not options.draw_only:
            measure = PLOTS[name][0]
            path.write_text(json.dumps({scheme: measure(options, scheme) for scheme in SCHEMES}))
        draw(name, json.loads(path.read_text()))


if __name__ == "__main__":
    main()
