"""Providers that never answer, drip, drown the answer in noise, quote keys or count absurdly: what a client sees, and how long it takes."""
import base64, http.client, json, socket, threading, time, urllib.parse

import loopback

SLOW = True
KEY = "sk-ab/cd+ef=0123456789"
ESCAPED = {
    "plain": KEY,
    "slashed": KEY.replace("/", "\\/"),
    "unicode": "".join(f"\\u{ord(c):04X}" if c in "/+=" else c for c in KEY),
    "all-unicode": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "percent": urllib.parse.quote(KEY, safe=""),
    "base64": base64.b64encode(f"user:{KEY}".encode()).decode(),
}
OPENED = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def chunk(content, finish=None, **more):
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return f"data: {json.dumps({**OPENED, 'choices': [choice], **more})}\n\n".encode()


ANSWER = chunk("hello") + chunk("", "stop", usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}) + b"data: [DONE]\n\n"


class Provider:
    """A fake provider on raw sockets. What it does is the name of the model."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.calls = self.socket.getsockname()[1], {}
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as reader:
            try:
                while True:
                    line = reader.readline()
                    if not line:
                        return
                    path, length = line.split()[1].decode(), 0
                    while (header := reader.readline().strip().lower()):
                        if header.startswith(b"content-length:"):
                            length = int(header[15:])
                    asked = json.loads(reader.read(length) or b"{}")
                    name = asked.get("model", "")
                    self.calls[name] = self.calls.get(name, 0) + 1
                    getattr(self, name.split(":")[0].replace("-", "_"))(connection.sendall, asked, path, name)
            except (OSError, ValueError):
                pass

    def head(self, send, status=200, kind="application/json", length=None, more=""):
        length = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        send(f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{length}\r\n{more}\r\n".encode())

    def piece(self, send, data):
        send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def whole(self, send, body, status=200, more=""):
        body = body.encode()
        self.head(send, status, length=len(body), more=more)
        send(body)

    def for_ever(self, send, data):
        while True:
            self.piece(send, data)
            time.sleep(0.2)

    def stream(self, send):
        self.head(send, kind="text/event-stream")

    def good(self, send, asked, path, name):
        if not asked.get("stream"):
            message = {"role": "assistant", "content": "hello"}
            return self.whole(send, json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}))
        self.stream(send)
        self.piece(send, ANSWER)
        send(b"0\r\n\r\n")

    def pings(self, send, *_):
        self.stream(send)
        self.for_ever(send, b": ping\n\n")

    def blanks(self, send, *_):
        self.stream(send)
        self.for_ever(send, chunk(""))

    def blank_lines(self, send, *_):
        self.head(send)
        self.for_ever(send, b"\n")

    def drip(self, send, *_):
        self.head(send, 500, length=1 << 20)
        while True:
            send(b" ")
            time.sleep(0.2)

    def noise(self, send, *_):
        self.stream(send)
        for _ in range(90):
            self.piece(send, b": " + b"x" * (64 << 10) + b"\n\n")
        time.sleep(60)

    def late_pings(self, send, *_):
        self.stream(send)
        self.piece(send, chunk("hello"))
        self.for_ever(send, b": ping\n\n")

    def late_blanks(self, send, *_):
        self.stream(send)
        self.piece(send, chunk("hello"))
        self.for_ever(send, chunk(""))

    def busy(self, send, asked, path, name):
        self.whole(send, '{"error":{"message":"slow down","type":"rate_limit_error"}}', 429, f"retry-after: {name.split(':')[1]}\r\n")

    def busy_once(self, send, asked, path, name):
        if self.calls[name] > 1:
            return self.good(send, asked, path, name)
        self.whole(send, '{"error":{"message":"slow down","type":"rate_limit_error"}}', 429, "retry-after: 1\r\n")

    def quote(self, send, asked, path, name):
        body = '{"error":{"message":"bad key %s","type":"invalid","code":"%s"}}' % ((ESCAPED[name.split(":")[1]],) * 2)
        self.whole(send, body, 401, f"x-ratelimit-remaining-requests: {KEY}\r\n")

    def quote_success(self, send, asked, path, name):
        self.whole(send, '{"error":{"message":"bad key %s"}}' % ESCAPED[name.split(":")[1]])

    def quote_in_stream(self, send, asked, path, name):
        self.stream(send)
        self.piece(send, chunk("hello"))
        self.piece(send, ('data: {"error":{"message":"bad key %s"}}\n\n' % ESCAPED[name.split(":")[1]]).encode())
        send(b"0\r\n\r\n")

    def counts(self, send, *_):
        self.stream(send)
        self.piece(send, chunk("hello"))
        self.piece(send, chunk("", "stop", usage={"prompt_tokens": 2**64 - 1, "completion_tokens": 2**64 - 1, "total_tokens": -1}) + b"data: [DONE]\n\n")
        send(b"0\r\n\r\n")

    def silent(self, send, *_):
        time.sleep(60)


class Gateway:
    """A running server and how it is asked."""

    def __init__(self, binary, provider, models):
        place = {"npm": "@ai-sdk/openai-compatible", "models": {name: {} for name in models}}
        options = {"baseURL": f"http://127.0.0.1:{provider.port}/v1", "apiKey": KEY, "firstContentTimeout": 1000, "chunkTimeout": 1000}
        config = {
            "catalog": {"offline": True},
            "provider": {
                "bad": {**place, "options": options},
                "fine": {**place, "models": {"good": {}}, "options": {**options, "apiKey": "other-key-0123456789"}},
                "bare": {**place, "models": {"good": {}}, "options": {"baseURL": "https://api.example.com/v1"}},
            },
            "alias": {name.replace(":", "-"): [f"bad/{name}", "fine/good"] for name in models},
            "retry": {"baseDelay": 100, "maxRetries": 3},
        }
        self.port = loopback.any_port()
        self.process = loopback.start(binary, self.port, config)

    def ask(self, model, stream=True, path="/v1/chat/completions", body=None, headers=(), timeout=30):
        """Returns status, headers, text and how long it took."""
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        body = body or json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}], "input": "hi"})
        connection.request("POST", path, body, {"content-type": "application/json", "authorization": f"Bearer {loopback.TOKEN}", **dict(headers)})
        answer = connection.getresponse()
        try:
            text = answer.read().decode()
        except http.client.IncompleteRead as cut:
            text = cut.partial.decode()
        return answer.status, dict(answer.getheaders()), text, time.monotonic() - begun

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/metrics", headers={"authorization": f"Bearer {loopback.TOKEN}"})
        return connection.getresponse().read().decode()


def run(check, binary):
    provider = Provider()
    quotes = [f"{how}:{form}" for how in ("quote", "quote-success", "quote-in-stream") for form in ESCAPED]
    models = ["pings", "blanks", "blank-lines", "drip", "noise", "late-pings", "late-blanks", "busy:5", "busy-once", "counts", "silent", *quotes]
    gateway = Gateway(binary, provider, models)
    try:
        falls_back(check, gateway)
        breaks(check, gateway)
        fails_over(check, gateway, provider)
        hides(check, gateway)
        holds(check, gateway, provider)
    finally:
        loopback.stop(gateway.process)
        provider.socket.close()


def falls_back(check, gateway):
    for name, stream, longest in [("pings", True, 5), ("blanks", True, 5), ("blank-lines", False, 9), ("drip", False, 9), ("noise", True, 5)]:
        try:
            status, headers, text, took = gateway.ask(name, stream)
        except OSError as error:
            check(f"{name}: another target answers", False, f"{error!r} after 30 s")
            continue
        passed = status == 200 and headers.get("x-switchyard-provider") == "fine" and "hello" in text and took < longest
        check(f"{name}: another target answers", passed, f"{status} by {headers.get('x-switchyard-provider')} after {took:.1f} s")


def breaks(check, gateway):
    for name in ["late-pings", "late-blanks"]:
        try:
            status, _, text, took = gateway.ask(name)
        except OSError as error:
            check(f"{name}: the stream ends", False, f"{error!r} after 30 s")
            continue
        check(f"{name}: the stream ends with an error", status == 200 and "hello" in text and '"error"' in text and took < 9, f"after {took:.1f} s: {text[-160:]}")


def fails_over(check, gateway, provider):
    status, headers, _, took = gateway.ask("busy-5", False)
    check("a rate limit is left for the next target at once", status == 200 and headers["x-switchyard-provider"] == "fine" and took < 2, f"{headers.get('x-switchyard-provider')} after {took:.1f} s")
    status, headers, _, took = gateway.ask("busy-once", False, headers={"x-switchyard-failover": "wait"})
    check("it is waited for on request", status == 200 and headers["x-switchyard-provider"] == "bad" and took >= 1, f"{headers.get('x-switchyard-provider')} after {took:.1f} s")
    status, _, text, _ = gateway.ask("busy-once", False, headers={"x-switchyard-failover": "soon"})
    check("an unknown wish is refused", status == 400 and "immediate" in text, text)


def hides(check, gateway):
    for form in ESCAPED:
        for how, stream, path in [
            ("quote", False, "/v1/chat/completions"), ("quote", True, "/v1/messages"), ("quote", False, "/v1/embeddings"),
            ("quote-success", False, "/v1/embeddings"), ("quote-success", False, "/v1/chat/completions"), ("quote-in-stream", True, "/v1/chat/completions"), ("quote-in-stream", True, "/v1/responses"),
        ]:
            body = json.dumps({"model": f"bad/{how}:{form}", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "hi"}], "input": "hi"})
            status, headers, text, _ = gateway.ask("", body=body, path=path)
            seen = text + "".join(headers.values())
            decoded = urllib.parse.unquote(seen.replace("\\/", "/").encode().decode("unicode_escape"))
            leaks = [word for word in (KEY, ESCAPED["base64"]) if word in decoded or word in seen]
            check(f"{how} {form} at {path}: the key does not show", not leaks and "bad key" in text, f"{status} {text[-150:]}")


def holds(check, gateway, provider):
    status, _, text, _ = gateway.ask("bad/counts")
    counted = [line for line in gateway.metrics().splitlines() if "tokens" in line and 'model="counts"' in line]
    values = [float(line.rsplit(" ", 1)[1]) for line in counted]
    check("absurd token counts do not wrap", status == 200 and values and max(values) < 2**50, f"{values}")

    deep = '{"model":"bad/good","messages":[{"role":"user","content":%s}]}' % ("[" * 5000 + "]" * 5000)
    before = provider.calls.get("good", 0)
    status, headers, text, _ = gateway.ask("", body=deep)
    check("deep JSON is refused once, without a call", status == 400 and provider.calls.get("good", 0) == before, f"{status} {text}")

    status, _, text, _ = gateway.ask("x" * (4 << 20))
    check("a name of 4 MB is refused and not repeated", status == 400 and len(text) < 600, f"{status} {len(text)} bytes: {text}")
    status, _, text, _ = gateway.ask("y" * 300)
    check("a long unknown name is cut in the error", status == 404 and "y" * 100 not in text, f"{status} {text}")
    for blank in ["", "  "]:
        status, _, text, _ = gateway.ask(blank)
        check(f"the name {blank!r} does not call the default model", status == 400, f"{status} {text}")

    status, headers, text, _ = gateway.ask("bare/good", False)
    check("nothing was sent without a key, and that is said", (status, headers.get("x-switchyard-attempts")) == (401, "0"), f"{status} attempts {headers.get('x-switchyard-attempts')}: {text}")

    for path in ["/v1/chat/completions", "/v1/embeddings"]:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        body = json.dumps({"model": "bad/silent", "messages": [{"role": "user", "content": "hi"}], "input": "hi"})
        connection.request("POST", path, body, {"authorization": f"Bearer {loopback.TOKEN}"})
        time.sleep(0.3)
        connection.close()
    left = []
    for _ in range(40):
        left = [line for line in gateway.metrics().splitlines() if 'status="499"' in line]
        if len(left) == 2:
            break
        time.sleep(0.1)
    check("requests that leave before the answer's head are counted", len(left) == 2, left)
