"""Search beside its peers on this machine, all in one sitting:
  python Benchmarks/retrieval.py [EXECUTABLE] [--parts words vectors server quality] [--rounds N] ...
Martlet and the peers are measured in turn, in several rounds; figures are medians over the rounds.
- words: BM25 top 10, tantivy and bm25s on the very texts and queries of `martlet bench retrieve --texts`;
- vectors: exact top 10, faiss IndexFlatIP, numpy, usearch, sqlite-vec (100,000 rows only), and filters;
- server: one short query embedded and searched for in a running server's 100,000 chunks, over HTTP, and
  results for vectors compared with those of faiss;
- quality: nDCG@10 on judged sets (--judged FOLDER...: documents.jsonl, queries.jsonl, qrels.tsv),
  beside bm25s with the same stems and pairs of ideographs.
Needs Benchmarks/requirements-retrieval.txt; `server` and `quality` need an embedding model in Models/."""

import argparse
import collections
import hashlib
import http.client
import json
import math
import os
import pathlib
import re
import socket
import sqlite3
import statistics
import struct
import subprocess
import tempfile
import time

PARTS = ["words", "vectors", "server", "quality"]
root = pathlib.Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("executable", nargs="?", default=str(root / ".build/release/martlet"))
parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
parser.add_argument("--vectors", type=int, default=1_000_000)
parser.add_argument("--dimension", type=int, default=384)
parser.add_argument("--texts", type=int, default=100_000)
parser.add_argument("--chunks", type=int, default=100_000, help="of the server")
parser.add_argument("--judged", nargs="*", default=[])
parser.add_argument("--model", default=str(root / "Models/all-MiniLM-L6-v2"))
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]:
    os.environ[name] = str(options.threads)

import numpy  # noqa: E402  (after the number of threads is set)

TOP, BATCH, RUNS = 10, 64, 15


class Table:
    """Figures by side and name, one value per round."""

    def __init__(self, title: str):
        self.title, self.values = title, collections.defaultdict(list)

    def add(self, side: str, **figures) -> None:
        for name, value in figures.items():
            self.values[side, name].append(value)
        print("  " + side, *(f"{name} {value:.3f}" for name, value in figures.items()), flush=True)

    def print(self) -> None:
        print(f"\n{self.title}; medians of {options.rounds} rounds, and the peer's over martlet's")
        medians = {key: statistics.median(values) for key, values in self.values.items()}
        for side in dict.fromkeys(side for side, _ in medians):
            line = ""
            for (other, name), value in medians.items():
                if other == side:
                    own = medians.get(("martlet", name))
                    line += f"  {name} {value:.3f}" + (f" ({value / own:.2f})" if own and side != "martlet" else "")
            print(f"{side:32}{line}")


def median_ms(call, runs: int = RUNS) -> float:
    call(0)
    seconds = []
    for run in range(runs):
        start = time.perf_counter()
        call(run)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * 1000


def martlet(*arguments: str) -> str:
    return subprocess.run([options.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def bench(*arguments: str) -> dict:
    facts = json.loads(martlet("bench", "retrieve", *arguments, "--threads", str(options.threads), "--json"))
    print("  " + json.dumps(facts), flush=True)
    return facts


# Vectors -----------------------------------------------------------------------------------------

def vectors() -> None:
    table = Table(f"Exact top {TOP} of {options.vectors} x {options.dimension}: ms for one query, per query of {BATCH}")
    random = numpy.random.default_rng(0)
    rows = random.standard_normal((options.vectors, options.dimension), dtype=numpy.float32)
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    queries = random.standard_normal((BATCH, options.dimension), dtype=numpy.float32)
    queries /= numpy.linalg.norm(queries, axis=1, keepdims=True)
    peers = [numpy_product(rows, queries), *faiss_flat(rows, queries), usearch_exact(rows, queries)]
    if options.vectors <= 100_000:
        peers.append(sqlite_vec(rows, queries))
    for _ in range(options.rounds):
        facts = bench("--vectors", str(options.vectors), "--dimension", str(options.dimension), "--queries", str(BATCH))
        table.add("martlet", query=facts["query_ms"], batch=facts["batch_ms_per_query"])
        for percent in [50, 10, 1]:
            table.add(f"martlet, filtered to {percent} %", query=facts[f"filtered_{percent}_percent_ms"])
        for name, one, batch, runs in peers:
            figures = {"query": median_ms(one, runs)}
            if batch:
                figures["batch"] = median_ms(batch, 3) / BATCH
            table.add(name, **figures)
    table.print()


def numpy_product(rows, queries):
    def top(scores):
        return numpy.argpartition(scores, -TOP, axis=-1)[..., -TOP:]

    return "numpy", lambda run: top(rows @ queries[run % BATCH]), lambda run: top(queries @ rows.T), RUNS


def faiss_flat(rows, queries):
    import faiss
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)

    def search(threads, some):
        faiss.omp_set_num_threads(threads)
        index.search(some, TOP)

    for threads in sorted({1, options.threads}):
        yield (f"faiss IndexFlatIP, {threads} threads",
               lambda run, threads=threads: search(threads, queries[run % BATCH:run % BATCH + 1]),
               lambda run, threads=threads: search(threads, queries), RUNS)


def usearch_exact(rows, queries):
    import usearch.index

    def search(some):
        usearch.index.search(rows, some, TOP, usearch.index.MetricKind.IP, exact=True, threads=options.threads)

    return "usearch exact float32", lambda run: search(queries[run % BATCH]), lambda run: search(queries), 5


def sqlite_vec(rows, queries):
    import apsw  # the sqlite3 module may be built without extensions
    import sqlite_vec as extension
    database = apsw.Connection(":memory:")
    database.enable_load_extension(True)
    database.load_extension(extension.loadable_path())
    database.execute(f"CREATE VIRTUAL TABLE v USING vec0(x float[{rows.shape[1]}] distance_metric=cosine)")
    with database:
        database.executemany("INSERT INTO v (rowid, x) VALUES (?, ?)",
                             ((i, row.tobytes()) for i, row in enumerate(rows)))

    def search(run):
        sql = "SELECT rowid FROM v WHERE x MATCH ? AND k = ?"
        database.execute(sql, (queries[run % BATCH].tobytes(), TOP)).fetchall()

    return "sqlite-vec", search, None, 5


# Words -------------------------------------------------------------------------------------------

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
    table = Table(f"BM25 top {TOP} of {options.texts} texts of 85 words: ms per query, mean of 100; seconds to build")
    texts, queries = zipf_texts(options.texts, 85), zipf_texts(100, 4)
    peers = [tantivy_index(texts, queries), bm25s_index(texts, queries)]
    for _ in range(options.rounds):
        facts = bench("--texts", str(options.texts))
        table.add("martlet", query=facts["query_ms"], build=facts["build_seconds"])
        for percent in [50, 10, 1]:
            table.add(f"martlet, filtered to {percent} %", query=facts[f"filtered_{percent}_percent_ms"])
        for name, search, build in peers:
            table.add(name, query=median_ms(search, 3) / len(queries), build=build)
    table.print()


def tantivy_index(texts, queries):
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

    return "tantivy", search, build


def bm25s_index(texts, queries):
    import bm25s
    start = time.perf_counter()
    retriever = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    retriever.index(bm25s.tokenize(texts, stopwords=None, show_progress=False), show_progress=False)
    build = time.perf_counter() - start
    tokens = [bm25s.tokenize([query], stopwords=None, show_progress=False) for query in queries]

    def search(_):
        for query in tokens:
            retriever.retrieve(query, k=TOP, show_progress=False)

    return "bm25s", search, build


# A server ----------------------------------------------------------------------------------------

def server() -> None:
    """Chunks are written into the database: to embed so many would take half an hour, and a search
    takes as long for any vectors."""
    with tempfile.TemporaryDirectory() as folder:
        with running_server(folder) as port:
            request(port, "PUT", "/collections/default", {"chunking": {"strategy": "none"}})
            request(port, "POST", "/collections/default/documents", {"id": "first", "text": "one"})
        vectors = fill(pathlib.Path(folder) / "martlet.sqlite")
        queries = zipf_texts(320, 6)
        with running_server(folder) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            seconds = []
            for query in queries:
                start = time.perf_counter()
                answer = request(port, "POST", "/retrieve", {"query": query, "top_k": 10}, connection)
                seconds.append(time.perf_counter() - start)
            assert len(answer["results"]) == 10
            compare_with_faiss(vectors, port, connection)
    times = sorted(seconds[20:])
    print(f"\nOne query embedded and searched for in {options.chunks} chunks (hybrid) over HTTP: "
          f"p50 {statistics.median(times) * 1000:.1f} ms, p99 {times[int(len(times) * .99)] * 1000:.1f} ms; "
          f"the last one's own account {answer['timings']}")


class running_server:
    def __init__(self, folder: str):
        self.folder = folder

    def __enter__(self) -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [options.executable, "serve", "--model", "none", "--embedding-model", options.model, "--port", str(port),
             "--data", self.folder, "--threads", str(options.threads)], stderr=subprocess.DEVNULL)
        for _ in range(1200):
            try:
                request(port, "GET", "/health")
                return port
            except (OSError, AssertionError):
                assert self.process.poll() is None, "the server ended"
                time.sleep(0.1)
        raise TimeoutError("the server doesn't answer")

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()


def request(port: int, method: str, path: str, body=None, connection=None) -> dict:
    connection = connection or http.client.HTTPConnection("127.0.0.1", port)
    text = json.dumps(body) if body is not None else None
    connection.request(method, path, text, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    assert response.status in (200, 201), answer
    return json.loads(answer)


def compare_with_faiss(vectors, port: int, connection) -> None:
    """Ids may differ where scores are as good as the same."""
    import faiss
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    queries = numpy.random.default_rng(1).standard_normal((50, vectors.shape[1]), dtype=numpy.float32)
    queries /= numpy.linalg.norm(queries, axis=1, keepdims=True)
    scores, places = index.search(queries, TOP)
    same = 0
    for query, best, expected in zip(queries, scores, places):
        answer = request(port, "POST", "/retrieve", {"vector": query.tolist(), "top_k": TOP}, connection)
        for result, score, place in zip(answer["results"], best, expected):
            assert abs(result["score"] - score) < 1e-6, (result["document_id"], result["score"], place, score)
            same += result["document_id"] == f"d{place}"
    print(f"\nOf {queries.shape[0] * TOP} results, {same} are those of faiss, the others' scores equal to 1e-6")


def fill(path: pathlib.Path) -> numpy.ndarray:
    random, vectors = numpy.random.default_rng(0), []
    with sqlite3.connect(path) as database:
        identity, dimension = database.execute("SELECT id, embedding_dimension FROM collections").fetchone()
        for number, text in enumerate(zipf_texts(options.chunks, 85)):
            vector = random.standard_normal(dimension, dtype=numpy.float32)
            vector /= numpy.linalg.norm(vector)
            vectors.append(vector)
            digest = hashlib.sha256(text.encode()).digest()
            document = database.execute(
                "INSERT INTO documents (collection, name, text, scalar_count, metadata, text_hash, content_hash, "
                "created_at, updated_at) VALUES (?, ?, ?, ?, '{}', ?, ?, 0, 0)",
                (identity, f"d{number}", text.encode(), len(text), digest, digest)).lastrowid
            database.execute(
                'INSERT INTO chunks (document, ordinal, start, "end", text, vector, truncated) '
                "VALUES (?, 0, 0, ?, ?, ?, 0)",
                (document, len(text), text.encode(), struct.pack(f"<{dimension}f", *vector)))
        database.execute("UPDATE collections SET generation = generation + 1")
    database.close()
    return numpy.array(vectors)


# Quality -----------------------------------------------------------------------------------------

def quality() -> None:
    print("\nnDCG@10")
    with tempfile.TemporaryDirectory() as folder:
        for judged in map(pathlib.Path, options.judged):
            others = [path for path in map(pathlib.Path, options.judged) if path != judged]
            for mixed in ([False, True] if others else [False]):
                arguments = ["--documents", str(judged / "documents.jsonl"), "--queries", str(judged / "queries.jsonl"),
                             "--qrels", str(judged / "qrels.tsv"), "--data", folder, "--embedding-model", options.model,
                             "--json"]
                if mixed:
                    arguments += [word for path in others for word in ("--distractors", str(path / "documents.jsonl"))]
                lines = [json.loads(line) for line in martlet("evaluate", "retrieval", *arguments).splitlines()]
                print(f"{judged.name:12} {'among others' if mixed else 'alone':12} ",
                      *(f"{line['mode']} {line['ndcg@10']:.4f}" for line in lines), flush=True)
            print(f"{judged.name:12} {'bm25s':12}  {bm25s_gain(judged):.4f}", flush=True)


def tokens_of(texts: list[str], stemmer, drops_stop_words: bool) -> list[list[str]]:
    """Stemmed words, and pairs of ideographs."""
    import bm25s
    stop_words = set(bm25s.stopwords.STOPWORDS_EN) if drops_stop_words else set()
    pieces = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")
    result = []
    for text in texts:
        tokens = []
        for piece in pieces.findall(text.lower()):
            if "\u3400" <= piece[0] <= "\u9fff":
                tokens += [piece[i:i + 2] for i in range(len(piece) - 1)] or [piece]
            elif piece not in stop_words:
                tokens.append(stemmer.stemWord(piece))
        result.append(tokens)
    return result


def bm25s_gain(judged: pathlib.Path) -> float:
    import bm25s
    import Stemmer
    stemmer = Stemmer.Stemmer("english")

    def read(name):
        return [json.loads(line) for line in (judged / name).read_text().splitlines() if line]

    documents, queries = read("documents.jsonl"), read("queries.jsonl")
    gains = collections.defaultdict(dict)
    for line in (judged / "qrels.tsv").read_text().splitlines():
        query, _, document, gain = line.split()
        gains[query][document] = int(gain)
    retriever = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    retriever.index(tokens_of([document["text"] for document in documents], stemmer, True), show_progress=False)
    values = []
    for query, tokens in zip(queries, tokens_of([query["text"] for query in queries], stemmer, True)):
        relevant = sorted((gain for gain in gains[query["id"]].values() if gain > 0), reverse=True)
        if not relevant:
            continue
        found, _ = retriever.retrieve([tokens], k=TOP, show_progress=False)
        own = [max(0, gains[query["id"]].get(documents[place]["id"], 0)) for place in found[0]]
        values.append(discounted(own) / discounted(relevant[:TOP]))
    return statistics.mean(values)


def discounted(gains: list[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


for part in options.parts:
    print(f"{part}:", flush=True)
    globals()[part]()
