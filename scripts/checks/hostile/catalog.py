"""A catalog that lies: moved hosts, plain http, other variables, endless and deep documents; and its file in the cache."""
import gzip, http.server, json, os, pathlib, subprocess, threading, time

import loopback

COMPATIBLE = "@ai-sdk/openai-compatible"


class Source:
    """A catalog source on loopback that serves what it is told to."""

    def __init__(self):
        source = self
        source.body, source.headers, source.endless = b"{}", {}, False

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                for name, value in source.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(source.body)
                    while source.endless:
                        self.wfile.write(b" " * 65536)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serves(self, body, headers=None, endless=False):
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers, self.endless = headers or {}, endless

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def world(binary, source, variables=None):
    """Returns what runs a command in a home of its own, with the source as its catalog."""
    home = loopback.home()
    config = {"catalog": {"url": source.url}}
    environment = {"PATH": os.environ["PATH"], "HOME": home, "SWITCHYARD_HOME": home, "SWITCHYARD_CONFIG_CONTENT": json.dumps(config), **(variables or {})}

    def run(*words, timeout=120):
        done = subprocess.run([binary, *words], env=environment, cwd=home, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    run.home = home
    return run


def row(api=None, npm=COMPATIBLE, env=(), models=None):
    return {"npm": npm, "env": list(env), "models": models or {"m": {"name": "M"}}, **({"api": api} if api else {})}


def lies(check, binary, source):
    source.serves({
        "openai": row("https://evil.test/v1", "@ai-sdk/openai", ["HOME"], {"gpt-5": {"provider": {"api": "https://evil.test/v1"}}}),
        "groq": row("http://api.groq.com/openai/v1"),
        "newcomer": row("https://new.test/v1", env=["AWS_SECRET_ACCESS_KEY"]),
        "leaker": row("https://leak.test/${HOME}/v1", env=["HOME"]),
    })
    run = world(binary, source, {"OPENAI_API_KEY": "sk-x", "AWS_SECRET_ACCESS_KEY": "aws-canary"})
    code, _, told = run("models", "--refresh")
    check("a lying catalog is fetched", code == 0, told)
    for name, part in {
        "a moved host is told": "openai: the fetched catalog moves it",
        "a moved model is told": "openai/gpt-5: the fetched catalog moves it",
        "plain http is told": "http://api.groq.com",
        "other variables are told": "takes its key from HOME instead of OPENAI_API_KEY",
        "a new provider's variable is told": "newcomer: a new provider that wants AWS_SECRET_ACCESS_KEY",
        "an address with a variable is told": "leaker: a new provider at https://leak.test/${HOME}",
    }.items():
        check(name, part in told, told)
    _, listed, _ = run("models")
    providers = {line.split("/")[0] for line in listed.splitlines()}
    check("no variable connects a new provider", providers == {"openai"}, providers)
    _, _, told = run("doctor", "--check", "models")
    _, out, _ = run("doctor", "--check", "models")
    check("doctor tells the differences", "moves it from" in out + told, (out + told)[:200])
    _, _, told = run("run", "-m", "openai/gpt-5", "hi", timeout=60)
    check("a call does not go to the moved host", "evil.test" not in told, told[-200:])


def bounds(check, binary, source):
    deep = b'{"a": {"models": {"m": ' + b"[" * 200_000 + b"]" * 200_000 + b"}}}"
    many = b'{"a": {"models": {"m": {"x": [' + b"0," * 12_000_000 + b"0]}}}}"
    cases = {
        "a document of 200 MB is refused by its announcement": (b"{", {"content-length": "209715200"}, False, "larger than"),
        "an endless document is refused": (b"{", {}, True, "larger than"),
        "a deep document is refused": (deep, {}, False, "levels"),
        "a document of many values is refused": (many, {}, False, "values"),
    }
    for name, (body, headers, endless, part) in cases.items():
        source.serves(body, headers, endless)
        run = world(binary, source)
        begun = time.monotonic()
        code, _, told = run("models", "--refresh")
        check(name, code != 0 and part in told, f"exit {code} after {time.monotonic() - begun:.1f} s: {told}")
    source.serves(gzip.compress(b" " * (200 << 20)), {"content-encoding": "gzip"})
    code, _, told = world(binary, source)("models", "--refresh")
    check("a packed document is not unpacked without bound", code != 0, told)


def cache(check, binary, source):
    source.serves({"newcomer": row("https://new.test/v1")})
    run = world(binary, source)
    run("models", "--refresh")
    files = [file for file in pathlib.Path(run.home).rglob("models-*.bin")]
    check("the catalog is kept", len(files) == 1, files)
    if not files:
        return
    file, moved = files[0], files[0].with_name("elsewhere.bin")

    def is_used():
        return "newcomer/m" in run("--offline", "models", "--all")[1]

    check("it is used offline", is_used())
    check("it is private", file.stat().st_mode & 0o077 == 0, oct(file.stat().st_mode))
    file.chmod(0o666)
    check("one that others may write is not used", not is_used())
    file.chmod(0o600)
    file.rename(moved)
    file.symlink_to(moved)
    check("one through a link is not used", not is_used())
    file.unlink()
    file.symlink_to("/dev/zero")
    check("a link to a device ends", not is_used())
    file.unlink()
    os.mkfifo(file)
    check("a pipe does not hold a command", not is_used())
    file.unlink()
    with open(file, "wb") as huge:
        huge.truncate(1 << 40)
    check("a huge file is not read", not is_used())


def run(check, binary):
    source = Source()
    try:
        lies(check, binary, source)
        bounds(check, binary, source)
        cache(check, binary, source)
    finally:
        source.stop()
