"""Search beside its peers on this machine, all in one sitting:
  python Benchmarks/retrieval.py [EXECUTABLE] [--vectors N] [--texts N] [--threads N]
Exact vector search: faiss IndexFlatIP, numpy, usearch. Words: tantivy, bm25s, on the very texts and
queries of `martlet bench retrieve --texts`. Needs Benchmarks/requirements-retrieval.txt."""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import time

parser = argparse.ArgumentParser()
parser.add_argument("executable", nargs="?",
                    default=str(pathlib.Path(__file__).resolve().parent.parent / ".build/release/martlet"))
parser.add_argument("--vectors", type=int, default=1_000_000)
parser.add_argument("--dimension", type=int, default=384)
parser.add_argument("--texts", type=int, default=100_000)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]:
    os.environ[name] = str(options.threads)

import numpy  # noqa: E402  (after the number of threads is set)

TOP, BATCH, RUNS = 10, 64, 15


def median_ms(call, runs: int = RUNS) -> float:
    call(0)
    seconds = []
    for run in range(runs):
        start = time.perf_counter()
        call(run)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * 1000


def show(name: str, **figures) -> None:
    print(f"{name:32}" + "  ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)


def martlet(*arguments: str) -> dict:
    output = subprocess.run(
        [options.executable, "bench", "retrieve", *arguments, "--threads", str(options.threads), "--json"],
        check=True, capture_output=True, text=True)
    return json.loads(output.stdout)


def vectors() -> None:
    print(f"\nexact top {TOP} of {options.vectors} x {options.dimension}: ms for one query, ms per query of {BATCH}")
    facts = martlet("--vectors", str(options.vectors), "--dimension", str(options.dimension),
                    "--queries", str(BATCH))
    print(json.dumps(facts))
    show("martlet", query=facts["query_ms"], batch=facts["batch_ms_per_query"])
    random = numpy.random.default_rng(0)
    rows = random.standard_normal((options.vectors, options.dimension), dtype=numpy.float32)
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    queries = random.standard_normal((BATCH, options.dimension), dtype=numpy.float32)
    queries /= numpy.linalg.norm(queries, axis=1, keepdims=True)

    def top(scores):
        return numpy.argpartition(scores, -TOP, axis=-1)[..., -TOP:]

    show("numpy", query=median_ms(lambda run: top(rows @ queries[run % BATCH])),
         batch=median_ms(lambda run: top(queries @ rows.T), 3) / BATCH)
    import faiss
    index = faiss.IndexFlatIP(options.dimension)
    index.add(rows)
    for threads in sorted({1, options.threads}):
        faiss.omp_set_num_threads(threads)
        show(f"faiss IndexFlatIP, {threads} threads",
             query=median_ms(lambda run: index.search(queries[run % BATCH:run % BATCH + 1], TOP)),
             batch=median_ms(lambda run: index.search(queries, TOP), 3) / BATCH)
    del index
    import usearch.index

    def exact(some):
        usearch.index.search(rows, some, TOP, usearch.index.MetricKind.IP, exact=True, threads=options.threads)

    show("usearch exact float32", query=median_ms(lambda run: exact(queries[run % BATCH]), 5),
         batch=median_ms(lambda run: exact(queries), 3) / BATCH)


def zipf_texts(count: int, words: int) -> list[str]:
    """BenchText.zipfDocuments: invented words whose frequencies fall with their rank."""
    consonants, vowels, state = "bdfgklmnprstvz", "aeiou", 42
    made: dict[int, str] = {}

    def word(rank: int) -> str:
        if rank not in made:
            rest, text = rank, ""
            while True:
                text += consonants[rest % 14]
                rest //= 14
                text += vowels[rest % 5]
                rest //= 5
                if rest == 0:
                    break
            made[rank] = text + "n"
        return made[rank]

    texts = []
    for _ in range(count):
        text = []
        for _ in range(words):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            text.append(word(int(math.pow(30_000, (state >> 11) / 2**53))))
        texts.append(" ".join(text))
    return texts


def words() -> None:
    print(f"\nBM25 top {TOP} of {options.texts} texts of 85 words: ms per query, mean of 100; seconds to build")
    facts = martlet("--texts", str(options.texts))
    print(json.dumps(facts))
    show("martlet", query=facts["query_ms"], build=facts["build_seconds"])
    texts, queries = zipf_texts(options.texts, 85), zipf_texts(100, 4)
    import tantivy
    start = time.perf_counter()
    schema = tantivy.SchemaBuilder().add_text_field("text", tokenizer_name="en_stem").build()
    index = tantivy.Index(schema)
    writer = index.writer(200_000_000, options.threads)
    for text in texts:
        writer.add_document(tantivy.Document(text=text))
    writer.commit()
    writer.wait_merging_threads()
    build = time.perf_counter() - start
    index.reload()
    searcher = index.searcher()

    def search(_):
        for query in queries:
            searcher.search(index.parse_query(query, ["text"]), TOP, count=False)

    show("tantivy", query=median_ms(search, 5) / len(queries), build=build)
    import bm25s
    start = time.perf_counter()
    retriever = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    retriever.index(bm25s.tokenize(texts, stopwords=None, show_progress=False), show_progress=False)
    build = time.perf_counter() - start
    tokens = [bm25s.tokenize([query], stopwords=None, show_progress=False) for query in queries]

    def lookup(_):
        for query in tokens:
            retriever.retrieve(query, k=TOP, show_progress=False)

    show("bm25s", query=median_ms(lookup, 3) / len(queries), build=build)


words()
vectors()
