"""A log that nobody reads: the server goes on answering, says what it dropped, and SIGTERM ends it."""
import http.client, os, signal, subprocess, threading, time
import loopback


def run(check, binary):
    port, home = loopback.any_port(), loopback.home()
    reader, writer = os.pipe()
    config = {"log": {"level": "trace"}, "server": {"shutdown_seconds": 2}}
    process = subprocess.Popen([binary, "serve", "--port", str(port)], env=loopback.environment(home, config), stdout=writer, stderr=writer, cwd=home)
    os.close(writer)
    try:
        drive(check, port, process, reader)
    finally:
        if process.poll() is None:
            process.kill()


def drive(check, port, process, reader):
    deadline = time.monotonic() + 20
    connection = None
    while connection is None and time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/livez")
            connection.getresponse().read()
        except OSError:
            connection = None
            time.sleep(0.05)

    answered, slowest = 0, 0.0
    try:
        for _ in range(6000):
            began = time.monotonic()
            connection.request("GET", "/livez", headers={"x-request-id": "a" * 120})
            answered += connection.getresponse().read() == b'{"status":"ok"}'
            slowest = max(slowest, time.monotonic() - began)
    except OSError as error:
        slowest = repr(error)
    check("6000 requests are answered while nobody reads the log", answered == 6000, f"{answered} answered, slowest {slowest}")

    connection.request("GET", "/metrics", headers={"authorization": f"Bearer {loopback.TOKEN}"})
    metrics = connection.getresponse().read().decode()
    dropped = [line for line in metrics.splitlines() if line.startswith("switchyard_log_lines_dropped_total ")]
    check("the dropped lines are counted", dropped and float(dropped[0].split()[1]) > 0, dropped)

    # Somebody reads again for a while.
    text, stop = [], threading.Event()

    def read():
        os.set_blocking(reader, False)
        while not stop.is_set():
            try:
                text.append(os.read(reader, 1 << 16))
            except BlockingIOError:
                time.sleep(0.01)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(2)
    stop.set()
    thread.join()
    read_back = b"".join(text)
    check("the log says how many as soon as it is read again", b"lines of the log were dropped" in read_back, read_back[-200:])

    try:
        for _ in range(3000):
            connection.request("GET", "/livez", headers={"x-request-id": "b" * 120})
            connection.getresponse().read()
    except OSError:
        pass
    connection.close()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        pass
    check("SIGTERM ends it though standard error is a full pipe", process.poll() is not None and time.monotonic() - began < 20, f"{process.poll()} after {time.monotonic() - began:.1f} s")


SLOW = True
