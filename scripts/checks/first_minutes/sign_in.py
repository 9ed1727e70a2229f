"""Signs in as a new user would: the list on small terminals, keys that are taken, refused and never answered, servers by URL."""
import http.server, json, os, pathlib, pty, re, select, signal, struct, subprocess, threading, time, urllib.request

import loopback

GOOD, BAD = "sk-good-0123456789abcdef", "sk-bad-0123456789abcdef"
QUESTION = "Which provider?"
# What a slow machine with two busy cores may need.
PATIENCE = 60


class Provider(http.server.ThreadingHTTPServer):
    """A fake provider: `strict` knows one key, `open` wants none, `hang` never answers, `bare` has no list of models."""

    daemon_threads = True

    def __init__(self, mode):
        super().__init__(("127.0.0.1", 0), Answer)
        self.mode, self.stopping = mode, threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def stop(self):
        self.stopping.set()
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        if server.mode == "hang":
            server.stopping.wait(PATIENCE)
            return
        if server.mode == "bare" or self.path.split("?")[0] != "/v1/models":
            return self.reply(404, {"error": {"message": "no such route"}})
        if server.mode == "strict" and self.headers.get("authorization") != f"Bearer {GOOD}":
            return self.reply(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
        self.reply(200, {"object": "list", "data": [{"id": "alpha"}, {"id": "beta"}]})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.server.mode == "strict" and self.headers.get("authorization") != f"Bearer {GOOD}":
            return self.reply(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
        self.reply(200, {"id": "c", "object": "chat.completion", "model": "alpha", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]})

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Machine:
    """A home of its own, in which the binary is run."""

    def __init__(self, binary, config=None, **variables):
        self.binary, self.home = binary, loopback.home()
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.home, "SWITCHYARD_HOME": self.home,
                            "SWITCHYARD_OFFLINE": "1", "TERM": "xterm-256color", "LANG": "C.UTF-8", **variables}
        if config:
            folder = pathlib.Path(self.home, "config")
            folder.mkdir()
            (folder / "switchyard.jsonc").write_text(json.dumps(config))

    def run(self, *arguments, key=""):
        return subprocess.run([self.binary, *arguments], input=key, text=True, capture_output=True, timeout=PATIENCE,
                              env=self.environment, cwd=self.home)

    def json(self, *arguments):
        return json.loads(self.run(*arguments).stdout)


class Screen:
    """A terminal of a size: what the binary writes to it, as lines. It knows the few commands that the binary uses."""

    def __init__(self, machine, rows, columns, *arguments):
        import fcntl, termios
        self.rows, self.columns = rows, columns
        self.lines, self.row, self.column, self.scrolled = [""] * rows, 0, 0, 0
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(machine.home)
            # The size is set before the binary begins.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(machine.binary, [machine.binary, *arguments], machine.environment)

    def type(self, text):
        os.write(self.terminal, text.encode())

    def until(self, found, seconds=PATIENCE):
        """Reads until the screen shows what is looked for."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    self.write(os.read(self.terminal, 65536).decode(errors="replace"))
                except OSError:
                    return found(self)
            elif found(self):
                return True
        return found(self)

    def write(self, text):
        for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|.|\n", text):
            if piece.startswith("\x1b["):
                self.command(piece[-1], piece[2:-1])
            elif piece == "\n":
                self.row += 1
            elif piece == "\r":
                self.column = 0
            elif piece == "\b":
                self.column = max(0, self.column - 1)
            elif piece >= " ":
                if self.column >= self.columns:
                    self.row, self.column = self.row + 1, 0
                self.scroll()
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[:self.column] + piece + line[self.column + 1:]
                self.column += 1
            self.scroll()

    def scroll(self):
        while self.row >= self.rows:
            self.lines, self.row, self.scrolled = self.lines[1:] + [""], self.row - 1, self.scrolled + 1

    def command(self, name, count):
        number = int(count) if count.isdigit() else 1
        if name in "FA":
            self.row = max(0, self.row - number)
        if name in "FG":
            self.column = 0
        if name == "B":
            self.row += number
        if name == "D":
            self.column = max(0, self.column - number)
        if name == "C":
            self.column += number
        if name == "K":
            self.lines[self.row] = "" if count == "2" else self.lines[self.row][:self.column]
        if name == "J":
            self.lines[self.row] = self.lines[self.row][:self.column]
            self.lines[self.row + 1:] = [""] * (self.rows - self.row - 1)

    def shows(self, text):
        return any(text in line for line in self.lines)

    def text(self):
        return " | ".join(line.strip() for line in self.lines if line.strip())

    def current(self):
        return next((line for line in self.lines if "●" in line), "")

    def close(self):
        try:
            os.kill(self.process, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.process, 0)
        os.close(self.terminal)


def custom(url):
    return {"npm": "@ai-sdk/openai-compatible", "env": ["FAKE_API_KEY"], "options": {"baseURL": url}, "models": {"alpha": {}}}


def the_list(check, binary):
    for rows, columns in [(24, 80), (40, 100)]:
        machine = Machine(binary, GROQ_API_KEY="gsk_0123456789abcdef")
        screen = Screen(machine, rows, columns, "auth", "login")
        size = f"{columns}x{rows}"
        try:
            screen.until(lambda screen: screen.shows("more below"))
            check(f"{size}: the question stays on the screen", screen.shows(QUESTION) and screen.scrolled == 0, screen.text())
            window = [line for line in screen.lines if "●" in line or "○" in line]
            check(f"{size}: a window of ten rows, the key that is set first",
                  1 < len(window) <= 10 and "GROQ_API_KEY is set" in window[0] and "Anthropic" in window[1], window[:2])
            check(f"{size}: hints and another server are offered", screen.shows("enter choose") and screen.shows("OpenAI-compatible URL"))

            screen.type("openai")
            screen.until(lambda screen: screen.shows("search: openai"))
            check(f"{size}: the cursor is on the best match", "OpenAI " in screen.current(), screen.current())
            screen.type("\x15zzqq")
            screen.until(lambda screen: screen.shows("search: zzqq"))
            check(f"{size}: scattered letters match nothing", "OpenAI-compatible URL" in screen.current(), screen.text())
            screen.type("\x1b")
            screen.until(lambda screen: screen.shows("type to search"))
            screen.type("\x1b[B" * 30)
            screen.until(lambda screen: screen.shows("more above"))
            check(f"{size}: the cursor is always in the window", bool(screen.current()) and screen.shows(QUESTION), screen.current())
            screen.type("\x15anthropic\r")
            screen.until(lambda screen: screen.shows("API key of"))
            check(f"{size}: enter takes the row that is seen", screen.shows("API key of anthropic"), screen.text())
            check(f"{size}: the page for keys is shown", screen.shows("console.anthropic.com"), screen.text())
        finally:
            screen.close()


def other_server(check, binary):
    provider = Provider("strict")
    machine = Machine(binary)
    screen = Screen(machine, 24, 80, "auth", "login")
    try:
        screen.until(lambda screen: screen.shows("more below"))
        screen.type("other\r")
        screen.until(lambda screen: screen.shows("Its address"))
        screen.type(provider.url.removesuffix("/v1") + "\r")
        screen.until(lambda screen: screen.shows("A name for it"))
        screen.type("mine\r")
        screen.until(lambda screen: screen.shows("API key of mine"))
        screen.type(GOOD + "\r")
        screen.until(lambda screen: screen.shows("(verified)"))
        check("other: address, name and key make a provider", screen.shows("stored the key of mine (verified)"), screen.text())
        check("other: the key was never on the screen", not any(GOOD[:10] in line for line in screen.lines))
    finally:
        screen.close()
    models = machine.run("models", "mine").stdout.split()
    check("other: its models are known", models == ["mine/alpha", "mine/beta"], models)
    provider.stop()


def keys(check, binary):
    provider = Provider("strict")
    machine = Machine(binary, {"provider": {"fake": custom(provider.url)}}, FAKE_API_KEY="sk-of-the-environment-9999")

    refused = machine.run("auth", "login", "fake", key=BAD)
    check("a rejected key is told and not stored", refused.returncode == 4 and "Incorrect API key" in refused.stderr and "nothing was stored" in refused.stderr, refused.stderr)
    forced = machine.run("auth", "login", "fake", "--force", key=BAD)
    check("--force stores it with a warning", forced.returncode == 0 and "rejected" in forced.stderr, forced.stderr)
    listed = machine.json("auth", "list", "--json")
    check("the list has both keys and marks the one in use",
          [(entry["source"], entry["used"]) for entry in listed] == [("vault", True), ("environment variable FAKE_API_KEY", False)], listed)
    check("the list says that it was rejected", listed[0]["last_use"]["outcome"] == "rejected" and listed[0]["last_use"]["status"] == 401, listed[0])
    doctor = machine.run("doctor", "--json", "--check", "auth")
    broken = [entry for entry in json.loads(doctor.stdout) if entry["status"] == "broken"]
    check("doctor --json calls it broken, with what to do", doctor.returncode == 1 and bool(broken) and "auth login fake" in broken[0]["help"], doctor.stdout)

    second = machine.run("auth", "login", "fake", key=GOOD)
    check("a second sign-in says what it replaces", "replaces the stored key …cdef" in second.stderr and "(verified)" in second.stderr, second.stderr)
    text = machine.run("auth", "list").stdout
    check("the list says that it was ok, and when", re.search(r"ok at \d{4}-\d\d-\d\d \d\d:\d\d UTC", text) is not None, text)
    check("the list is plain in a pipe", "\x1b" not in text)
    state = "".join(file.read_text(errors="replace") for file in pathlib.Path(machine.home, "state").glob("*.json"))
    check("the state folder holds no key", GOOD not in state and BAD not in state and "cdef" not in state, state)
    provider.stop()

    for mode, words in [("hang", "did not answer within 5 s"), ("bare", "no list of models"), ("open", "to anybody")]:
        provider = Provider(mode)
        machine = Machine(binary, {"provider": {"fake": custom(provider.url)}})
        begun = time.monotonic()
        stored = machine.run("auth", "login", "fake", key=GOOD)
        took = time.monotonic() - begun
        check(f"{mode}: stored, and called not verified", "not verified" in stored.stderr and words in stored.stderr, stored.stderr)
        check(f"{mode}: it does not take long", took < 30, f"{took:.1f} s")
        provider.stop()


def by_url(check, binary):
    provider = Provider("strict")
    machine = Machine(binary)
    added = machine.run("auth", "login", provider.url, "--name", "mine", key=GOOD)
    check("a URL adds a provider", added.returncode == 0 and "with 2 models" in added.stderr, added.stderr)
    asked = machine.run("run", "-m", "mine/alpha", "hi", key="")
    check("the provider works", asked.returncode == 0 and "hello" in asked.stdout, asked.stderr or asked.stdout)
    again = machine.run("auth", "login", provider.url, key=GOOD)
    check("the same URL is the same provider", "provider mine has" in again.stderr and "replaces the stored key" in again.stderr, again.stderr)
    provider.stop()

    provider = Provider("open")
    added = machine.run("auth", "login", provider.url.removesuffix("/v1"), key="")
    check("a server without keys needs none", added.returncode == 0 and f"{provider.url} as provider local-{provider.server_port}" in added.stderr, added.stderr)
    provider.stop()

    nobody = machine.run("auth", "login", f"http://127.0.0.1:{loopback.any_port()}/v1", key="")
    check("an address that does not answer is not stored", nobody.returncode != 0 and "nothing was stored" in nobody.stderr, nobody.stderr)
    near = machine.run("auth", "login", "opneai", key=GOOD)
    check("a misspelt provider is recognised", near.returncode == 5 and "did you mean `openai`" in near.stderr, near.stderr)


def running_server(check, binary):
    """What the server's requests say of a key reaches the listings and its health report."""
    provider, port = Provider("strict"), loopback.any_port()
    machine = Machine(binary, {"provider": {"fake": custom(provider.url)}}, FAKE_API_KEY=GOOD, SWITCHYARD_TOKEN=loopback.TOKEN)
    log = open(f"{machine.home}/log", "wb")
    server = subprocess.Popen([binary, "serve", "--port", str(port)], env=machine.environment, cwd=machine.home, stdout=log, stderr=log)
    try:
        loopback.wait(f"http://127.0.0.1:{port}/livez", server, f"{machine.home}/log")
        chat = next(front for front in loopback.FRONTS if front.name == "chat")
        connection, answer = chat.ask(port, "fake/alpha", "hi", False)
        answer.read()
        connection.close()

        deadline, outcome = time.monotonic() + PATIENCE, None
        while outcome is None and time.monotonic() < deadline:
            time.sleep(0.5)
            outcome = machine.json("auth", "list", "--json")[0]["last_use"]
        check("a request through the server is the key's last use", bool(outcome) and outcome["outcome"] == "ok", outcome)

        health = urllib.request.Request(f"http://127.0.0.1:{port}/health", headers={"authorization": f"Bearer {loopback.TOKEN}"})
        providers = json.load(urllib.request.urlopen(health, timeout=PATIENCE))["checks"]["providers"]
        fake = next((entry for entry in providers if entry["id"] == "fake"), {})
        check("/health tells the key in use and its last use", (fake.get("key") or {}).get("last_use", {}).get("outcome") == "ok", fake)

        limits = pathlib.Path(f"/proc/{server.pid}/limits")
        if limits.exists():
            core = next(line for line in limits.read_text().splitlines() if "core file" in line)
            check("no core file is written", core.split()[4:6] == ["0", "0"], core)
    finally:
        loopback.stop(server)
        provider.stop()


def run(check, binary):
    binary = str(pathlib.Path(binary).resolve())
    for part in (the_list, other_server, keys, by_url, running_server):
        part(check, binary)
