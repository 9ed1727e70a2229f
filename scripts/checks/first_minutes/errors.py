"""What a user reads when a provider refuses: who was asked, with which key, and what to do."""
import http.server, json, os, pathlib, socket, subprocess, threading

import loopback

KEY = "key-0123456789-abcdef"


class Refusing(http.server.BaseHTTPRequestHandler):
    """Refuses everything with the status that the model is named by."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps({"error": {"message": f"no luck with {self.headers.get('authorization', 'nothing')}", "type": "error"}}).encode()
        self.send_response(int(asked["model"].removeprefix("m")))
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def ask(binary, config, *arguments, **variables):
    """Runs `run` in a new home; returns its exit code and what it wrote to standard error on one line."""
    home = loopback.home()
    file = pathlib.Path(home) / "switchyard.jsonc"
    file.write_text(json.dumps(config, indent=1))
    environment = {"PATH": os.environ["PATH"], "HOME": home, "SWITCHYARD_HOME": home, "SWITCHYARD_OFFLINE": "1", **variables}
    done = subprocess.run([binary, "--config", str(file), *arguments], env=environment, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done.returncode, " ".join(done.stderr.split()), file


def run(check, binary):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        rejected(check, binary, server.server_port)
        mistyped(check, binary, server.server_port)
        unreachable(check, binary)
    finally:
        server.shutdown()


def acme(port, **options):
    models = {f"m{status}": {} for status in (400, 401, 402, 403, 404, 429, 500)}
    return {
        "provider": {"acme": {"npm": "@ai-sdk/openai-compatible", "env": ["ACME_API_KEY"], "models": models, "options": {"baseURL": f"http://127.0.0.1:{port}/v1", **options}}},
        "alias": {"smart": ["acme/m401"]},
        "retry": {"maxRetries": 0},
    }


def rejected(check, binary, port):
    code, text, _ = ask(binary, acme(port), "run", "-m", "acme/m401", "hi", ACME_API_KEY=KEY)
    wanted = ["acme rejected the key from ACME_API_KEY (401)", "m401", "no luck", "`switchyard auth login acme`"]
    check("a rejected key from the environment", all(word in text for word in wanted) and KEY not in text, f"{code}: {text}")

    code, text, file = ask(binary, acme(port, apiKey=KEY), "run", "-m", "acme/m401", "hi")
    wanted = ["(401)", f"{file}:", "`provider.acme.options.apiKey`", "wins over"]
    check("a rejected key of the configuration names the file", all(word in text for word in wanted) and KEY not in text, f"{code}: {text}")

    for status, words in [(403, "does not let"), (402, "no quota left"), (404, "switchyard models acme"), (429, "429"), (500, "500"), (400, "400")]:
        code, text, _ = ask(binary, acme(port), "run", "-m", f"acme/m{status}", "hi", ACME_API_KEY=KEY)
        check(f"a {status} names provider and model", "acme" in text and f"m{status}" in text and words in text and KEY not in text, f"{code}: {text}")


def mistyped(check, binary, port):
    for name, wanted in [("smrat", "`smart`"), ("acme/m40", "acme/m40")]:
        code, text, _ = ask(binary, acme(port), "run", "-m", name, "hi", ACME_API_KEY=KEY)
        check(f"-m {name} proposes {wanted}", code != 0 and wanted in text, f"{code}: {text}")
    for name in ["", "  "]:
        code, text, _ = ask(binary, {**acme(port), "model": "acme/m500"}, "run", "-m", name, "hi", ACME_API_KEY=KEY)
        check(f"-m {name!r} calls nobody", code == 2 and "no luck" not in text and "name of a model" in text, f"{code}: {text}")
    code, text, _ = ask(binary, acme(port), "run", "-m", "acme/m500", "--max-tokens", "0", "hi", ACME_API_KEY=KEY)
    check("--max-tokens 0 says what is expected", code == 2 and "at least 1" in text and "18446744073709551615" not in text, f"{code}: {text}")


def unreachable(check, binary):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        proxy = f"http://someone:pass-word@127.0.0.1:{probe.getsockname()[1]}"
        config = {"provider": {"far": {"npm": "@ai-sdk/openai-compatible", "models": {"m": {}}, "options": {"baseURL": "https://api.example.com/v1", "apiKey": KEY}}}, "retry": {"maxRetries": 0}}
        code, text, _ = ask(binary, config, "run", "-m", "far/m", "hi", HTTPS_PROXY=proxy)
    address = proxy.rsplit("@", 1)[1]
    check("a refused proxy is named, without its password", f"proxy {address}" in text and "pass-word" not in text, f"{code}: {text}")

    config["provider"]["far"]["options"] = {"baseURL": "https://api.example.com/v1"}
    code, text, _ = ask(binary, config, "run", "-m", "far/m", "hi")
    check("a missing key says how to store one", "no credential for provider `far`" in text and "`switchyard auth login far`" in text, f"{code}: {text}")
