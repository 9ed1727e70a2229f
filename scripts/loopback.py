"""What the scripts share that run the release binary on loopback: starting, asking and stopping it."""
import atexit, http.client, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.parse, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = "sk-test"
BINARY = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) + "/release/switchyard"
CLIENTS = ROOT.parent / "shared/clients"
# What closes a stream of chat completions.
DONE = "[DONE]"


def options(parser):
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--clients", type=pathlib.Path, default=CLIENTS)
    return parser


def environment(home, config):
    """Nothing of the caller's environment but the path: keys of theirs must not be found."""
    return {"PATH": os.environ["PATH"], "HOME": home, "SWITCHYARD_HOME": home, "SWITCHYARD_TOKEN": TOKEN, "SWITCHYARD_OFFLINE": "1", "SWITCHYARD_CONFIG_CONTENT": json.dumps(config)}


def home():
    """A folder that is gone when the script ends."""
    folder = tempfile.mkdtemp(prefix="sy-script-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def free(port):
    """Ends the script when the port is taken: what answers there would be tested instead."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            sys.exit(f"port {port}: {error}")


def any_port():
    """Returns a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(binary, port, config):
    """Starts a server with a home of its own; returns its process."""
    free(port)
    folder = home()
    log = open(f"{folder}/log", "wb")
    process = subprocess.Popen([binary, "serve", "--port", str(port), "--log-format", "json"], env=environment(folder, config), stdout=log, stderr=log, cwd=folder)
    wait(f"http://127.0.0.1:{port}/livez", process, f"{folder}/log")
    return process


def wait(url, process, log):
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).read()
            return
        except OSError:
            if process.poll() is not None:
                sys.exit(f"{process.args[0]} did not start: {open(log).read()}")
            time.sleep(0.05)
    stop(process)
    sys.exit(f"no answer from {url}")


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


class Front:
    """One of the protocols that clients speak: how it asks, and what its events and errors say."""

    def __init__(self, name, path, body, read, text, failure, named=False):
        self.name, self.path, self.body, self.read, self.text, self.failure, self.named = name, path, body, read, text, failure, named

    def ask(self, port, model, prompt, stream, limit=64, timeout=60):
        """Sends a request and returns its connection and the beginning of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        path = self.path(urllib.parse.quote(model), stream)
        connection.request("POST", path, json.dumps(self.body(model, prompt, stream, limit)), {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"})
        return connection, connection.getresponse()

    def events(self, response):
        """Yields each event of a stream, read; bytes that are no event of this protocol are an error."""
        name, data = None, []
        for line in response:
            line = line.decode("utf-8").rstrip("\r\n")
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and data:
                text, data = "\n".join(data), []
                event = DONE if text == DONE else json.loads(text)
                assert not self.named or name == event["type"], f"event {name}: {text[:80]}"
                name = None
                yield event
        assert not data, f"cut in an event: {data[0][:80]}"


def chat_body(model, prompt, stream, limit):
    body = {"model": model, "stream": stream, "max_tokens": limit, "messages": [{"role": "user", "content": prompt}]}
    return {**body, "stream_options": {"include_usage": True}} if stream else body


def chat_event(event):
    if event == DONE:
        return "", "end", 0
    choice = (event.get("choices") or [{}])[0]
    usage = (event.get("usage") or {}).get("completion_tokens", 0)
    return (choice.get("delta") or {}).get("content") or "", "error" if "error" in event else None, usage


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


def openai_failure(body):
    # The last event of a failed Responses stream has its error on the top, the one before within the response.
    error = body.get("error") or (body.get("response") or {}).get("error") or body
    assert error["message"], body
    return error.get("code") or error["type"]


def messages_failure(body):
    assert body["type"] == "error" and body["error"]["message"], body
    return body["error"]["type"]


def gemini_failure(body):
    assert body["error"]["message"] and isinstance(body["error"]["code"], int), body
    return body["error"]["status"]


FRONTS = [
    Front("chat", lambda model, stream: "/v1/chat/completions", chat_body, chat_event,
          lambda answer: (answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"]), openai_failure),
    Front("responses", lambda model, stream: "/v1/responses",
          lambda model, prompt, stream, limit: {"model": model, "stream": stream, "max_output_tokens": limit, "input": prompt}, responses_event,
          lambda answer: ("".join(part["text"] for item in answer["output"] if item["type"] == "message" for part in item["content"]), answer["usage"]["output_tokens"]), openai_failure, named=True),
    Front("messages", lambda model, stream: "/v1/messages",
          lambda model, prompt, stream, limit: {"model": model, "stream": stream, "max_tokens": limit, "messages": [{"role": "user", "content": prompt}]}, messages_event,
          lambda answer: ("".join(part.get("text", "") for part in answer["content"]), answer["usage"]["output_tokens"]), messages_failure, named=True),
    Front("gemini", lambda model, stream: f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent"),
          lambda model, prompt, stream, limit: {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": {"maxOutputTokens": limit}}, gemini_event,
          lambda answer: gemini_event(answer)[::2], gemini_failure),
]
