"""Connections that do nothing, too slowly, or in number: each is ended in time, and a good client is answered meanwhile."""
import http.client, json, os, resource, signal, socket, subprocess, threading, time
import loopback

LIMITS = {"timeouts": {"head": 1, "body": 1, "idle": 2, "send": 3}}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
POST = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {loopback.TOKEN}\r\ncontent-type: application/json\r\n"


class Server:
    """A server with these limits; `files` is its `ulimit -n`."""

    def __init__(self, binary, server, files=None, provider=None):
        self.port = loopback.any_port()
        home = loopback.home()
        config = {"server": server, "catalog": {"offline": True}}
        if provider:
            config["provider"] = {"p": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": f"http://127.0.0.1:{provider}/v1", "apiKey": "k"}, "models": {"m": {}}}}
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None
        log = open(f"{home}/log", "wb")
        self.process = subprocess.Popen([binary, "serve", "--port", str(self.port), "--log-format", "json"], env=loopback.environment(home, config), stdout=log, stderr=log, cwd=home, preexec_fn=limit)
        loopback.wait(f"http://127.0.0.1:{self.port}/livez", self.process, f"{home}/log")
        self.home = home

    def __enter__(self):
        return self

    def __exit__(self, *_):
        loopback.stop(self.process)

    def connect(self, sent=b""):
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        opened.sendall(sent)
        return opened

    def good(self):
        """Returns the status that a good client gets, and after how long."""
        began = time.monotonic()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
            connection.request("GET", "/livez")
            return connection.getresponse().status, time.monotonic() - began
        except OSError as error:
            return repr(error), time.monotonic() - began


def ended(opened, longest=15):
    """Returns after how long the server closed, and what it said."""
    began, said = time.monotonic(), b""
    opened.settimeout(longest)
    try:
        while True:
            part = opened.recv(65536)
            if not part:
                return time.monotonic() - began, said
            said += part
    except ConnectionResetError:
        return time.monotonic() - began, said
    except TimeoutError:
        return None, said


class Provider:
    """Answers each request after a moment, whole or as a stream."""

    def __init__(self, wait):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.wait, self.left = self.socket.getsockname()[1], wait, threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            opened, _ = self.socket.accept()
            threading.Thread(target=self.answer, args=(opened,), daemon=True).start()

    def answer(self, opened):
        opened.recv(1 << 20)
        opened.settimeout(self.wait)
        try:
            if opened.recv(1) == b"":
                self.left.set()
                return
        except TimeoutError:
            pass
        body = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "late"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
        opened.sendall(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        opened.close()


def times(check, binary):
    with Server(binary, LIMITS) as server:
        cases = [
            ("a silent connection", b"", b""),
            ("a head that does not go on", b"GET /livez HTTP/1.1\r\nhost: loc", b" 408 "),
            ("an HTTP/2 preface and nothing behind it", PREFACE, b""),
            ("half an HTTP/2 preface", PREFACE[:10], b""),
            ("a body that does not go on", (POST + "content-length: 1000\r\n\r\n{").encode(), b" 408 "),
            ("a connection without a further request", b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n", b" 200 "),
        ]
        for name, sent, said in cases:
            seconds, answer = ended(server.connect(sent))
            check(f"{name} is ended in time", seconds is not None and seconds < 8 and said in answer, f"{seconds} s, {answer[:60]}")

        opened = server.connect()
        began = time.monotonic()
        try:
            for byte in b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx-" + b"a" * 200:
                opened.sendall(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            pass
        check("a head of one byte now and then is ended in time", time.monotonic() - began < 8, f"{time.monotonic() - began:.1f} s")
        check("a good client is answered", server.good()[0] == 200)


def crowds(check, binary):
    with Server(binary, {"timeouts": {"head": 600, "idle": 600}}, files=256) as server:
        crowd = []
        for _ in range(400):
            try:
                crowd.append(server.connect())
            except OSError:
                break
        status, seconds = server.good()
        files = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        check("with 256 files and 400 silent connections a good client is answered", status == 200 and seconds < 3, f"{status} after {seconds:.2f} s, {len(crowd)} connected, {files} files open")
        check("files are kept in reserve", files < 224, files)
        for opened in crowd:
            opened.close()

    with Server(binary, {"connections": {"max_per_address": 5}, "timeouts": {"body": 60}}) as server:
        crowd = [server.connect((POST + "content-length: 1000\r\n\r\n{").encode()) for _ in range(5)]
        time.sleep(0.3)
        seconds, answer = ended(server.connect(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"), 5)
        check("where all connections of an address are at work, a further one is told so at once", seconds is not None and seconds < 3 and b" 503 " in answer and b"retry-after" in answer.lower(), f"{seconds} s, {answer[:80]}")
        crowd[0].close()
        time.sleep(1.5)
        check("and finds room when one has gone", server.good()[0] == 200)
        for opened in crowd:
            opened.close()


def answers(check, binary):
    provider = Provider(1)
    with Server(binary, {"body_limit_mb": 1}, provider=provider.port) as server:
        big = b"x" * (8 << 20)
        for name, head, status in [("401", POST.replace(loopback.TOKEN, "wrong"), b" 401 "), ("413", POST, b" 413 ")]:
            opened = server.connect((head + f"content-length: {len(big)}\r\n\r\n").encode())
            try:
                opened.sendall(big)
                seconds, answer = ended(opened)
            except OSError as error:
                seconds, answer = None, repr(error).encode()
            check(f"{name} arrives at a client that sends all of its body first", status in answer, answer[:80])

        body = json.dumps({"model": "p/m", "messages": [{"role": "user", "content": "x"}]})
        request = (POST + f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}").encode()
        opened = server.connect(request)
        opened.shutdown(socket.SHUT_WR)
        seconds, answer = ended(opened)
        check("a client that ended its side gets its answer", b" 200 " in answer and b"late" in answer, answer[-80:])

        provider.wait = 20
        opened = server.connect(request)
        time.sleep(0.5)
        opened.close()
        check("a client that left ends the provider's work", provider.left.wait(10))

        plain = POST.replace("content-type", "content-encoding: IDENTITY\r\ncontent-type").replace("/chat/completions", "/messages/count_tokens")
        counted = json.dumps({"model": "p/m", "messages": [{"role": "user", "content": "x"}]})
        _, answer = ended(server.connect((plain + f"content-length: {len(counted)}\r\nconnection: close\r\n\r\n{counted}").encode()))
        check("content-encoding: IDENTITY is no encoding", b" 200 " in answer, answer[:80])

        opened = server.connect((POST + "content-length: 1000\r\n\r\n{").encode())
        time.sleep(0.3)
        opened.close()
        time.sleep(1.5)
        lines = [json.loads(line) for line in open(f"{server.home}/log") if line.startswith("{")]
        left = [line for line in lines if line.get("status") in (400, 499) and line.get("path") == "/v1/chat/completions"]
        check("a request that was given up within its body has its line", bool(left), left[-1:] or "none")


def memory(check, binary):
    """Many streams without a token that nobody reads, on one HTTP/2 connection."""
    with Server(binary, {}) as server:
        path, authority = b"/openapi.json", b"localhost"
        block = b"\x82\x86\x04" + bytes([len(path)]) + path + b"\x01" + bytes([len(authority)]) + authority
        settings = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + b"\x00\x04\x00\x00\x00\x00"

        def resident():
            return int(next(line for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmRSS")).split()[1])

        server.good()
        before, crowd = resident(), []
        for _ in range(10):
            frames = b"".join(len(block).to_bytes(3, "big") + b"\x01\x05" + number.to_bytes(4, "big") + block for number in range(1, 1001, 2))
            crowd.append(server.connect(PREFACE + settings + frames))
        time.sleep(2)
        grown = (resident() - before) / len(crowd) / 1024
        check("500 unread HTTP/2 streams without a token cost little", grown < 4, f"{grown:.2f} MB a connection")
        check("a good client is answered meanwhile", server.good()[0] == 200)
        for opened in crowd:
            opened.close()


SLOW = True


def run(check, binary):
    times(check, binary)
    crowds(check, binary)
    answers(check, binary)
    memory(check, binary)
