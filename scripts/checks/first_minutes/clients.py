"""Real clients with nothing but what `switchyard env` prints, and started by `switchyard launch`.

They are those that ../shared/clients/install.sh installs (part cli). Each asks a provider on loopback that has one model, which
no client knows, and must show its answer. The clients' own folders are empty and must not be needed.
"""
import http.server, json, os, pathlib, subprocess, tempfile, threading

import loopback

SLOW = True
CLIENTS = pathlib.Path(os.environ.get("SY_CLIENTS", pathlib.Path.home() / ".cache/switchyard-clients"))
ANSWER = "PONG-7421"
PROMPT = "Answer with one word."
LIMIT = 90
MODEL = "lab/unheard-of-1"
KEY = "sk-lab-0123456789"
# The program that each client is, and how it is asked once without a person.
ASKED = {
    "aider": (CLIENTS / "venv-aider/bin/aider", ["--message", PROMPT, "--yes-always", "--no-git", "--no-check-update", "--analytics-disable", "--no-pretty", "--map-tokens", "0"]),
    "claude": (CLIENTS / "cli/node_modules/@anthropic-ai/claude-code-linux-x64/claude", ["-p", PROMPT]),
    "codex": (CLIENTS / "cli/node_modules/.bin/codex", ["exec", "--skip-git-repo-check", PROMPT]),
    "gemini": (CLIENTS / "cli/node_modules/.bin/gemini", ["-p", PROMPT]),
    "opencode": (CLIENTS / "cli/node_modules/opencode-linux-x64/bin/opencode", ["run", PROMPT]),
}
# What keeps a client from the network, which is none of our business: no updates, no telemetry.
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "IS_SANDBOX": "1",
    "GEMINI_CLI_TRUST_WORKSPACE": "true", "GEMINI_TELEMETRY_ENABLED": "false", "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1", "OPENCODE_DISABLE_SHARE": "1", "NO_COLOR": "1", "CI": "1", "LANG": "C.UTF-8",
}


class Provider(http.server.BaseHTTPRequestHandler):
    """Chat completions, streamed or whole, always with the same answer."""

    protocol_version = "HTTP/1.1"
    asked = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Provider.asked.append((body["model"], self.headers.get("authorization")))
        head = {"id": "c1", "created": 1, "model": body["model"]}
        usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
            return self.reply("application/json", json.dumps({**head, "object": "chat.completion", "choices": [choice], "usage": usage}))

        chunk = {**head, "object": "chat.completion.chunk"}
        events = [{**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ANSWER}, "finish_reason": None}]},
                  {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                  {**chunk, "choices": [], "usage": usage}]
        self.reply("text/event-stream", "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n")

    def reply(self, kind, text):
        data = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


def run(check, binary):
    provider = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    model = {"limit": {"context": 200000, "output": 8192}, "tool_call": True}
    config = {"model": MODEL, "provider": {"lab": {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"http://127.0.0.1:{provider.server_port}/v1", "apiKey": KEY},
        "models": {MODEL.split("/")[1]: model}}}}
    port = loopback.any_port()
    server = loopback.start(binary, port, config)
    try:
        for client, (program, arguments) in ASKED.items():
            if not program.exists():
                check(f"{client} is installed", False, f"{program} is missing: run ../shared/clients/install.sh")
                continue
            for way in ("env", "launch", "launch without a server"):
                ask(check, binary, {**config, "server": {"port": port}}, client, program, arguments, way)
    finally:
        loopback.stop(server)
        provider.shutdown()


def ask(check, binary, config, client, program, arguments, way):
    """Asks once and looks at what the client printed and at what reached the provider."""
    quoted = " ".join("'" + word + "'" for word in arguments)
    line = f"switchyard launch {client} -- {quoted}"
    if way == "env":
        line = f'eval "$(switchyard env)"; {client} {quoted}'
    if way == "launch without a server":
        config = {**config, "server": {"port": loopback.any_port()}}

    with tempfile.TemporaryDirectory(prefix="sy-client-") as folder:
        work, tools = pathlib.Path(folder, "work"), pathlib.Path(folder, "tools")
        for each in (work, tools, work / ".git"):
            each.mkdir()
        (tools / client).symlink_to(program)
        (tools / "switchyard").symlink_to(pathlib.Path(binary).resolve())
        environment = {**loopback.environment(folder, config), **QUIET, "PATH": f"{tools}:{os.environ['PATH']}"}

        before = len(Provider.asked)
        try:
            done = subprocess.run(["bash", "-c", line], env=environment, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
            out, said = done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            out, said = (late.stdout or b"").decode(), f"no end within {LIMIT} s: " + (late.stderr or b"").decode()

    reached = {model for model, _ in Provider.asked[before:]}
    keys = {key for _, key in Provider.asked[before:]}
    passed = ANSWER in out and reached == {MODEL.split("/")[1]} and keys == {f"Bearer {KEY}"}
    check(f"{client}, {way}", passed, "" if passed else f"asked for {reached}, printed {out[-300:]} {said[-500:]}")
