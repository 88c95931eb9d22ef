"""Martlet beside its peers on this machine: one function per suite, which measures both sides in
turn, and one table of what each figure means and should reach."""

import argparse
import contextlib
import json
import pathlib
import statistics
import tempfile
import time

import shapes
import sides

MODELS = sides.PEERS / "models"
# Others may have this share of the processors.
QUIET = 0.1
# Title, unit, goal. Ratios are martlet's figure over the peer's: for times and memory, less is
# better. A goal with a unit is for martlet's figure itself.
FIGURES = {
    "decode.int4": ("decode, 1.1B, int4 (Q4_0)", "tok/s", ">= 1.8"),
    "decode.int4.share": ("- share of the read bandwidth", "%", ">= 90 %"),
    "decode.nf4": ("decode, 1.1B, nf4 (Q4_0)", "tok/s", ">= 1.5"),
    "decode.nf4.share": ("- share of the read bandwidth", "%", ">= 85 %"),
    "prefill.int4": ("prefill of 512, 1.1B, int4 (Q4_0)", "tok/s", ">= 2.3"),
    "prefill.int4.share": ("- share of the integer peak", "%", ">= 65 %"),
    "prefill.nf4": ("prefill of 512, 1.1B, nf4 (Q4_0)", "tok/s", ""),
    "prefill.nf4.share": ("- share of its integer peak", "%", ""),
    "large.decode": ("decode, 7B, int4 (Q4_0)", "tok/s", ">= 1.7"),
    "large.prefill": ("prefill of 512, 7B, int4 (Q4_0)", "tok/s", ">= 2.3"),
    "context.decode": ("decode, 1.1B, behind 4,096 tokens", "tok/s", ""),
    "context.kept": ("- share of the speed behind 128", "%", ">= 75 %"),
    "streams.8.rate": ("8 streams (128 in, 64 out)", "tok/s", ">= 2.6"),
    "streams.8.first": ("- median first token", "ms", "<= 0.4"),
    "streams.8.gap": ("- median between tokens", "ms", ""),
    "streams.1.rate": ("1 stream", "tok/s", ">= 1.75"),
    "streams.1.first": ("- first token", "ms", ""),
    "first.cold": ("first token of a 512-token prompt", "ms", "<= 0.5"),
    "first.cached": ("- with its prefix cached", "ms", ""),
    "first.share": ("- cached over cold", "%", "< 10 %"),
    "memory.start": ("resident, 1.1B, 8 x 2k context, at start", "MiB", ""),
    "memory.full": ("- with all contexts full", "MiB", "<= 1"),
    "start.first": ("start to ready, first time (from bf16; Q4_0)", "s", ""),
    "start.peak": ("- peak memory of it", "MiB", ""),
    "start.again": ("start to ready, again", "s", "<= 1 s"),
    "embed.f32": ("MiniLM, 100 words (sentence-transformers f32)", "texts/s", ""),
    "embed.bf16": ("MiniLM, 100 words (sentence-transformers bf16)", "texts/s", ""),
    "retrieve.dense": ("search of 100,000 chunks, dense", "ms", ""),
    "retrieve.sparse": ("- sparse", "ms", ""),
    "retrieve.hybrid": ("- hybrid", "ms", ""),
}


class Sitting:
    """What is measured with, and the values so far: one JSON line each, kept in a file."""

    def __init__(self, options: argparse.Namespace):
        self.executable, self.threads = options.executable, options.threads
        self.rounds = range(options.rounds)
        self.machine = sides.Machine()
        self.results = pathlib.Path(options.results)
        self.results.parent.mkdir(parents=True, exist_ok=True)
        if not options.append:
            self.results.unlink(missing_ok=True)

    def record(self, figure: str, side: str, value: float, others: float | None = None) -> None:
        """Notes a value that was just measured, or while others had such a share of the machine."""
        share = self.machine.others() if others is None else others
        line = json.dumps({"figure": figure, "side": side, "value": round(value, 4),
                           "at": int(time.time()), "others": round(share, 3)})
        print(line, flush=True)
        with self.results.open("a") as file:
            file.write(line + "\n")

    def generation(self, kind: str, shape: shapes.Shape, scheme: str, *arguments) -> dict:
        return sides.martlet(self.executable, kind, "--shape", shape.name, "--quantize", scheme,
                             "--threads", self.threads, "--runs", 3, *arguments)

    def server(self, side: str, data: str | None = None) -> sides.Server:
        """A server of the 1.1B shape; `data` is martlet's folder, kept where it is given."""
        if side == "peer":
            return sides.LlamaServer(shapes.gguf(shapes.TINY_LLAMA, MODELS), self.threads)
        model = shapes.hugging_face(shapes.TINY_LLAMA, MODELS)
        return sides.MartletServer(self.executable, model, self.threads, data)

    @contextlib.contextmanager
    def servers(self):
        """Both sides' servers, running."""
        with self.server("peer") as peer, self.server("martlet") as martlet:
            yield {"peer": peer, "martlet": martlet}


def decode(sitting: Sitting) -> None:
    """Tokens per second of one sequence, and the share of the memory's bandwidth."""
    model = shapes.gguf(shapes.TINY_LLAMA, MODELS)
    embedding = shapes.TINY_LLAMA.vocabulary * shapes.TINY_LLAMA.hidden // 32 * 18
    for _ in sitting.rounds:
        theirs, = sides.llama_bench(model, sitting.threads, 3, "-p", 0, "-n", 32, "-d", 128)
        others = sitting.machine.others()
        for scheme in ("int4", "nf4"):
            ours = sitting.generation("decode", shapes.TINY_LLAMA, scheme)
            share = theirs * (model.stat().st_size - embedding) / ours["read_bandwidth"]
            sitting.record(f"decode.{scheme}", "peer", theirs, others)
            sitting.record(f"decode.{scheme}", "martlet", ours["tokens_per_second"])
            sitting.record(f"decode.{scheme}.share", "peer", 100 * share, others)
            sitting.record(f"decode.{scheme}.share", "martlet",
                           100 * ours["share_of_read_bandwidth"])


def prefill(sitting: Sitting) -> None:
    """Tokens per second of a prompt of 512, and the share of the processor's integer peak."""
    model = shapes.gguf(shapes.TINY_LLAMA, MODELS)
    for _ in sitting.rounds:
        theirs, = sides.llama_bench(model, sitting.threads, 3, "-p", 512, "-n", 0)
        others = sitting.machine.others()
        for scheme in ("int4", "nf4"):
            ours = sitting.generation("prefill", shapes.TINY_LLAMA, scheme)
            sitting.record(f"prefill.{scheme}", "peer", theirs, others)
            sitting.record(f"prefill.{scheme}", "martlet", ours["tokens_per_second"])
            if peak := ours.get("integer_peak"):
                share = theirs * ours["operations_per_token"] / peak
                sitting.record(f"prefill.{scheme}.share", "peer", 100 * share, others)
                sitting.record(f"prefill.{scheme}.share", "martlet",
                               100 * ours["share_of_integer_peak"])


def large(sitting: Sitting) -> None:
    """A model of 7B: 3.75 GB of weights on either side."""
    model = shapes.gguf(shapes.LLAMA_7B, MODELS)
    for _ in sitting.rounds:
        theirs = sides.llama_bench(model, sitting.threads, 1, "-p", 512, "-n", 16)
        others = sitting.machine.others()
        for kind, value, arguments in (
                ("prefill", theirs[0], ()),
                ("decode", theirs[1], ("--context", 0, "--tokens", 16))):
            ours = sitting.generation(kind, shapes.LLAMA_7B, "int4", "--runs", 1, *arguments)
            sitting.record(f"large.{kind}", "peer", value, others)
            sitting.record(f"large.{kind}", "martlet", ours["tokens_per_second"])


def context(sitting: Sitting) -> None:
    """Decoding behind a long context against a short one."""
    model = shapes.gguf(shapes.TINY_LLAMA, MODELS)
    for _ in sitting.rounds:
        for side in ("peer", "martlet"):
            short, long = (
                sides.llama_bench(model, sitting.threads, 1, "-p", 0, "-n", 32, "-d", "128,4096")
                if side == "peer" else
                [sitting.generation("decode", shapes.TINY_LLAMA, "int4", "--context", length)
                 ["tokens_per_second"] for length in (128, 4096)])
            sitting.record("context.decode", side, long)
            sitting.record("context.kept", side, 100 * long / short)


def streams(sitting: Sitting) -> None:
    """Clients over sockets, prompts all different."""
    with sitting.servers() as servers:
        for _ in sitting.rounds:
            for side, server in servers.items():
                for level in server.load(sitting.executable, clients=[1, 8]):
                    name = f"streams.{level['clients']}"
                    sitting.record(f"{name}.rate", side, level["tokens_per_second"])
                    sitting.record(f"{name}.first", side, level["first_token_ms"]["median"])
                    sitting.record(f"{name}.gap", side, level["inter_token_ms"]["median"])


def first(sitting: Sitting) -> None:
    """Time to the first token, from nothing and from the prefix cache."""
    with sitting.servers() as servers:
        for _ in sitting.rounds:
            for side, server in servers.items():
                level, = server.load(
                    sitting.executable, clients=[1], prompt=512, generate=2, again=True)
                cold = level["first_token_ms"]["median"]
                cached = level["again"]["first_token_ms"]["median"]
                sitting.record("first.cold", side, cold)
                sitting.record("first.cached", side, cached)
                sitting.record("first.share", side, 100 * cached / cold)


def memory(sitting: Sitting) -> None:
    """Resident memory of the servers. Takes long: eight prompts that fill their contexts."""
    for side in ("peer", "martlet"):
        with sitting.server(side) as server:
            sitting.record("memory.start", side, server.memory("VmRSS"))
            server.load(sitting.executable, clients=[8], prompt=1984, generate=64)
            sitting.record("memory.full", side, server.memory("VmRSS"))


def start(sitting: Sitting) -> None:
    """From exec to the first 200 of /health, the model's files in the page cache."""
    with tempfile.TemporaryDirectory() as data:
        for index in range(1 + len(sitting.rounds)):
            for side in ("peer", "martlet"):
                with sitting.server(side, data) as server:
                    name = "start.again" if index else "start.first"
                    sitting.record(name, side, server.start_seconds)
                    if not index:
                        sitting.record("start.peak", side, server.memory("VmHWM"))


def embed(sitting: Sitting) -> None:
    """Texts of 100 words."""
    import sentence_transformers
    import torch
    torch.set_num_threads(sitting.threads)
    words = "river mountain city history water energy market science garden winter".split()
    texts = [" ".join(words[(7 * word + text) % 10] for word in range(100)) for text in range(200)]
    model = str(sides.ROOT / "Models" / "all-MiniLM-L6-v2")
    for _ in sitting.rounds:
        for name, kind in (("embed.f32", torch.float32), ("embed.bf16", torch.bfloat16)):
            peer = sentence_transformers.SentenceTransformer(
                model, device="cpu", model_kwargs={"dtype": kind})
            peer.encode(texts[:32])
            begin = time.perf_counter()
            peer.encode(texts, batch_size=32)
            sitting.record(name, "peer", len(texts) / (time.perf_counter() - begin))
            ours = sides.martlet(sitting.executable, "embed", "--threads", sitting.threads,
                                 "--model", model)
            sitting.record(name, "martlet", ours["texts_per_second"])


def retrieve(sitting: Sitting) -> None:
    """Milliseconds per search; no peer here."""
    ours = sides.martlet(sitting.executable, "retrieve", "--threads", sitting.threads)
    for mode in ("dense", "sparse", "hybrid"):
        sitting.record(f"retrieve.{mode}", "martlet", ours[f"{mode}_ms"])


SUITES = [decode, prefill, large, context, streams, first, memory, start, embed, retrieve]


def print_table(results: pathlib.Path) -> None:
    """Medians of what was measured while the machine was quiet; of everything, and marked with a
    star, where it never was."""
    samples: dict[tuple[str, str], list[dict]] = {}
    for line in results.read_text().splitlines():
        result = json.loads(line)
        samples.setdefault((result["figure"], result["side"]), []).append(result)

    def median(figure: str, side: str) -> tuple[float | None, str]:
        found = samples.get((figure, side), [])
        quiet = [result for result in found if result["others"] <= QUIET]
        values = [result["value"] for result in quiet or found]
        return (statistics.median(values) if values else None), ("" if quiet else "*")

    print("\n| what | martlet | peer | martlet / peer | goal |\n|---|---|---|---|---|")
    for figure, (title, unit, goal) in FIGURES.items():
        (ours, our_mark), (theirs, their_mark) = median(figure, "martlet"), median(figure, "peer")
        if ours is None:
            continue
        digits = 2 if unit == "s" else 1
        peer = f"{theirs:.{digits}f} {unit}{their_mark}" if theirs is not None else ""
        ratio = f"{ours / theirs:.2f}" if theirs else ""
        print(f"| {title} | {ours:.{digits}f} {unit}{our_mark} | {peer} | {ratio} | {goal} |")
    print(f"\n* measured while others had more than {QUIET:.0%} of the processors.")


def main() -> None:
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="suites:\n" + "\n".join(f"  {s.__name__:<10} {s.__doc__}" for s in SUITES))
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="all of them by default")
    parser.add_argument("--executable", default=str(sides.ROOT / ".build/release/martlet"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="the median is reported")
    parser.add_argument("--results", default=str(sides.PEERS / "results.jsonl"))
    parser.add_argument("--append", action="store_true", help="keep the results of earlier runs")
    options = parser.parse_args()
    suites = {suite.__name__: suite for suite in SUITES}
    if unknown := set(options.suites) - set(suites):
        parser.error(f"no suite named {', '.join(sorted(unknown))}; see --help")
    sitting = Sitting(options)
    MODELS.mkdir(parents=True, exist_ok=True)
    for name in options.suites or suites:
        suites[name](sitting)
    print_table(sitting.results)


if __name__ == "__main__":
    main()
