"""Memory under the largest hostile bodies and streams: hundreds of megabytes each."""
import pathlib, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import memory

SLOW = True


def run(check, binary):
    memory.measured(check, binary, memory.SLOW_CASES, "large")
