"""Names of models: search, near misses, models that nobody listed, custom providers, the default, the width of a terminal."""
import fcntl, http.server, json, os, pty, select, struct, subprocess, termios, threading, time

import loopback


class Provider:
    """A provider on loopback that speaks chat completions and lists two models."""

    def __init__(self):
        provider = self
        provider.asked, provider.listed = [], 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                provider.listed += self.path.endswith("/models")
                self.answer({"data": [{"id": "served-1"}, {"id": "served-2"}]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                provider.asked.append(body["model"])
                if body["model"].startswith("refused"):
                    return self.answer({"error": {"message": "no such model", "code": "model_not_found"}}, 404)
                self.answer({"id": "x", "object": "chat.completion", "model": body["model"], "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "well"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})

            def answer(self, value, status=200):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def environment(home, config=None, variables=None, offline=True):
    base = {"PATH": os.environ["PATH"], "HOME": home, "SWITCHYARD_HOME": home, "SWITCHYARD_CONFIG_CONTENT": json.dumps(config or {})}
    return {**base, **({"SWITCHYARD_OFFLINE": "1"} if offline else {}), **(variables or {})}


def command(binary, words, config=None, variables=None, offline=True, home=None):
    home = home or loopback.home()
    done = subprocess.run([binary, *words], env=environment(home, config, variables, offline), cwd=home, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def on_terminal(binary, words, config=None, variables=None, columns=80):
    """Runs a command on a terminal of the given width and returns its lines."""
    home = loopback.home()
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([binary, *words], env={**environment(home, config, variables), "TERM": "xterm", "NO_COLOR": "1"}, cwd=home, stdin=other, stdout=other, stderr=subprocess.PIPE)
    os.close(other)
    text = b""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        ready, _, _ = select.select([main], [], [], 0.5)
        try:
            chunk = os.read(main, 65536) if ready else b""
        except OSError:
            break
        text += chunk
        if not chunk and process.poll() is not None:
            break
    process.wait(10)
    os.close(main)
    return text.decode(errors="replace").replace("\r", "").splitlines()


def searches(check, binary):
    for query, first in {"gpt-5": "openai/gpt-5", "openai/gpt-5": "openai/gpt-5", "sonnet 4.5": "anthropic/claude-sonnet-4-5"}.items():
        _, out, told = command(binary, ["models", "--search", query])
        check(f"a search for {query} begins with {first}", out.splitlines()[:1] == [first], out.splitlines()[:3])
    _, out, told = command(binary, ["models", "--search", "gpt"])
    check("the best hundred are shown and the number of all told", len(out.splitlines()) == 100 and "--all" in told and "100 of " in told, told)
    _, out, _ = command(binary, ["models", "--search", "gpt", "--all"])
    check("--all shows all of them", len(out.splitlines()) > 100, len(out.splitlines()))
    lines = on_terminal(binary, ["models", "--search", "gpt-5"])
    check("on a terminal the best is last", lines[-1:] == ["openai/gpt-5"], lines[-3:])
    lines = on_terminal(binary, ["models", "anthropic", "--verbose"])
    check("a table fits 80 columns", lines and max(map(len, lines)) <= 80, max(map(len, lines), default=0))


def near_misses(check, binary):
    config = {"alias": {"fast": "openai/gpt-5"}}
    keys = {"OPENAI_API_KEY": "sk-x", "ANTHROPIC_API_KEY": "sk-ant-x"}
    for name, part in {
        "opneai": "`openai/",
        "opneai/gpt-5": "`openai/gpt-5`",
        "fsat": "`fast`",
        "claude-sonet-4-5": "`anthropic/claude-sonnet-4-5`",
        "openai/gpt-5:ultra": "it has",
        "nosuch/model": "there is no model `nosuch/model`",
    }.items():
        code, _, told = command(binary, ["run", "-m", name, "hi"], config, keys)
        names = told.split("did you mean ")[-1].split("?")[0].split(", ") if "did you mean" in told else []
        check(f"-m {name} says {part}", code == 5 and part in told, told)
        check(f"-m {name} suggests nothing twice", len(names) == len(set(names)), names)
    code, _, told = command(binary, ["models", "openia"])
    check("models openia suggests openai", code == 5 and "`openai`" in told, told)
    code, _, told = command(binary, ["models", "--refresh"])
    check("a refresh offline says how to go online", code == 1 and "SWITCHYARD_OFFLINE" in told and "--offline" in told, told)
    code, _, told = command(binary, ["run", "-m", "anthropic/claude-sonet-4-5", "hi"])
    check("without a key a typing error is told", "`anthropic/claude-sonnet-4-5`" in told, told)


def unlisted(check, binary, provider):
    config = {"provider": {"openai": {"options": {"baseURL": provider.url, "apiKey": "sk-x", "useCompletionUrls": True}}}, "retry": {"maxRetries": 0}}
    port = loopback.any_port()
    server = loopback.start(binary, port, config)
    try:
        for model in ["openai/gpt-99", "gpt-99"]:
            connection, answer = loopback.Front("chat", lambda *_: "/v1/chat/completions", loopback.chat_body, None, None, None).ask(port, model, "hi", False)
            answer.read()
            note = answer.getheader("x-switchyard-note") or ""
            check(f"{model} is passed on with a note", answer.status == 200 and "not in the catalog" in note, f"{answer.status} {note}")
            connection.close()
        check("the provider got the id as it was written", provider.asked == ["gpt-99", "gpt-99"], provider.asked)
        connection, answer = loopback.Front("chat", lambda *_: "/v1/chat/completions", loopback.chat_body, None, None, None).ask(port, "openai/refused-gpt", "hi", False)
        text = answer.read().decode()
        check("a model that the provider refuses as well is told so", answer.status == 404 and "not in the catalog" in text, text)
        connection.close()
    finally:
        loopback.stop(server)


def custom(check, binary, provider):
    config = {"provider": {"mine": {"options": {"baseURL": provider.url}}}, "catalog": {"url": "http://127.0.0.1:9"}}
    home = loopback.home()
    _, out, told = command(binary, ["models"], config, offline=False, home=home)
    check("a custom provider lists its models itself", out.split() == ["mine/served-1", "mine/served-2"], out + told)
    before = provider.listed
    command(binary, ["models"], config, offline=False, home=home)
    check("it is not asked again at once", provider.listed == before, provider.listed)
    _, out, told = command(binary, ["models"], config)
    check("offline the configuration alone counts", out == "", out)
    code, out, told = command(binary, ["run", "hi"], config, offline=False)
    check("its model is the default", code == 0 and "well" in out, out + told)
    code, out, told = command(binary, ["run", "-m", "served-2", "hi"], config, offline=False)
    check("a bare id of its list is found", code == 0 and provider.asked[-1] == "served-2", out + told)
    dead = {"provider": {"mine": {"options": {"baseURL": "http://127.0.0.1:9/v1"}}}}
    begun = time.monotonic()
    code, out, told = command(binary, ["models"], {**dead, "catalog": {"url": "http://127.0.0.1:9"}}, offline=False)
    check("one that is not there does no harm", code == 0 and time.monotonic() - begun < 20, told)


def default(check, binary):
    for variables in [{"GITHUB_TOKEN": "ghp_x"}, {"CLOUDFLARE_API_TOKEN": "x", "GITLAB_TOKEN": "x", "HF_TOKEN": "x"}]:
        code, _, told = command(binary, ["run", "hi"], variables=variables)
        check(f"{', '.join(variables)} choose no default", code == 5 and "other tools" in told, told)
    _, out, told = command(binary, ["doctor", "--check", "models"], variables={"GITHUB_TOKEN": "ghp_x", "OPENAI_API_KEY": "sk-x"})
    check("a variable for models does", "default model is openai/" in out + told, out + told)
    _, _, told = command(binary, ["models", "azure"], variables={"AZURE_API_KEY": "x"})
    check("what cannot be called says so", "azure cannot be called: its address needs AZURE_RESOURCE_NAME" in told, told)
    _, _, told = command(binary, ["models", "--all"])
    check("what can be called is counted", "can be called with a key" in told, told)


def listing(check, binary):
    config = {"alias": {"fast": "openai/gpt-5"}, "provider": {"mine": {"options": {"baseURL": "http://127.0.0.1:9/v1"}, "models": {"m": {}}}}}
    _, out, _ = command(binary, ["models", "--json"], config)
    rows = {row["id"]: row for row in json.loads(out)}
    check("an alias is listed", rows.get("fast", {}).get("alias_of") == ["openai/gpt-5"], rows.get("fast"))
    check("what is unknown is absent", rows["mine/m"]["cost"] == {} and rows["mine/m"]["limit"] == {}, rows["mine/m"])
    for words, expected in {("run", "-m", "fa"): "fast", ("run", "-m", "openai/gpt-5.4-m"): "openai/gpt-5.4-mini", ("models", "anthr"): "anthropic"}.items():
        begun = time.monotonic()
        code, out, told = command(binary, ["__complete", "--", *words], config)
        check(f"{' '.join(words)} is completed to {expected}", code == 0 and expected in out.split(), f"{(time.monotonic() - begun) * 1000:.0f} ms: {out[:100]}{told}")
    code, out, _ = command(binary, ["__complete", "--", "run", "--st"], config)
    check("an option is left to the script", code != 0 and not out, out)


def run(check, binary):
    provider = Provider()
    try:
        searches(check, binary)
        near_misses(check, binary)
        unlisted(check, binary, provider)
        custom(check, binary, provider)
        default(check, binary)
        listing(check, binary)
    finally:
        provider.stop()
