"""Embedding beside sentence-transformers on this machine, all in one sitting:
  python Benchmarks/embedding.py [EXECUTABLE] [--texts N] [--words N] [--rounds N] [--threads N]
Martlet (float32, bfloat16) and the library (float32, bfloat16) embed texts of the same length in turn,
in several rounds; figures are medians over the rounds. With --server URL, vectors of a running server
are compared with the library's in float32: the lowest cosine.
Needs sentence-transformers and an embedding model in Models/."""

import argparse
import json
import pathlib
import statistics
import subprocess
import time
import urllib.request

root = pathlib.Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("executable", nargs="?", default=str(root / ".build/release/martlet"))
parser.add_argument("--model", default=str(root / "Models/all-MiniLM-L6-v2"))
parser.add_argument("--texts", type=int, default=1000)
parser.add_argument("--words", type=int, default=126, help="about a token each, and two more")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--server", help="a running martlet with the same model")
options = parser.parse_args()

import torch  # noqa: E402  (after the arguments are read)
from sentence_transformers import SentenceTransformer  # noqa: E402

torch.set_num_threads(options.threads)
WORDS = """river mountain city history language water energy market science music garden winter engine
letter paper bridge island signal memory planet forest doctor school ocean metal theory law trade village
number pattern story window camera battle king road food house light animal plant machine field computer
people country region century system process result example""".split()
QUERY = "how long does delivery take"


def texts() -> list[str]:
    return [" ".join(WORDS[(17 * text + word * word) % len(WORDS)] for word in range(options.words))
            for text in range(options.texts)]


def martlet(precision: str) -> tuple[float, float]:
    facts = json.loads(subprocess.run(
        [options.executable, "bench", "embed", "--model", options.model, "--precision", precision,
         "--texts", str(options.texts), "--words", str(options.words), "--threads", str(options.threads),
         "--runs", "1", "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout)
    return facts["texts_per_second"], facts["short_query_ms"]


def library(model: SentenceTransformer, corpus: list[str]) -> tuple[float, float]:
    start = time.perf_counter()
    model.encode(corpus, batch_size=32)
    rate = len(corpus) / (time.perf_counter() - start)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        model.encode([QUERY])
        times.append(time.perf_counter() - start)
    return rate, 1000 * statistics.median(times)


def compare(model: SentenceTransformer, corpus: list[str]) -> None:
    body = json.dumps({"input": corpus}).encode()
    request = urllib.request.Request(
        options.server + "/v1/embeddings", body, {"Content-Type": "application/json"})
    data = json.load(urllib.request.urlopen(request))["data"]
    ours = torch.tensor([item["embedding"] for item in data])
    theirs = torch.tensor(model.encode(corpus))
    cosines = torch.nn.functional.cosine_similarity(ours, theirs)
    print(f"cosine to sentence-transformers in float32: lowest {cosines.min():.6f} of {len(corpus)}")


def main() -> None:
    corpus = texts()
    models = {name: SentenceTransformer(options.model, device="cpu", model_kwargs=dict(dtype=dtype))
              for name, dtype in [("float32", torch.float32), ("bfloat16", torch.bfloat16)]}
    if options.server:
        return compare(models["float32"], corpus)
    sides = {f"martlet {precision}": lambda p=precision: martlet(p) for precision in models}
    sides |= {f"sentence-transformers {precision}": lambda m=model: library(m, corpus)
              for precision, model in models.items()}
    values: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for model in models.values():
        model.encode(corpus[:32])
    for _ in range(options.rounds):
        for side, measure in sides.items():
            values[side].append(measure())
            print(f"  {side}: {values[side][-1][0]:.1f} texts/s, a query in {values[side][-1][1]:.2f} ms",
                  flush=True)
    print(f"\n{options.texts} texts of about {options.words + 2} tokens, {options.threads} threads; "
          f"medians of {options.rounds} rounds")
    for side, rounds in values.items():
        rate, query = (statistics.median(column) for column in zip(*rounds))
        print(f"{side:32} {rate:8.1f} texts/s   one short query {query:6.2f} ms")


if __name__ == "__main__":
    main()
