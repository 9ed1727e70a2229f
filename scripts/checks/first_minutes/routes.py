"""Base URLs with and without /v1 work, wrong ones are explained, and strangers learn little."""
import http.client, http.server, json, threading
import loopback

CHAT = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
LEGACY = {"id": "1", "object": "text_completion", "created": 1, "model": "m", "choices": [{"index": 0, "text": " world", "finish_reason": "stop"}], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}
VECTORS = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}


class Provider(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append((self.path, body))
        kind, text = "application/json", {"/v1/chat/completions": CHAT, "/v1/completions": LEGACY, "/v1/embeddings": VECTORS}[self.path]
        text = json.dumps(text)
        if body.get("stream"):
            kind, text = "text/event-stream", f"data: {text}\n\ndata: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def run(check, binary):
    provider = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{provider.server_address[1]}/v1"
    config = {
        "catalog": {"offline": True},
        "provider": {
            "p": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": base, "apiKey": "k"}, "models": {"m": {}, "org/m": {}}},
            "claude": {"npm": "@ai-sdk/anthropic", "options": {"baseURL": base, "apiKey": "k"}, "models": {"m": {}}},
        },
    }
    port = loopback.any_port()
    process = loopback.start(binary, port, config)
    try:
        drive(check, port)
    finally:
        loopback.stop(process)
        provider.shutdown()


def drive(check, port):
    def ask(method, path, body=None, token=loopback.TOKEN):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer

    message = [{"role": "user", "content": "x"}]
    bodies = {
        "/chat/completions": {"model": "p/m", "messages": message},
        "/responses": {"model": "p/m", "input": "x"},
        "/messages": {"model": "p/m", "max_tokens": 9, "messages": message},
        "/messages/count_tokens": {"model": "p/m", "messages": message},
        "/embeddings": {"model": "p/m", "input": "x"},
        "/completions": {"model": "p/m", "prompt": "hello"},
        "/models/p/m:generateContent": {"contents": [{"parts": [{"text": "x"}]}]},
    }
    for path, body in bodies.items():
        for version in ["", "/v1"] + (["/v1beta"] if path.startswith("/models") else []):
            status, text, _ = ask("POST", version + path, body)
            check(f"POST {version}{path}", status == 200, f"{status} {text[:120]}")
    for path in ["/models", "/models/", "/models/p/m", "/models/p/org/m", "/models/p%2Forg%2Fm"]:
        for version in ["", "/v1", "/v1beta"]:
            status, text, _ = ask("GET", version + path)
            check(f"GET {version}{path}", status == 200, f"{status} {text[:80]}")

    doubled = ["/v1/v1/chat/completions", "/v1/chat/completions/chat/completions", "/v1/messages/v1/messages", "/v1/v1/messages", "/v1beta/v1beta/models/m:generateContent", "/api/v1/chat/completions"]
    for path in doubled:
        status, text, _ = ask("POST", path, {})
        check(f"POST {path} says what is wrong with the base URL", status == 404 and "base URL" in text and f"http://127.0.0.1:{port}" in text, f"{status} {text[:200]}")

    status, text, answer = ask("POST", "/v1/completions", {"model": "p/m", "prompt": "hello", "stream": True})
    sent = Provider.seen[-1]
    check("a legacy completion is relayed, streamed too", status == 200 and " world" in text and "[DONE]" in text and sent[0] == "/v1/completions" and sent[1]["model"] == "m" and sent[1]["prompt"] == "hello", f"{status} {sent} {text[:80]}")
    status, text, _ = ask("POST", "/v1/completions", {"model": "claude/m", "prompt": "hello"})
    check("where the provider has none, the answer says who has", status == 400 and "OpenAI-compatible" in text, f"{status} {text[:200]}")

    status, text, _ = ask("GET", "/metrics")
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}
    check("every metric has the prefix", names and all(name.startswith("switchyard_") for name in names), sorted(names)[:12])
    counted = [line for line in text.splitlines() if line.startswith("switchyard_model_tokens_used_total") and 'type="output"' in line]
    check("legacy completions are metered", counted and float(counted[0].rsplit(" ", 1)[1]) >= 15, counted)

    status, text, _ = ask("GET", "/health", token=None)
    check("strangers learn one word of the health", (status, json.loads(text)) == (200, {"status": "healthy"}), text)
    status, text, _ = ask("GET", "/health")
    health = json.loads(text)
    check("who shows the token learns all of it", {"p", "claude"} <= {row["id"] for row in health["checks"]["providers"]} and health["version"] != "0.0.0", text[:160])
    status, text, _ = ask("GET", "/v1/models", token=None)
    check("a refusal names no path of this machine", status == 401 and "/home" not in text and "/tmp" not in text and "state/token" not in text, text[:300])

    statuses = [ask("GET", "/v1/models", token=f"wrong-{number}")[0] for number in range(400)]
    check("wrong tokens in number are told to wait", statuses[0] == 401 and statuses[-1] == 429, f"{statuses.count(401)} times 401, {statuses.count(429)} times 429")
    check("and the right one never is", ask("GET", "/v1/models")[0] == 200)

    document = json.loads(ask("GET", "/openapi.json", token=None)[1])
    posts = [item["post"] for item in document["paths"].values() if "post" in item]
    complete = all("content" in post["responses"]["200"] and "x-switchyard-provider" in post["responses"]["200"]["headers"] for post in posts)
    model = document["components"]["schemas"]["ChatCompletionsRequest"].get("required", [])
    check("the description has bodies, headers, servers and a version", complete and document.get("servers") and document["info"]["version"] != "0.0.0" and "model" not in model, f"{document['info']['version']} {document.get('servers')} required {model}")
