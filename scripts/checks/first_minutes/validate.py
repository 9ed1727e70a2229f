"""`config validate` names what leads nowhere, and the small commands of `config` do what scripts expect."""
import json, os, pathlib, subprocess

import loopback


class User:
    def __init__(self, binary):
        self.binary, self.home = binary, pathlib.Path(loopback.home())
        (self.home / "config").mkdir()
        (self.home / "work").mkdir()

    def configure(self, config):
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        (self.home / "config/switchyard.jsonc").write_text(text)

    def run(self, *words, **more):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "SWITCHYARD_HOME": str(self.home), "SWITCHYARD_OFFLINE": "1", "NO_COLOR": "1", **more}
        done = subprocess.run([self.binary, *words], cwd=self.home / "work", env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr


def run(check, binary):
    user = User(binary)
    mine = {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": "http://127.0.0.1:9/v1"}, "models": {"m": {}}}

    # What is named: the configuration, the exit code, and words of the line.
    for name, config, code, words in [
        ("an alias to an unknown provider", {"alias": {"fast": "nosuch/model"}}, 3, ["alias.fast", "leads nowhere", "switchyard.jsonc:"]),
        ("one bad name in a chain", {"provider": {"mine": mine}, "alias": {"fast": ["mine/m", "nosuch/model"]}}, 3, ["alias.fast", "nosuch"]),
        ("a model of an unknown provider", {"model": "opneai/gpt-5"}, 3, ["`model`", "leads nowhere"]),
        ("a small model that is no name at all", {"small_model": "zzz-nothing"}, 3, ["small_model"]),
        ("a fallback", {"models": {"defaults": {"fallbacks": ["nosuch/m"]}}}, 3, ["models.defaults.fallbacks"]),
        ("a model that a known provider is not known to have", {"model": "openai/gpt-nosuch"}, 0, ["`model`", "gpt-nosuch"]),
        ("a provider without address", {"provider": {"mine": {"models": {"m": {}}}}}, 3, ["provider.mine", "no address", "options.baseURL"]),
        ("a provider without models", {"provider": {"mine": {"options": {"baseURL": "http://127.0.0.1:9/v1"}}}}, 0, ["provider.mine", "names no models"]),
        ("an unknown package", {"provider": {"mine": {**mine, "npm": "@ai-sdk/anthropc"}}}, 0, ["unknown npm package", "@ai-sdk/anthropic"]),
        ("a key beside options", {"provider": {"mine": {**mine, "apiKey": "x"}}}, 3, ["provider.mine.apiKey", "belongs in `provider.mine.options.apiKey`"]),
        ("an address beside options", {"provider": {"mine": {"baseURL": "http://x", "models": {}}}}, 3, ["belongs in `provider.mine.options.baseURL`"]),
        ("a package within options", {"provider": {"mine": {"options": {"npm": "x"}}}}, 3, ["belongs in `provider.mine.npm`"]),
        ("a switched-off provider that is none", {"disabled_providers": ["opneai"]}, 0, ["disabled_providers", "opneai"]),
        ("a Windows path", '{"provider": {"mine": {"options": {"apiKey": "{file:C:\\Users\\me\\key}"}}}}', 3, ["C:/Users/me"]),
        ("all in order", {"provider": {"mine": mine}, "model": "mine/m", "alias": {"a": ["b", "mine/m"], "b": "mine/m"}}, 0, ["configuration OK (read: "]),
    ]:
        user.configure(config)
        got, out, err = user.run("config", "validate")
        check(name, got == code and all(word in err for word in words), f"exit {got}: {err}")
        got, out, _ = user.run("config", "validate", "--json")
        report = json.loads(out)
        check(f"{name}, as JSON", got == code and report["ok"] == (code == 0), report)

    user.configure({})
    (user.home / ".config/opencode").mkdir(parents=True)
    idle = {name: {} for name in ["agent", "command", "mcp", "keybinds", "permission", "tui", "lsp", "formatter", "experimental"]}
    (user.home / ".config/opencode/opencode.json").write_text(json.dumps(idle))
    _, _, err = user.run("config", "validate")
    check("many settings of OpenCode's are one line", err.count("without effect") == 1 and err.count("warning") == 1, err)
    (user.home / ".config/opencode/opencode.json").unlink()

    secret = "canary0123456789abcdefgh"
    user.configure({"server": {"port": 9000}, "provider": {"mine": {"options": {
        "baseURL": f"http://127.0.0.1:9/v1?api_key={secret}", "list": ["sk-" + secret], "headers": {"x-team": "{env:TEAM}"}}, "models": {"m": {}}}}})
    for words in [("config", "view"), ("config", "view", "--json"), ("config", "view", "provider"), ("config", "get", "provider.mine.options")]:
        code, out, err = user.run(*words, TEAM="team-" + secret)
        check(f"{' '.join(words)} hides keys in addresses, lists and references", code == 0 and secret[:12] not in out + err and "{env:TEAM}" in out, out)
    for words, code, text in [
        (("config", "get", "server.port"), 0, "9000\n"),
        (("config", "get", "server.host"), 0, "127.0.0.1\n"),
        (("config", "get", "server.host", "--json"), 0, '"127.0.0.1"\n'),
        (("config", "get", "server.prot"), 3, ""),
        (("config", "get", "model"), 1, ""),
    ]:
        got, out, err = user.run(*words, TEAM="x")
        check(" ".join(words), got == code and out == text, (got, out, err))
    code, out, err = user.run("config", "view", "server.port", TEAM="x")
    check("config view KEY shows that key only", code == 0 and len(out.splitlines()) == 2 and "server.port" in out, out)
    code, out, err = user.run("config", "get", "server.prot", TEAM="x")
    check("a key that is none names the near one", "server.port" in err, err)
    code, out, err = user.run("config", "reset", "nosuch", TEAM="x")
    check("config reset of no key fails", code == 3 and "unknown key `nosuch`" in err, err)
    code, out, err = user.run("config", "reset", "mdoel", TEAM="x")
    check("and names the near one", code == 3 and "`model`" in err, err)
    for words in [("config", "path", "--json"), ("config", "view", "--format", "json")]:
        code, out, err = user.run(*words, TEAM="x")
        check(" ".join(words), code == 0 and json.loads(out), out)

    for words, more, port in [((), {}, 9000), ((), {"SWITCHYARD_PORT": "9001"}, 9001)]:
        code, out, err = user.run(*words, "config", "get", "server.port", TEAM="x", **more)
        check(f"the port from {more or 'the file'}", out == f"{port}\n", (out, err))
    code, out, err = user.run("config", "get", "server.port", TEAM="x", SWITCHYARD_PORT="http")
    check("a port that is none", code == 3 and "SWITCHYARD_PORT" in err, err)
