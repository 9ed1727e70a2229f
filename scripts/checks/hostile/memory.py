"""Memory under hostile bodies, answers and clients: each must be answered within the budget, and /livez meanwhile."""
import http.client, http.server, json, os, pathlib, resource, socket, subprocess, sys, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import loopback

# It watches a process grow, so it wants the release binary and a machine that does little else.
SLOW = True
MIB = 1 << 20
# The budget of the server that is measured, for all requests and for one, in MiB.
BUDGET, REQUEST = 384, 128
# What the process may have beside what is charged: the binary itself, buffers of connections, what the allocator keeps for the
# next request. A debug binary is larger.
BESIDE = 160
# How long /livez may take while something is translated, in seconds; a machine that is busy with other things adds its own.
LIVE = 1.0


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers as the model's name says."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        left, body = int(self.headers["content-length"]), b""
        while left:
            piece = self.rfile.read(min(left, MIB))
            body, left = body + piece[: max(0, 4096 - len(body))], left - len(piece)
        try:
            self.answer(json.loads(b'"' + body.split(b'"model":', 1)[1].split(b'"')[1] + b'"'), b'"stream":true' in body or b'"stream": true' in body)
        except (ConnectionError, TimeoutError):
            pass

    def answer(self, model, stream):
        kind, _, size = model.partition("-")
        getattr(self, kind)(int(size or 0), stream)

    def begin(self, kind):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def ok(self, _, stream):
        if stream:
            return self.text(0, stream)
        self.begin("application/json")
        self.wfile.write(json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
                                     "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}).encode())

    def chunk(self, delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}).encode() + b"\n\n"

    def text(self, size, _):
        """So many MiB of text in pieces."""
        self.begin("text/event-stream")
        piece = self.chunk({"content": "x" * 65536})
        self.wfile.write(self.chunk({"role": "assistant", "content": "a"}))
        for _ in range(size * 16):
            self.wfile.write(piece)
        self.wfile.write(self.chunk({}, "stop") + b"data: [DONE]\n\n")

    def values(self, size, _):
        """One event of so many MiB of small values."""
        self.begin("text/event-stream")
        self.wfile.write(self.chunk({"role": "assistant", "content": "a"}))
        self.wfile.write(b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"finish_reason":null,"delta":{"content":"b","x":[' + b"1," * (size * MIB // 2) + b"1]}}]}\n\n")
        self.wfile.write(self.chunk({}, "stop") + b"data: [DONE]\n\n")

    def line(self, size, _):
        """One event with a text of so many MiB."""
        self.begin("text/event-stream")
        self.wfile.write(self.chunk({"role": "assistant", "content": "a"}) + self.chunk({"content": "x" * (size * MIB)}))
        self.wfile.write(self.chunk({}, "stop") + b"data: [DONE]\n\n")

    def whole(self, size, _):
        """One answer of so many MiB of small values."""
        self.begin("application/json")
        self.wfile.write(b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"ok","x":[' + b"1," * (size * MIB // 2) + b"1]}}]}")


def number(pid, field):
    fields = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    return int(fields[field].split()[0]) / 1024


class Server:
    """A server, its memory, and the longest that /livez took."""

    def __init__(self, binary, upstream, address_space=None):
        self.port = loopback.any_port()
        models = {name: {} for name in ("ok", "text-0", "text-48", "text-300", "values-3", "values-15", "line-8", "line-15", "whole-8", "whole-60")}
        config = {"server": {"memory_mb": BUDGET, "request_memory_mb": REQUEST}, "retry": {"maxRetries": 0}, "log": {"level": "warn"},
                  "provider": {"up": {"npm": "@ai-sdk/openai-compatible", "models": models, "options": {"baseURL": f"http://127.0.0.1:{upstream}/v1", "apiKey": "k", "timeout": 120000}}}}
        if address_space or not knows_budget(binary):
            config.pop("server")
        folder = loopback.home()
        log = open(f"{folder}/log", "wb")
        limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))) if address_space else None
        self.process = subprocess.Popen([binary, "serve", "--port", str(self.port), "--log-format", "json"], env=loopback.environment(folder, config), stdout=log, stderr=log, cwd=folder, preexec_fn=limit)
        loopback.wait(f"http://127.0.0.1:{self.port}/livez", self.process, f"{folder}/log")
        self.slowest, self.running = 0.0, True
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while self.running:
            began = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                connection.request("GET", "/livez")
                connection.getresponse().read()
                connection.close()
            except OSError:
                pass
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.02)

    def lives(self):
        return self.process.poll() is None

    def stop(self):
        self.running = False
        self.thread.join(35)
        if self.lives():
            loopback.stop(self.process)


def knows_budget(binary):
    """An older binary, for comparison, does not know the keys."""
    shown = subprocess.run([binary, "config", "schema"], capture_output=True, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    return b"request_memory_mb" in shown.stdout or shown.returncode != 0


def post(port, path, body, read=True, announced=None):
    """Sends a body; returns the status and the answer's end, or what broke."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {loopback.TOKEN}\r\ncontent-type: application/json\r\ncontent-length: {announced or len(body)}\r\n\r\n".encode()
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    except OSError as failure:
        return 0, {}, repr(failure).encode()
    try:
        connection.sendall(head)
        connection.sendall(body)
    except OSError:
        pass
    if not read:
        return connection
    try:
        response = http.client.HTTPResponse(connection)
        response.begin()
        end = b""
        while piece := response.read(65536):
            end = (end + piece)[-2048:]
        return response.status, dict(response.getheaders()), end
    except (OSError, http.client.HTTPException) as failure:
        return 0, {}, repr(failure).encode()
    finally:
        connection.close()


def chat(model, inner=b"", stream=False, messages=b'[{"role":"user","content":"hi"}]'):
    return b'{"model":"up/' + model + b'","stream":' + (b"true" if stream else b"false") + b',"messages":' + messages + inner + b"}"


def claude(inner=b"", messages=b'[{"role":"user","content":"hi"}]', model=b"ok", stream=False):
    return chat(model, b',"max_tokens":9' + inner, stream, messages)


def values(size):
    return b',"metadata":{"x":[' + b"1," * (size * MIB // 2) + b"1]}"


def messages(count):
    return b"[" + b'{"role":"user","content":"a"},' * count + b'{"role":"user","content":"a"}]'


# Each: what is sent, and the statuses that are right. A stream that is refused on its way has begun with 200.
CASES = [
    ("20 MB of small values, to be translated", lambda: ("/v1/messages", claude(values(20))), {413}),
    ("20 MB of small values, relayed", lambda: ("/v1/chat/completions", chat(b"ok", values(20))), {200}),
    ("20 MB of empty objects, to be translated", lambda: ("/v1/messages", claude(b',"metadata":{"x":[' + b"{}," * (20 * MIB // 3) + b"1]}")), {413}),
    ("300,000 messages, to be translated", lambda: ("/v1/messages", claude(messages=messages(300_000))), {413}),
    ("20 MB of lists where the model's name belongs", lambda: ("/v1/chat/completions", b'{"model":[' + b"1," * (10 * MIB) + b'1],"messages":[]}'), {400}),
    ("1,000,000 times the same field", lambda: ("/v1/chat/completions", b"{" + b'"model":0,' * 1_000_000 + b'"messages":[]}'), {400}),
    ("a text of 16 MB, translated", lambda: ("/v1/messages", claude(messages=b'[{"role":"user","content":"' + b"lorem ipsum " * (16 * MIB // 12) + b'"}]')), {200}),
    ("a count of 20 MB of small values", lambda: ("/v1/messages/count_tokens", claude(values(20))), {413}),
    ("embeddings of 10,000,000 tokens, relayed", lambda: ("/v1/embeddings", b'{"model":"up/ok","input":[' + b"1," * 10_000_000 + b"1]}"), {200}),
    ("an event of 3 MB of small values", lambda: ("/v1/messages", claude(model=b"values-3", stream=True)), {200, 502}),
    ("an event of 15 MB of small values", lambda: ("/v1/messages", claude(model=b"values-15", stream=True)), {200, 502}),
    ("an event with a text of 8 MB", lambda: ("/v1/responses", b'{"model":"up/line-8","stream":true,"input":"hi"}'), {200}),
    ("an event with a text of 15 MB", lambda: ("/v1/responses", b'{"model":"up/line-15","stream":true,"input":"hi"}'), {200}),
    ("an answer of 8 MB of small values", lambda: ("/v1/messages", claude(model=b"whole-8")), {502}),
    ("a stream of 48 MB to responses", lambda: ("/v1/responses", b'{"model":"up/text-48","stream":true,"input":"hi"}'), {200}),
]
SLOW_CASES = [
    ("60 MB of small values, to be translated", lambda: ("/v1/messages", claude(values(60))), {413}),
    ("60 MB of small values, to responses", lambda: ("/v1/responses", b'{"model":"up/ok","input":"hi"' + values(60) + b"}"), {413}),
    ("1,000,000 messages, to be translated", lambda: ("/v1/messages", claude(messages=messages(1_000_000))), {413}),
    ("an answer of 60 MB of small values", lambda: ("/v1/messages", claude(model=b"whole-60")), {502}),
    ("a stream of 300 MB to responses", lambda: ("/v1/responses", b'{"model":"up/text-300","stream":true,"input":"hi"}'), {200}),
    ("a stream of 300 MB, relayed", lambda: ("/v1/chat/completions", chat(b"text-300", stream=True)), {200}),
]


def provider():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def measured(check, binary, cases, title):
    upstream = provider()
    server = Server(binary, upstream.server_address[1])
    try:
        if title == "usual":
            waiting(check, server)
            # The allocator gives back what the bodies took only after a while, which is not the next case's.
            server.stop()
            server = Server(binary, upstream.server_address[1])
        for name, make, right in cases:
            path, body = make()
            if not server.lives():
                server = Server(binary, upstream.server_address[1])
            open(f"/proc/{server.process.pid}/clear_refs", "w").write("5")
            server.slowest, began = 0.0, time.monotonic()
            status, _, end = post(server.port, path, body)
            took = time.monotonic() - began
            peak = number(server.process.pid, "VmHWM") if server.lives() else 0
            saw = f"status {status}, peak {peak:.0f} MB, {took:.1f} s, /livez at most {server.slowest * 1000:.0f} ms"
            passed = server.lives() and status in right and 0 < peak < REQUEST + BESIDE and server.slowest < LIVE
            check(name, passed, saw if passed else f"{saw}; {end[-200:]!r}")
    finally:
        server.stop()
        upstream.shutdown()


def waiting(check, server):
    """Streams that nobody reads and bodies that never end."""
    before = number(server.process.pid, "VmRSS")
    unread = [post(server.port, "/v1/chat/completions", chat(b"text-48", stream=True), read=False) for _ in range(30)]
    time.sleep(3)
    each = (number(server.process.pid, "VmRSS") - before) / len(unread)
    shown = [line for line in get(server.port, "/metrics").decode().splitlines() if "memory_used_bytes" in line and not line.startswith("#")]
    check("a stream that nobody reads holds less than 1.5 MB", each < 1.5, f"{each:.2f} MB each; {shown}")
    for connection in unread:
        connection.close()

    body = b'{"model":"up/ok","messages":"' + b"x" * (15 * MIB)
    opened = [post(server.port, "/v1/chat/completions", body, read=False, announced=16 * MIB) for _ in range(40)]
    time.sleep(1)
    rss = number(server.process.pid, "VmRSS")
    status, headers, end = post(server.port, "/v1/chat/completions", body + b'"}')
    headers = {name.lower(): value for name, value in headers.items()}
    check("40 unfinished bodies of 15 MB stay within the budget", rss < BUDGET + BESIDE, f"{rss:.0f} MB")
    check("one more is told to wait", status == 503 and "retry-after" in headers, f"status {status}, retry-after {headers.get('retry-after')}, {end[-160:]!r}")
    for connection in opened:
        connection.close()
    time.sleep(1)
    status, _, end = post(server.port, "/v1/chat/completions", chat(b"ok"))
    check("when they are gone, requests pass again", status == 200, f"status {status} {end[-160:]!r}")
    used = json.loads(get(server.port, "/health"))["checks"].get("memory", {}).get("used_bytes")
    check("nothing stays charged", used == 0, f"{used} bytes")


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"authorization": f"Bearer {loopback.TOKEN}"})
    return connection.getresponse().read()


def limited(check, binary):
    """The same bodies where the address space is limited and nothing is configured: the budget is derived from the limit."""
    upstream = provider()
    # The allocator reserves up to a gigabyte ahead, and each thread's stack counts.
    server = Server(binary, upstream.server_address[1], address_space=3 << 30)
    try:
        bad = []
        for name, make, _ in CASES:
            status, _, _ = post(server.port, *make())
            bad += [] if server.lives() and status else [f"{name}: status {status}"]
            if not server.lives():
                break
        status, _, _ = post(server.port, "/v1/chat/completions", chat(b"ok"))
        check("all of them with an address space of 3 GB: it answers and lives", server.lives() and not bad and status == 200, bad or f"status {status}")
    finally:
        server.stop()
        upstream.shutdown()


def run(check, binary):
    measured(check, binary, CASES, "usual")
    limited(check, binary)
