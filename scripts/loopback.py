"""What the scripts share that run the release binary on loopback: starting, asking and stopping it."""
import http.client, json, os, pathlib, signal, subprocess, sys, tempfile, time, urllib.parse, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = "sk-test"
BINARY = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) + "/release/switchyard"
CLIENTS = ROOT.parent / "shared/clients"


def options(parser):
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--clients", type=pathlib.Path, default=CLIENTS)
    return parser


def environment(home, config):
    """Nothing of the caller's environment but the path: keys of theirs must not be found."""
    return {"PATH": os.environ["PATH"], "HOME": home, "SWITCHYARD_HOME": home, "SWITCHYARD_TOKEN": TOKEN, "SWITCHYARD_OFFLINE": "1", "SWITCHYARD_CONFIG_CONTENT": json.dumps(config)}


def start(binary, port, config):
    """Starts a server with a home of its own; returns its process and its home."""
    home = tempfile.mkdtemp(prefix="sy-script-")
    log = open(f"{home}/log", "wb")
    process = subprocess.Popen([binary, "serve", "--port", str(port), "--log-format", "json"], env=environment(home, config), stdout=log, stderr=log, cwd=home)
    wait(f"http://127.0.0.1:{port}/livez", process, f"{home}/log")
    return process, home


def wait(url, process, log):
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).read()
            return
        except OSError:
            if process.poll() is not None:
                sys.exit(f"{process.args[0]} did not start: {open(log).read()}")
            time.sleep(0.05)
    sys.exit(f"no answer from {url}")


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


class Front:
    """One of the protocols that clients speak: how it asks, and what its events say."""

    def __init__(self, name, path, body, read, text):
        self.name, self.path, self.body, self.read, self.text = name, path, body, read, text

    def ask(self, port, model, prompt, stream, limit=64, timeout=60):
        """Sends a request and returns its connection and the beginning of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        path = self.path(urllib.parse.quote(model), stream)
        connection.request("POST", path, json.dumps(self.body(model, prompt, stream, limit)), {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"})
        return connection, connection.getresponse()


def chat_body(model, prompt, stream, limit):
    body = {"model": model, "stream": stream, "max_tokens": limit, "messages": [{"role": "user", "content": prompt}]}
    return {**body, "stream_options": {"include_usage": True}} if stream else body


def chat_event(event):
    choice = (event.get("choices") or [{}])[0]
    usage = (event.get("usage") or {}).get("completion_tokens", 0)
    return (choice.get("delta") or {}).get("content") or "", "error" if "error" in event else "end" if choice.get("finish_reason") else None, usage


def responses_event(event):
    kind, usage = event.get("type"), ((event.get("response") or {}).get("usage") or {}).get("output_tokens", 0)
    end = {"response.completed": "end", "response.incomplete": "end", "response.failed": "error", "error": "error"}.get(kind)
    return event["delta"] if kind == "response.output_text.delta" else "", end, usage


def messages_event(event):
    kind, usage = event.get("type"), (event.get("usage") or {}).get("output_tokens", 0)
    text = (event.get("delta") or {}).get("text", "") if kind == "content_block_delta" else ""
    return text, {"message_stop": "end", "error": "error"}.get(kind), usage


def gemini_event(event):
    candidate = (event.get("candidates") or [{}])[0]
    text = "".join(part.get("text", "") for part in (candidate.get("content") or {}).get("parts", []))
    usage = (event.get("usageMetadata") or {}).get("candidatesTokenCount", 0)
    return text, "error" if "error" in event else "end" if candidate.get("finishReason") else None, usage


FRONTS = [
    Front("chat", lambda model, stream: "/v1/chat/completions", chat_body, chat_event,
          lambda answer: (answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"])),
    Front("responses", lambda model, stream: "/v1/responses",
          lambda model, prompt, stream, limit: {"model": model, "stream": stream, "max_output_tokens": limit, "input": prompt}, responses_event,
          lambda answer: ("".join(part["text"] for item in answer["output"] if item["type"] == "message" for part in item["content"]), answer["usage"]["output_tokens"])),
    Front("messages", lambda model, stream: "/v1/messages",
          lambda model, prompt, stream, limit: {"model": model, "stream": stream, "max_tokens": limit, "messages": [{"role": "user", "content": prompt}]}, messages_event,
          lambda answer: ("".join(part.get("text", "") for part in answer["content"]), answer["usage"]["output_tokens"])),
    Front("gemini", lambda model, stream: f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent"),
          lambda model, prompt, stream, limit: {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": {"maxOutputTokens": limit}}, gemini_event,
          lambda answer: gemini_event(answer)[::2]),
]


def events(response):
    """Yields each event of a stream, read; one that is no JSON is an error."""
    data = []
    for line in response:
        line = line.decode("utf-8", "replace").rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            if data != ["[DONE]"]:
                yield json.loads("\n".join(data))
            data = []
