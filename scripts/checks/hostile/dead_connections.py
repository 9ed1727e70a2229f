"""An HTTP/2 connection whose provider is gone: it answers pings and nothing else, or nothing at all. The next call needs a new one."""
import json, socket, ssl, struct, subprocess, threading, time
import http.client

import loopback

SLOW = True
DATA, HEADERS, SETTINGS, PING, ACK, END_STREAM = 0, 1, 4, 6, 1, 1
ANSWER = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]}).encode()
# Status 200 from the static table, then `content-type: application/json` as a literal with an indexed name.
HEAD = b"\x88\x0f\x10\x10application/json"


class Provider:
    """Speaks HTTP/2 over TLS. Of each pair of connections the first goes dead behind its first answer."""

    def __init__(self, folder, answers_pings):
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        authority = ["-subj", "/CN=authority", "-keyout", f"{folder}/authority.key", "-out", f"{folder}/authority.pem"]
        subprocess.run([*request, *authority], check=True, capture_output=True)
        server = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-CA", f"{folder}/authority.pem",
                  "-CAkey", f"{folder}/authority.key", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/server.pem"]
        subprocess.run([*request, *server], check=True, capture_output=True)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(f"{folder}/server.pem", f"{folder}/key.pem")
        self.tls.set_alpn_protocols(["h2"])
        self.answers_pings, self.connections, self.calls = answers_pings, 0, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with self.tls.wrap_socket(connection, server_side=True) as secure:
                self.connections += 1
                self.speak(secure, secure.makefile("rb"), goes_dead=self.connections == 1)
        except (OSError, ValueError):
            pass

    def speak(self, connection, reader, goes_dead):
        frame = lambda kind, flags, stream, data=b"": connection.sendall(struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data)
        reader.read(24)
        frame(SETTINGS, 0, 0)
        answered = 0
        while (head := reader.read(9)):
            length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
            data = reader.read(length)
            is_dead = goes_dead and answered > 0
            if kind == SETTINGS and not flags & ACK:
                frame(SETTINGS, ACK, 0)
            elif kind == PING and not flags & ACK and (self.answers_pings or not is_dead):
                frame(PING, ACK, 0, data)
            elif kind in (HEADERS, DATA) and flags & END_STREAM:
                self.calls += 1
                if not is_dead:
                    frame(HEADERS, 4, stream, HEAD)
                    frame(DATA, END_STREAM, stream, ANSWER)
                    answered += 1


def ask(port):
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"model": "far/m", "messages": [{"role": "user", "content": "hi"}]})
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json", "authorization": f"Bearer {loopback.TOKEN}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), time.monotonic() - begun


def run(check, binary):
    # A peer that acknowledges pings is found out by its first call that times out; one that does not, by the ping.
    for answers_pings, limit, longest in [(True, 2000, 10), (False, 300000, 45)]:
        folder = loopback.home()
        provider = Provider(folder, answers_pings)
        options = {"baseURL": f"https://127.0.0.1:{provider.port}/v1", "apiKey": "key-0123456789", "headerTimeout": limit}
        config = {"catalog": {"offline": True}, "provider": {"far": {"npm": "@ai-sdk/openai-compatible", "models": {"m": {}}, "options": options}}, "retry": {"baseDelay": 100, "maxRetries": 2}}
        port = loopback.any_port()
        usual = loopback.environment
        loopback.environment = lambda home, config: {**usual(home, config), "REQUESTS_CA_BUNDLE": f"{folder}/authority.pem"}
        process = loopback.start(binary, port, config)
        loopback.environment = usual
        try:
            first, second, third = ask(port), ask(port), ask(port)
        finally:
            loopback.stop(process)
            provider.socket.close()
        kind = "answers pings only" if answers_pings else "answers nothing"
        check(f"a connection that {kind}: the first call is answered", first[0] == 200, f"{first[0]} {first[1][:120]}")
        check(f"a connection that {kind}: the second call gets a new one", second[0] == 200 and provider.connections == 2 and second[2] < longest, f"{second[0]} after {second[2]:.1f} s, {provider.connections} connections: {second[1][:120]}")
        check(f"a connection that {kind}: the third call is answered at once", third[0] == 200 and third[2] < 5 and provider.connections == 2, f"{third[0]} after {third[2]:.1f} s")
