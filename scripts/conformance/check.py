"""The official OpenAI client against a real server: what its users rely on, one check each.

Starts the server on a free port with a temporary data directory, runs every `check_*` function,
stops it with SIGTERM and expects exit code 0. Prints one line per check.
"""

import json
import math
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import openai

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "conformance-key"
EMBEDDING_MODEL = "all-MiniLM-L6-v2"


class Server:
    """A martlet process on a free port, with one API key."""

    def __init__(self, executable: str, folder: str):
        self.executable = executable
        keys = pathlib.Path(folder, "keys")
        keys.write_text(f"# for the conformance run\n{KEY}\n")
        self.process = subprocess.Popen(
            [executable, "serve", "--port", "0", "--data", f"{folder}/data",
             "--models", str(ROOT / "Models"), "--model", "default", "--api-key-file", str(keys)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        first = self.process.stdout.readline()
        assert " on http://" in first, f"unexpected first line: {first!r}"
        self.url = first.split(" on ")[1].split(",")[0]
        for _ in range(1200):
            if self.get("/health")[0] == 200:
                return
            time.sleep(0.1)
        raise AssertionError("the server did not become ready")

    def get(self, path: str) -> tuple[int, bytes]:
        return self.send("GET", path)

    def send(self, method: str, path: str, body=None, key: str | None = KEY):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, method=method)
        if data:
            request.add_header("Content-Type", "application/json")
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def expect(error: type, call) -> Exception:
    try:
        call()
    except error as caught:
        return caught
    raise AssertionError(f"expected {error.__name__}")


def check_models(client, server):
    names = [model.id for model in client.models.list()]
    assert EMBEDDING_MODEL in names, names
    assert client.models.retrieve(EMBEDDING_MODEL).id == EMBEDDING_MODEL
    expect(openai.NotFoundError, lambda: client.models.retrieve("no-such-model"))


def check_embeddings(client, server):
    texts = ["A cat sits on the mat.", "A kitten rests on a rug.", "今天天气很好。"]
    vectors = [item.embedding for item in client.embeddings.create(
        model=EMBEDDING_MODEL, input=texts).data]  # the client asks for base64 by default
    floats = [item.embedding for item in client.embeddings.create(
        model=EMBEDDING_MODEL, input=texts, encoding_format="float").data]
    for left, right in zip(vectors, floats):
        assert len(left) == 384 and max(abs(a - b) for a, b in zip(left, right)) < 1e-6
        assert abs(math.fsum(a * a for a in left) - 1) < 1e-4

    def dot(i, j):
        return sum(a * b for a, b in zip(vectors[i], vectors[j]))
    assert dot(0, 1) > 0.5 > dot(0, 2)
    short = client.embeddings.create(model=EMBEDDING_MODEL, input="hello", dimensions=64)
    assert len(short.data[0].embedding) == 64 and short.usage.prompt_tokens == 3
    expect(openai.BadRequestError, lambda: client.embeddings.create(model=EMBEDDING_MODEL, input=""))


def check_chat(client, server):
    messages = [{"role": "user", "content": "What is water?"}]
    answer = client.chat.completions.create(
        model="default", messages=messages, temperature=0, max_tokens=24)
    choice = answer.choices[0]
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("stop", "length") and 0 < answer.usage.completion_tokens <= 24
    again = client.chat.completions.create(
        model="default", messages=messages, temperature=0, max_tokens=24)
    assert again.choices[0].message.content == choice.message.content


def check_chat_stream_equals_whole(client, server):
    request = dict(model="default", temperature=0.8, seed=7, max_tokens=32,
                   messages=[{"role": "user", "content": "Tell me about rivers."}])
    whole = client.chat.completions.create(**request)
    text, finish, usage = "", None, None
    for chunk in client.chat.completions.create(
            **request, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert text == whole.choices[0].message.content
    assert finish == whole.choices[0].finish_reason
    assert usage.completion_tokens == whole.usage.completion_tokens


def check_chat_logprobs_and_choices(client, server):
    answer = client.chat.completions.create(
        model="default", messages=[{"role": "user", "content": "Hi"}], n=2, seed=1,
        logprobs=True, top_logprobs=3, max_tokens=8)
    assert [choice.index for choice in answer.choices] == [0, 1]
    for choice in answer.choices:
        for token in choice.logprobs.content:
            assert token.logprob <= 0 and len(token.top_logprobs) == 3
            assert token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob
        joined = b"".join(bytes(token.bytes) for token in choice.logprobs.content)
        assert choice.message.content.encode().strip() in joined


def check_stop_strings(client, server):
    request = dict(model="default", temperature=0, max_tokens=32,
                   messages=[{"role": "user", "content": "Tell me about the sun."}])
    whole = client.chat.completions.create(**request).choices[0].message.content
    stop = whole[5:8]
    cut = client.chat.completions.create(**request, stop=stop).choices[0]
    assert cut.message.content == whole[:whole.index(stop)] and cut.finish_reason == "stop"


def check_completions(client, server):
    answer = client.completions.create(
        model="default", prompt="The capital of France is", max_tokens=4, temperature=0, logprobs=2)
    logprobs = answer.choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset)
    assert all(value <= 0 for value in logprobs.token_logprobs)
    echoed = client.completions.create(
        model="default", prompt="The capital of France is", max_tokens=1, temperature=0,
        echo=True, logprobs=0)
    assert echoed.choices[0].text.startswith("The capital of France is")
    assert echoed.choices[0].logprobs.token_logprobs[0] is None


def check_errors(client, server):
    error = expect(openai.BadRequestError, lambda: client.chat.completions.create(
        model="default", messages=[{"role": "user", "content": "word " * 20000}]))
    assert error.code == "context_length_exceeded", error.code
    expect(openai.NotFoundError, lambda: client.chat.completions.create(
        model="gpt-nothing", messages=[{"role": "user", "content": "hi"}]))
    error = expect(openai.BadRequestError, lambda: client.chat.completions.create(
        model="default", messages=[{"role": "user", "content": "hi"}], temperature=-1))
    assert error.param == "temperature", error.param
    stranger = openai.OpenAI(base_url=server.url + "/v1", api_key="wrong", max_retries=0)
    expect(openai.AuthenticationError, lambda: stranger.models.list())
    status, body = server.send("GET", "/nowhere")
    assert status == 404 and json.loads(body)["error"]["message"]
    assert server.send("GET", "/v1/models", key=None)[0] == 401
    assert server.send("GET", "/livez", key=None)[0] == 200


def check_documents(client, server):
    documents = [
        {"id": "llama", "text": "Llama 2 was announced on 18 July 2023 by Meta with Microsoft.",
         "metadata": {"topic": "models"}},
        {"id": "zh", "text": "大语言模型可以回答问题。向量检索按意思查找段落。"},
        {"id": "river", "text": "The Danube flows through ten countries to the Black Sea."},
    ]
    status, body = server.send("POST", "/collections/default/documents", documents)
    assert status == 200 and json.loads(body)["documents"] == 3, body
    for mode in ("dense", "sparse", "hybrid"):
        status, body = server.send(
            "POST", "/retrieve", {"query": "Who announced Llama 2?", "mode": mode, "top_k": 1})
        assert status == 200 and json.loads(body)["results"][0]["document_id"] == "llama", body
    status, body = server.send("POST", "/retrieve", {"query": "模型", "mode": "sparse"})
    assert json.loads(body)["results"][0]["document_id"] == "zh", body
    answer = client.chat.completions.create(
        model="default", max_tokens=24, temperature=0,
        messages=[{"role": "user", "content": "Who announced Llama 2?"}],
        extra_body={"retrieval": {"top_k": 2}})
    results = answer.model_extra["retrieval"]["results"]
    assert results[0]["document_id"] == "llama" and results[0]["used"] is True


def check_metrics(client, server):
    status, body = server.get("/metrics")
    text = body.decode()
    assert status == 200
    for name in ("martlet_http_requests_total", "martlet_generation_tokens_total",
                 "martlet_time_to_first_token_seconds_bucket", "martlet_index_chunks"):
        assert name in text, name


def check_exit_codes(client, server):
    def run(*arguments: str) -> tuple[int, str]:
        result = subprocess.run(
            [server.executable, *arguments], capture_output=True, text=True, timeout=120)
        return result.returncode, result.stderr

    code, message = run("serve", "--port", "0", "--model", "/no/such/model")
    assert code == 78 and "/no/such/model" in message, (code, message)
    code, message = run("serve", "--host", "0.0.0.0")
    assert code == 78 and "--api-key-file" in message, (code, message)
    code, message = run("serve", "--port", server.url.rsplit(":", 1)[1])
    assert code == 1 and "in use" in message, (code, message)
    assert run("serve", "--no-such-flag")[0] == 64
    code, message = run("serve", "--quantize", "int3", "--check-config")
    assert code == 78 and "int4" in message, (code, message)


def check_command_line(client, server):
    def run(*arguments: str) -> str:
        result = subprocess.run(
            [server.executable, *arguments, "--server", server.url, "--api-key", KEY],
            capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stderr
        return result.stdout

    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "tea.md").write_text("# Tea\n\nGreen tea is brewed at 80 degrees.")
        pathlib.Path(folder, "facts.json").write_text('[{"id": "f1", "text": "铁观音是一种乌龙茶。"}]')
        assert "2 documents" in run("ingest", folder)
        assert "2 unchanged" in run("ingest", folder)
    assert "80 degrees" in run("retrieve", "--top-k", "1", "how hot for green tea")
    assert "乌龙茶" in run("retrieve", "--mode", "sparse", "乌龙")
    assert len(json.loads(run("embed", "hello"))) == 384
    assert run("chat", "--max-tokens", "8", "What is tea?").strip()
    load = json.loads(run("bench", "serve", "--json", "--clients", "2", "--generate", "8"))
    assert load["levels"][0]["tokens"] == 16, load


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(sys.argv[1], folder)
        client = openai.OpenAI(base_url=server.url + "/v1", api_key=KEY, max_retries=0)
        checks = [(name, value) for name, value in globals().items() if name.startswith("check_")]
        failed = 0
        for name, check in checks:
            try:
                check(client, server)
                print(f"ok    {name[6:].replace('_', ' ')}")
            except Exception as error:  # every check is reported
                failed += 1
                print(f"FAIL  {name[6:].replace('_', ' ')}: {type(error).__name__}: {error}")
        code = server.stop()
        if code != 0:
            failed += 1
            print(f"FAIL  exit code after SIGTERM is {code}")
    print(f"{len(checks) - min(failed, len(checks))} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
