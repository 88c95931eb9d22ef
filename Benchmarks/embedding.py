"""Embedding beside sentence-transformers and onnxruntime on this machine, all in one sitting:
  python Benchmarks/embedding.py [EXECUTABLE] [--texts N] [--words N] [--rounds N] [--threads N]
Martlet (float32, bfloat16), the library (float32, bfloat16) and onnxruntime (float32, the model as
torch.onnx exports it) embed texts of the same length in turn, in several rounds; figures are medians over
the rounds. Then follows `martlet bench ingest`: the same number of texts stored as documents, and the
share of the embedding rate that is left. With --server URL, vectors of a running server are compared with
the library's in float32: the lowest cosine.
Needs Benchmarks/requirements.txt and an embedding model of BERT's family in Models/."""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
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

import numpy  # noqa: E402  (after the arguments are read)
import onnxruntime  # noqa: E402
import torch  # noqa: E402
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


def library(encode, corpus: list[str]) -> tuple[float, float]:
    start = time.perf_counter()
    encode(corpus)
    rate = len(corpus) / (time.perf_counter() - start)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        encode([QUERY])
        times.append(time.perf_counter() - start)
    return rate, 1000 * statistics.median(times)


class Exported:
    """The model's encoder as torch.onnx exports it, run by onnxruntime; words are cut by the library's
    tokenizer, means over tokens are normalised as the model's directory says. Exported with plain
    attention, onnxruntime is a tenth faster than with torch's own, and no slower than after
    onnxruntime.transformers.optimizer."""

    def __init__(self):
        model = SentenceTransformer(
            options.model, device="cpu", model_kwargs=dict(attn_implementation="eager"))
        self.tokenizer, self.length = model.tokenizer, model.max_seq_length
        with tempfile.TemporaryDirectory() as folder:
            file = str(pathlib.Path(folder, "model.onnx"))
            self._export(model[0].auto_model, file)
            settings = onnxruntime.SessionOptions()
            settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
            self.session = onnxruntime.InferenceSession(
                file, settings, providers=["CPUExecutionProvider"])

    def _export(self, encoder: torch.nn.Module, file: str) -> None:
        class Hidden(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = encoder

            def forward(self, input_ids, attention_mask):
                return self.encoder(
                    input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

        sample = self.tokenizer([QUERY, QUERY + " today"], padding=True, return_tensors="pt")
        names = ["input_ids", "attention_mask"]
        axes = {name: {0: "texts", 1: "tokens"} for name in [*names, "hidden"]}
        with torch.no_grad():
            torch.onnx.export(
                Hidden().eval(), tuple(sample[name] for name in names), file, input_names=names,
                output_names=["hidden"], dynamic_axes=axes, dynamo=False)

    def encode(self, texts: list[str], batch: int = 32) -> numpy.ndarray:
        vectors = []
        for start in range(0, len(texts), batch):
            inputs = self.tokenizer(
                texts[start:start + batch], padding=True, truncation=True, max_length=self.length,
                return_tensors="np")
            mask = inputs["attention_mask"]
            hidden, = self.session.run(
                None, {"input_ids": inputs["input_ids"], "attention_mask": mask})
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            vectors.append(mean / numpy.linalg.norm(mean, axis=1, keepdims=True))
        return numpy.concatenate(vectors)


def ingest() -> dict:
    return json.loads(subprocess.run(
        [options.executable, "bench", "ingest", "--model", options.model, "--texts", str(options.texts),
         "--words", str(options.words), "--threads", str(options.threads), "--runs", str(options.rounds),
         "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout)


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
    sides |= {f"sentence-transformers {precision}": lambda m=model: library(
        lambda texts: m.encode(texts, batch_size=32), corpus) for precision, model in models.items()}
    exported = Exported()
    lowest = (exported.encode(corpus[:32]) * models["float32"].encode(corpus[:32])).sum(1).min()
    assert lowest > 0.99999, f"the exported model's vectors are others: cosine {lowest}"
    sides["onnxruntime float32"] = lambda: library(exported.encode, corpus)
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
    stored = ingest()
    print(f"{'martlet, ingest':32} {stored['ingest_texts_per_second']:8.1f} texts/s   "
          f"{100 * stored['share_of_embedding_rate']:.1f} % of its embedding rate beside it, "
          f"{stored['embedding_texts_per_second']:.1f} texts/s")


if __name__ == "__main__":
    main()
