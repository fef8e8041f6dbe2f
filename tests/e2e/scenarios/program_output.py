"""Python programs, and texts of other languages: what a termination message says."""

from tests.e2e.support.conditions import ended
from tests.e2e.support.manifests import FROM_LOG, make_pod, python, resources, shell
from tests.e2e.support.scenario import Scenario

EXCEPTION = "user-code/uncaught-exception"


def runs(name: str, program: str, verdict: str | None, message: str = "", **container: object) -> Scenario:
    return Scenario(name, (make_pod(name, python(program, **container)),), verdict, ended, message=message)


def prints(name: str, text: str, exit_code: int, verdict: str, message: str = "") -> Scenario:
    """Text printed by a script, not by the language's own runtime."""
    script = f"cat <<'TEXT'\n{text}\nTEXT\nexit {exit_code}"
    return Scenario(name, (make_pod(name, shell(script, **FROM_LOG)),), verdict, ended, message=message)


CHAINED = """
def load(path):
    try:
        open(path)
    except OSError as error:
        raise RuntimeError(f"no weights at {path}") from error
load("/data/weights.bin")
"""
SURVIVED = """
import sys, traceback
sys.stdout = sys.stderr
try:
    {}["lr"]
except KeyError:
    traceback.print_exc()
print("using the default instead")
for step in range(5):
    print("step", step, flush=True)
print("validation failed: accuracy 0.1 is below 0.5")
sys.exit(3)
"""
MIXED = SURVIVED.replace("sys.stdout = sys.stderr\n", "")
OUTPUT_AFTER = """
import atexit
atexit.register(lambda: print("closing 3 connections\\nbye", flush=True))
raise ValueError("batch size must be positive")
"""
GROUP = """
raise ExceptionGroup("2 shards failed", [OSError("shard 1: gone"), ValueError("shard 2: bad header")])
"""
MEMORY = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
held = bytearray(1 << 30)
"""
SUBPROCESS = """
import subprocess
subprocess.run(["sh", "-c", "echo tokenizer: bad vocabulary >&2; exit 4"], check=True)
"""
FAULTHANDLER = "import ctypes, faulthandler; faulthandler.enable(all_threads=False); ctypes.string_at(0)"
FREED = "import ctypes; ctypes.CDLL(None).free(ctypes.c_void_p(4711))"
CHILD_KILLED = """
import os, signal, subprocess, sys
child = subprocess.Popen(["sleep", "60"])
child.send_signal(signal.SIGKILL)
if child.wait() != 0:
    raise RuntimeError(f"worker 0 (pid {child.pid}) exited unexpectedly with signal 9")
"""
NO_SPACE = """
import os, shutil
fd = os.open("/dev/shm/cache", os.O_CREAT | os.O_WRONLY)
while True:
    os.write(fd, bytes(1 << 20))
"""
THREAD = """
import threading
def work():
    raise LookupError("no such feature: age")
thread = threading.Thread(target=work, name="loader")
thread.start(); thread.join()
raise SystemExit(1)
"""
JAVA_HEAP = """INFO  starting the indexer
Exception in thread "main" java.lang.OutOfMemoryError: Java heap space
\tat java.base/java.util.Arrays.copyOf(Arrays.java:3537)
\tat com.example.Indexer.grow(Indexer.java:88)
\tat com.example.Indexer.main(Indexer.java:21)"""
JAVA_EXIT = "INFO  shard 3 of 9\nTerminating due to java.lang.OutOfMemoryError: Java heap space"
JAVA_TRACE = """Exception in thread "main" java.lang.IllegalStateException: cannot open the index
\tat com.example.Indexer.main(Indexer.java:21)
Caused by: java.nio.file.NoSuchFileException: /data/index
\tat java.base/sun.nio.fs.UnixException.translateToIOException(UnixException.java:92)
\t... 1 more"""
JAVA_SURVIVED = """WARN  fetch failed, trying again
java.net.SocketTimeoutException: Read timed out
\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)
INFO  fetched 3 of 3
ERROR licence expired on 2026-01-01"""
GO_PANIC = """panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48f1c4]

goroutine 1 [running]:
main.main()
\t/src/main.go:9 +0x24"""
RUST_PANIC = """thread 'main' panicked at src/main.rs:4:27:
called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: "No such file or directory" }
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"""
NODE_ERROR = """/app/index.js:3
  return config.port.toString();
                     ^

TypeError: Cannot read properties of undefined (reading 'toString')
    at start (/app/index.js:3:22)
    at Object.<anonymous> (/app/index.js:6:1)

Node.js v22.11.0"""

SCENARIOS = (
    runs("y1-python-chained", CHAINED, EXCEPTION, "RuntimeError: no weights at /data/weights.bin"),
    runs("y2-python-survived", SURVIVED, "user-code/error-exit", "accuracy 0.1 is below 0.5"),
    # The order of lines is kept within a stream only: here the traceback comes last, which was printed first.
    runs("y2b-python-streams-mixed", MIXED, "user-code/error-exit"),
    runs("y3-python-output-after", OUTPUT_AFTER, EXCEPTION, "ValueError: batch size must be positive"),
    runs("y4-python-exception-group", GROUP, EXCEPTION, "2 shards failed"),
    runs("y5-python-memory-error", MEMORY, EXCEPTION, "MemoryError"),
    runs("y6-python-module-missing", "import numpy_of_tomorrow", EXCEPTION, "numpy_of_tomorrow"),
    runs("y7-python-system-exit-text", 'raise SystemExit("no GPU found")', "user-code/error-exit", "no GPU found"),
    runs("y8-python-system-exit-code", "raise SystemExit(3)", "user-code/error-exit"),
    runs("y9-python-subprocess", SUBPROCESS, EXCEPTION, "CalledProcessError"),
    runs("y10-python-faulthandler", FAULTHANDLER, "user-code/segfault"),
    # glibc aborts, but of PID 1 that reads like a segmentation fault, and its word goes to no stream that is kept.
    runs("y25-python-frees-what-is-not-its-own", FREED, "user-code/segfault"),
    runs("y11-python-worker-killed", CHILD_KILLED, EXCEPTION, "worker 0"),
    runs("y12-python-shm-full", NO_SPACE, "resources/no-space-left", resources=resources(memory="200Mi")),
    runs("y13-python-syntax-error", "def train(:\n  pass", EXCEPTION, "SyntaxError"),
    runs("y14-python-keyboard-interrupt", "raise KeyboardInterrupt", "cancelled/sigint"),
    runs("y15-python-thread-died", THREAD, EXCEPTION, "LookupError: no such feature: age"),
    runs(
        "y16-python-read-only",
        'open("/opt/model.ckpt", "w")',
        "user-config/read-only-filesystem",
        securityContext={"readOnlyRootFilesystem": True},
    ),
    runs(
        "y17-python-multi-line",
        'raise ValueError("3 columns are missing:\\n  age\\n  income\\n  city")',
        EXCEPTION,
        "3 columns are missing",
    ),
    runs("y18-python-secret-key-error", '{}["password"]', EXCEPTION, "KeyError: 'password'"),
    prints("z1-java-heap", JAVA_HEAP, 1, "resources/java-heap", "Java heap space"),
    prints("z2-java-exit-on-oom", JAVA_EXIT, 3, "resources/java-heap", "Java heap space"),
    prints("z3-java-exception", JAVA_TRACE, 1, EXCEPTION, "NoSuchFileException: /data/index"),
    prints("z4-java-survived", JAVA_SURVIVED, 2, "user-code/error-exit", "licence expired"),
    prints("z5-go-panic", GO_PANIC, 2, EXCEPTION, "invalid memory address"),
    prints("z6-rust-panic", RUST_PANIC, 101, EXCEPTION, "unwrap"),
    prints("z7-node-error", NODE_ERROR, 1, EXCEPTION, "TypeError: Cannot read properties"),
)
