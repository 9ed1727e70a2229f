"""Looks at what `serve`, `run` and `doctor` show: lines of 80 columns, JSON and nothing else in pipes, restarts, fallbacks, local servers."""
import fcntl, http.client, http.server, json, os, pathlib, pty, re, select, signal, socket, struct, subprocess, termios, threading, time

import loopback

# What a slow machine with two busy cores may need.
PATIENCE = 60
COLUMNS = 80
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONG = "a-model-with-a-very-long-name-that-goes-on-and-on-20250929-preview"


class Answer(http.server.BaseHTTPRequestHandler):
    """A provider of chat completions, an Ollama, and a llama.cpp; the model `limited` is rate limited."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        lists = {"/api/tags": {"models": [{"name": "llama3.1:8b"}]},
                 "/v1/models": {"object": "list", "data": [{"id": "qwen", "owned_by": "llamacpp"}]}}
        found = lists.get(self.path)
        self.reply(200 if found else 404, found or {})

    def do_POST(self):
        model = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
        if model == "limited":
            return self.reply(429, {"error": {"message": "slow down " * 20}}, {"retry-after": "60"})
        self.reply(200, {"id": "c", "object": "chat.completion", "model": model, "usage": {"prompt_tokens": 340, "completion_tokens": 512, "total_tokens": 852},
                         "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]})

    def reply(self, status, value, headers={}):
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)


def fake():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Terminal:
    """A program on a terminal of 80×24; `text` is what it wrote, without colours."""

    def __init__(self, arguments, environment, folder):
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.process = subprocess.Popen(arguments, stdin=side, stdout=side, stderr=side, env=environment, cwd=folder, start_new_session=True)
        os.close(side)
        self.main, self.raw = main, b""

    @property
    def text(self):
        return ESCAPES.sub("", self.raw.decode(errors="replace")).replace("\r", "")

    def until(self, wanted, patience=PATIENCE):
        """Reads until a text came (True), or until the end or the patience (False)."""
        ends = time.monotonic() + patience
        while wanted not in self.text and time.monotonic() < ends:
            if not select.select([self.main], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(self.main, 65536)
            except OSError:
                break
            if not piece:
                break
            self.raw += piece
        return wanted in self.text

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        os.close(self.main)


class Machine:
    """A home of its own with a configuration in a file."""

    def __init__(self, binary, config, **variables):
        self.binary, self.home = binary, loopback.home()
        self.environment = {**loopback.environment(self.home, {}), "TERM": "xterm-256color", "NO_PROXY": "*", **variables}
        del self.environment["SWITCHYARD_CONFIG_CONTENT"]
        self.file = pathlib.Path(self.home, "config", "switchyard.jsonc")
        self.file.parent.mkdir()
        if config is not None:
            self.configure(config)

    def configure(self, config):
        self.file.write_text(json.dumps(config))

    def terminal(self, *arguments):
        return Terminal([self.binary, *arguments], self.environment, self.home)

    def run(self, *arguments):
        return subprocess.run([self.binary, *arguments], text=True, capture_output=True, timeout=PATIENCE, env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL)


def ask(port, model, path="/v1/chat/completions"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json", "authorization": f"Bearer {loopback.TOKEN}"})
    response = connection.getresponse()
    response.read()
    return response.status


def configuration(upstream, port):
    models = {"limited": {}, "m": {"cost": {"input": 3, "output": 15}}, LONG: {"cost": {"input": 3, "output": 15}}}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": f"http://127.0.0.1:{upstream.server_port}/v1", "apiKey": "{env:FAKE_KEY}"}, "models": models}
    return {"provider": {"acme": provider, "beta": provider}, "alias": {"fast": ["acme/limited", "beta/m"]}, "model": "beta/m", "server": {"port": port},
            "retry": {"maxRetries": 0}}


def line_with(text, part):
    return next((line for line in text.splitlines() if part in line), "")


def on_a_terminal(check, binary, upstream):
    port = loopback.any_port()
    config = configuration(upstream, port)
    # Five hours behind UTC, as POSIX writes it.
    machine = Machine(binary, config, FAKE_KEY="sk-fake-0123456789", TZ="EST5")
    shown = machine.terminal("serve")
    try:
        check("serve starts on a terminal", shown.until("switchyard.jsonc") and shown.until(f"http://127.0.0.1:{port}"), shown.text)
        for part in ['eval "$(switchyard env)"', "switchyard launch claude", "acme, beta", "beta/m", "config/switchyard.jsonc"]:
            check(f"it says at start: {part}", part in shown.text, shown.text)

        ask(port, "acme/m")
        shown.until("acme/m  ")
        line = line_with(shown.text, "acme/m  ")
        form = re.fullmatch(r"\d\d:\d\d:\d\d  200  acme/m  [\d.]+ m?s  340 in 512 out  \$0\.0087  chat", line)
        check("a request is one line: time, status, model, duration, tokens, cost, kind", form, line or shown.text)
        near = [time.strftime("%H:%M", time.gmtime(time.time() - 5 * 3600 - ago)) for ago in (0, 60, 120)]
        check("its time is local", line[:5] in near, f"{line[:8]}, it is {near[0]} there")

        ask(port, f"acme/{LONG}")
        ask(port, "fast")
        check("a fallback is told", shown.until("before: acme/limited was rate limited", 10), shown.text[-400:])
        ask(port, "fast")
        check("and that a target rests", shown.until("before: acme/limited rests for ", 10), shown.text[-400:])
        ask(port, "acme/limited")
        shown.until("  429  ")
        check("a failure is one reason", "slow down" in line_with(shown.text, "  429  "), line_with(shown.text, "  429  "))
        ask(port, "nosuch/model")
        shown.until("nosuch/model")

        config["server"]["port"], config["server"]["strict"] = port + 1, True
        machine.configure(config)
        check("a reload names what needs a restart", shown.until("server.port changed: restart to apply"), shown.text)
        check("and only that", "server.strict changed" not in shown.text, shown.text)

        requests = [line for line in shown.text.splitlines() if re.match(r"\d\d:\d\d:\d\d  \d{3}  |\s{10}", line)]
        widest = max(requests, key=len)
        check("every line of a request fits 80 columns", len(requests) >= 6 and len(widest) <= COLUMNS, f"{len(requests)} lines, widest {len(widest)}: {widest}")
    finally:
        shown.end()


def nothing_connected(check, binary):
    machine = Machine(binary, None)
    shown = machine.terminal("serve", "--port", "0")
    try:
        check("nothing connected is said with the way out", shown.until("nothing connected yet") and shown.until("switchyard auth login"), shown.text)
    finally:
        shown.end()


def in_a_pipe(check, binary, upstream):
    port = loopback.any_port()
    config = configuration(upstream, port)
    # Worth a warning at start.
    config["provider"]["acme"] = {**config["provider"]["acme"], "options": {**config["provider"]["acme"]["options"], "apiKey": "sk-plain-0123456789"}}
    for form in ([], ["--log-format", "json"]):
        machine = Machine(binary, config, FAKE_KEY="sk-fake-0123456789")
        pathlib.Path(machine.home, "opencode.json").write_text('{"provider": {"evil": {"options": {"baseURL": "http://127.0.0.1:9"}}}}')
        log = pathlib.Path(machine.home, "log")
        with log.open("wb") as out:
            process = subprocess.Popen([binary, "serve", *form], stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=machine.environment, cwd=machine.home)
        try:
            loopback.wait(f"http://127.0.0.1:{port}/livez", process, log)
            ask(port, "fast")
            machine.configure({**config, "log": {"level": "debug"}})
            ends = time.monotonic() + PATIENCE
            while "log.level changed" not in log.read_text() and time.monotonic() < ends:
                time.sleep(0.1)
        finally:
            loopback.stop(process)
        broken = [line for line in log.read_text().splitlines() if not is_json(line)]
        entries = [json.loads(line) for line in log.read_text().splitlines() if is_json(line)]
        word = " ".join(form) or "a pipe"
        check(f"{word}: every line is JSON", entries and not broken, broken[:2] or f"{len(entries)} lines")
        told = [entry for entry in entries if entry.get("failed_before")]
        check(f"{word}: the fallback is a field", told and told[0]["failed_before"] == "acme/limited was rate limited", told[:1])

        taken = socket.create_server(("127.0.0.1", 0))
        failed = machine.run("serve", *form, "--port", str(taken.getsockname()[1]))
        taken.close()
        check(f"{word}: a failure at start too", failed.returncode == 1 and failed.stderr and all(map(is_json, failed.stderr.splitlines())), failed.stderr)


def is_json(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def port_in_use(check, binary, upstream):
    machine = Machine(binary, None)
    failed = machine.run("serve", "--log-format", "text", "--port", str(upstream.server_port))
    check("a taken port names who has it, --port and SWITCHYARD_PORT",
          failed.returncode == 1 and all(part in failed.stderr for part in ["Ollama", "--port", "SWITCHYARD_PORT="]), failed.stderr)


def run_tells_fallbacks(check, binary, upstream):
    machine = Machine(binary, configuration(upstream, 0), FAKE_KEY="sk-fake-0123456789")
    told = machine.run("run", "-m", "fast", "hi")
    check("run tells a fallback on standard error", "acme/limited was rate limited; beta/m answers" in told.stderr and told.stdout == "hello\n", told.stderr)
    start = json.loads(machine.run("run", "-m", "fast", "--json", "hi").stdout.splitlines()[0])
    check("and in the start event", start.get("failed_before", [{}])[0].get("model") == "limited", start)
    debug = machine.run("run", "--debug", "-m", "fast", "hi").stderr
    check("run --debug prints the decisions", "asking" in debug and "call failed" in debug, debug)


def local_servers(check, binary, upstream):
    port = upstream.server_port
    for written in [f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/", f"0.0.0.0:{port}", f":{port}"]:
        found = Machine(binary, None, OLLAMA_HOST=written).run("doctor", "--check", "local").stdout
        check(f"OLLAMA_HOST={written}", f"Ollama runs at http://127.0.0.1:{port}" in found, found)

    for usual, name in [(8080, "llama.cpp"), (8081, "llama.cpp"), (8000, "vLLM")]:
        try:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", usual), Answer)
        except OSError:
            check(f"{name} on {usual}", True, "not looked at: the port is taken here")
            continue
        threading.Thread(target=server.serve_forever, daemon=True).start()
        machine = Machine(binary, None)
        found = machine.run("doctor", "--check", "local").stdout
        server.shutdown()
        server.server_close()
        # The fake says that it is a llama.cpp, wherever it is.
        check(f"an inference server on {usual} is found", f"llama.cpp runs at http://127.0.0.1:{usual}/v1" in found, found)

        shown = machine.terminal("serve", "--port", str(usual), "--dangerously-unauthenticated")
        try:
            shown.until(f"127.0.0.1:{usual}")
            shown.until("found", 2)
            others = Machine(binary, None).run("doctor", "--check", "local").stdout
            check(f"our own server on {usual} is none", f":{usual}" not in others and f"at http://127.0.0.1:{usual}" not in shown.text, others + shown.text)
        finally:
            shown.end()


def run(check, binary):
    upstream = fake()
    try:
        on_a_terminal(check, binary, upstream)
        nothing_connected(check, binary)
        in_a_pipe(check, binary, upstream)
        port_in_use(check, binary, upstream)
        run_tells_fallbacks(check, binary, upstream)
        local_servers(check, binary, upstream)
    finally:
        upstream.shutdown()
        upstream.server_close()
