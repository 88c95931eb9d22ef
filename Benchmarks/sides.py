"""How each side is run and asked: martlet's and llama.cpp's own benchmarks of the model alone, and
their servers, which one and the same client measures (`martlet bench serve`)."""

import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / ".build" / "peers"
LLAMA_CPP = PEERS / "llama.cpp" / "bin"


def martlet(executable: str, *arguments) -> dict:
    """The report of `martlet bench ...`."""
    output = subprocess.run([executable, "bench", *map(str, arguments), "--json"],
                            check=True, capture_output=True, text=True)
    return json.loads(output.stdout)


def llama_bench(model: pathlib.Path, threads: int, runs: int, *arguments) -> list[float]:
    """Medians of the tokens per second of each of llama-bench's tests, in its order."""
    output = subprocess.run(
        [LLAMA_CPP / "llama-bench", "-m", model, "-t", str(threads), "-r", str(runs), "-o", "json",
         *map(str, arguments)], check=True, capture_output=True, text=True)
    return [statistics.median(test["samples_ts"]) for test in json.loads(output.stdout)]


class Machine:
    """How much of the processors others had while something was measured, other guests of the host
    included. Figures from a busy machine compare nothing: llama.cpp's threads wait for each other
    at barriers and lose most."""

    servers: list["Server"] = []

    def __init__(self):
        self.before, self.share = self._sample(), 0.0

    def others(self) -> float:
        """Their share of the processors' time since it was asked before, a moment ago apart."""
        total, busy, ours = (now - past for now, past in zip(self._sample(), self.before))
        if total > 0.5:
            self.share = max(0.0, busy - ours) / total
            self.before = self._sample()
        return self.share

    def _sample(self) -> tuple[float, float, float]:
        """Seconds of all processors, those of them not idle, and those that our processes had."""
        ticks = os.sysconf("SC_CLK_TCK")
        fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        times = [int(field) / ticks for field in fields]
        ours = sum(os.times()[:4])
        for server in self.servers:
            stat = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1]
            ours += sum(map(int, stat.split()[11:13])) / ticks
        idle = times[3] + times[4]
        return sum(times), sum(times) - idle, ours


class Server:
    """A server process that answers on `url`; `start_seconds` is how long it took to be ready."""

    def __init__(self, command: list, port: int):
        self.url = f"http://127.0.0.1:{port}"
        start = time.perf_counter()
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self._is_ready():
            if self.process.poll() is not None:
                raise SystemExit(f"{command[0]} ended with {self.process.returncode} at its start")
            time.sleep(0.01)
        self.start_seconds = time.perf_counter() - start
        Machine.servers.append(self)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def load(self, executable: str, **options) -> list[dict]:
        """What `martlet bench serve` says for each number of clients."""
        arguments = ["serve", "--server", self.url]
        for name, value in options.items():
            arguments.append(f"--{name}")
            if value is not True:
                arguments += value if isinstance(value, list) else [value]
        return martlet(executable, *arguments)["levels"]

    def memory(self, field: str) -> float:
        """MiB of /proc/PID/status: VmRSS is resident now, VmHWM was at most."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(field + ":"))
        return int(line.split()[1]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        Machine.servers.remove(self)
        self.process.terminate()
        self.process.wait()


class MartletServer(Server):
    """int4, eight sequences of 2,048 tokens. The data folder outlives it where one is given."""

    def __init__(self, executable: str, model: pathlib.Path, threads: int, data: str | None = None):
        self.own = None if data else tempfile.mkdtemp()
        port = free_port()
        super().__init__(
            [executable, "serve", "--port", port, "--model", model, "--embedding-model", "none",
             "--quantize", "int4", "--threads", threads, "--context", 2048, "--max-sequences", 8,
             "--data", data or self.own], port)

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        if self.own:
            shutil.rmtree(self.own)


class LlamaServer(Server):
    """The same: eight slots of 2,048 tokens."""

    def __init__(self, model: pathlib.Path, threads: int):
        port = free_port()
        super().__init__(
            [LLAMA_CPP / "llama-server", "-m", model, "-t", threads, "-tb", threads, "-np", 8,
             "-c", 8 * 2048, "--port", port], port)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
