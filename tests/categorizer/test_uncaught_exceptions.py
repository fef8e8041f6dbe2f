"""Uncaught exceptions at the end of a termination message, in common languages."""

from __future__ import annotations

import pytest

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.termination_message.runtimes import declared_traces, go, rust, torchrun
from coroner_categorizer.termination_message.uncaught_exception import find_uncaught_exception
from tests.support.default_pack import CATEGORIZER

PYTHON = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\n    ~^^\n'
ENDINGS: list[tuple[str, str, int | None, str | None]] = [
    ("python", PYTHON + "ValueError: bad input\n", 1, "ValueError: bad input"),
    ("python without a text", PYTHON + "KeyboardInterrupt\n", 130, "KeyboardInterrupt"),
    ("python, chained", PYTHON + "KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n" + PYTHON + "app.errors.Lost: b", 1, "app.errors.Lost: b"),
    ("python behind a prefix", "".join(f"[rank0]: {line}\n" for line in (PYTHON + "RuntimeError: x").splitlines()), 1, "RuntimeError: x"),
    ("python, a text of several lines", PYTHON + "RuntimeError: CUDA error: y\nCompile with TORCH_USE_CUDA_DSA\n", 1, "RuntimeError: CUDA error: y"),
    ("python, cut at the front", '  File "a.py", line 9, in f\n    g()\nOSError: [Errno 28] No space left on device\n', 1, "OSError: [Errno 28] No space left on device"),
    ("python, cut at the front, a text of several lines", '  File "a.py", line 9, in f\n    g()\ntorch.distributed.DistBackendError: NCCL error in: x.cpp:1970, remote process exited or there was a network error\nncclRemoteError: A call failed.\nLast error:\nConnection reset by peer\n', 1, "torch.distributed.DistBackendError: NCCL error in: x.cpp:1970, remote process exited or there was a network error: Connection reset by peer"),
    ("python, cut at the front, behind a prefix", '[rank3]:   File "a.py", line 9, in f\n[rank3]:     g()\n[rank3]: RuntimeError: x\n', 1, "RuntimeError: x"),
    ("python, cut within the last frame", "    g()\n    ~^^\nRuntimeError: x\n", 1, "RuntimeError: x"),
    ("python, cut at the front and survived", '  File "a.py", line 9, in f\n    g()\nValueError: x\n2026-01-01 00:00:00 INFO going on\n', 1, None),
    ("an error below an indented list", "  - a\n  - b\nConfigError: x\n", 1, None),
    ("python, cut at the front, a code that somebody chose", '  File "a.py", line 9, in f\n    g()\nValueError: x\n', 3, None),
    ("python, an exception group", "  + Exception Group Traceback (most recent call last):\n  |   File \"a.py\", line 1, in <module>\n  | ExceptionGroup: many (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    |   File \"a.py\", line 2, in f\n    | ValueError: inner\n    +------------------------------------\n", 1, "ValueError: inner"),
    ("python, logged and survived", PYTHON + "ValueError: x\n2026-01-01 00:00:00 INFO going on\n", 1, None),
    ("python, survived and ended with a code of its own", PYTHON + "ValueError: x\ngiving up after 3 tries\n", 3, None),
    ("python, another code than its own", PYTHON + "ValueError: x\n", 3, None),
    ("python below make", PYTHON + "RuntimeError: bad shard\nmake: *** [Makefile:3: train] Error 1\n", 2, "RuntimeError: bad shard"),
    ("python, cut at the end", PYTHON, 1, None),
    ("python, faulthandler", "Fatal Python error: Segmentation fault", 139, "Fatal Python error: Segmentation fault"),
    ("go", "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:7 +0x1d\nexit status 2\n", 2, "panic: runtime error: index out of range [5] with length 3"),
    ("go, recovered and logged", "panic: oh no\nrecovered, going on\nlistening on :8080\n", 1, None),
    ("go, fatal", "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/app/main.go:5 +0x2f\n", 2, "fatal error: all goroutines are asleep - deadlock!"),
    ("rust", "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds: the len is 3 but the index is 5\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n", 101, "panicked: index out of bounds: the len is 3 but the index is 5"),
    ("java", 'Exception in thread "main" java.lang.IllegalStateException: no config\n\tat com.x.Main.main(Main.java:10)\n', 1, "java.lang.IllegalStateException: no config"),
    ("java, the last cause", 'Exception in thread "main" java.lang.RuntimeException: start\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: disk\n\tat a.B.d(B.java:2)\n\t... 1 more\n', 1, "java.io.IOException: disk"),
    ("java, logged before the end", "java.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)\nshut down\n", 1, None),
    ("node", "/app/a.js:3\n    x.y.z\n      ^\n\nTypeError: Cannot read properties of undefined (reading 'y')\n    at Object.<anonymous> (/app/a.js:3:5)\n    at node:internal/main/run_main_module:23:47\n\nNode.js v20.20.2\n", 1, "TypeError: Cannot read properties of undefined (reading 'y')"),
    ("node, a library's own error", "MongoServerError: E11000 duplicate key\n    at Conn.x (/app/c.js:1:1) {\n  code: 11000\n}\n\nNode.js v20.1.0", 1, "MongoServerError: E11000 duplicate key"),
    ("dotnet", "Unhandled exception. System.InvalidOperationException: nope\n   at P.Main() in /app/P.cs:line 3\n", 134, "System.InvalidOperationException: nope"),
    ("ruby", "a.rb:1:in `f': undefined method `x' for nil (NoMethodError)\n\tfrom a.rb:3:in `<main>'\n", 1, "undefined method `x' for nil (NoMethodError)"),
    ("ruby, a text with a colon", "/app/run.rb:3:in `fetch': key not found: :port (KeyError)\n", 1, "key not found: :port (KeyError)"),
    ("java, in a thread, and a code that somebody chose", 'Exception in thread "worker-0" java.lang.RuntimeException: in worker\n\tat J.run(J.java:1)\n', 4, None),
    ("node, a code that somebody chose", "Error: lost\n    at f (/app/c.js:1:1)\n", 4, None),
    ("node, a rejection with a value", 'node:internal/process/promises:389\n      new UnhandledPromiseRejection(reason);\n      ^\n\nUnhandledPromiseRejection: This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason "nope".\n    at throwUnhandledRejectionsMode (node:internal/process/promises:389:7)\n    at process.processTicksAndRejections (node:internal/process/task_queues:96:32) {\n  code: \'ERR_UNHANDLED_REJECTION\'\n}\n\nNode.js v20.20.2\n', 1, 'unhandled promise rejection: "nope"'),
    ("go, on the system's stack", "fatal error: runtime: out of memory\n\nruntime stack:\nruntime.throw({0x4c7c70?, 0x2aa4?})\n\t/usr/local/go/src/runtime/panic.go:1229 +0x48 fp=0x7ffdbc71e560 sp=0x7ffdbc71e530 pc=0x479508\n", 2, "fatal error: runtime: out of memory"),
    ("c++", "terminate called after throwing an instance of 'std::runtime_error'\n  what():  could not open dataset\nbash: line 106: 14195 Aborted                 ./a\n", 134, "std::runtime_error: could not open dataset"),
    ("c++, no text", "terminate called after throwing an instance of 'int'\n", 134, "int"),
    ("c++, no exception", "terminate called without an active exception\nAborted (core dumped)\n", 134, "terminate called without an active exception"),
    ("php", "PHP Fatal error:  Uncaught Error: Call to undefined function foo() in /app/x.php:3\nStack trace:\n#0 {main}\n  thrown in /app/x.php on line 3\n", 255, "Error: Call to undefined function foo() in /app/x.php:3"),
    ("php, a limit of its own", "PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes) in /app/x.php on line 12\n", 255, None),
    ("julia", "ERROR: LoadError: UndefVarError: `foo` not defined\nStacktrace:\n [1] top-level scope\n   @ /app/x.jl:1\nin expression starting at /app/x.jl:1\n", 1, "UndefVarError: `foo` not defined"),
    ("r", "Error in library(dplyr) : there is no package called 'dplyr'\nExecution halted\n", 1, "Error in library(dplyr) : there is no package called 'dplyr'"),
    ("r, a long call", "Error in readRDS(file.path(root, name)) : \n  cannot open the connection\nIn addition: Warning message:\nExecution halted\n", 1, "Error in readRDS(file.path(root, name)) : cannot open the connection"),
    ("elixir, an application that does not start", "** (Mix) Could not start application shop: Shop.Application.start(:normal, []) returned an error: shutdown\n    ** (EXIT) an exception was raised:\n        ** (ArgumentError) could not fetch environment variable \"DATABASE_URL\" because it is not set\n            (elixir 1.15.7) lib/system.ex:706: System.fetch_env!/1\n            (shop 0.1.0) lib/shop/repo.ex:9: Shop.Repo.init/2\n", 1, '** (ArgumentError) could not fetch environment variable "DATABASE_URL" because it is not set'),
    ("elixir, with the arguments of the call", "** (FunctionClauseError) no function clause matching in Shop.Errors.handle_error/1    \n    \n    The following arguments were given to Shop.Errors.handle_error/1:\n    \n        # 1\n        :timeout\n    \n    (shop 0.1.0) lib/shop/errors.ex:7: Shop.Errors.handle_error/1\n    nofile:1: (file)\n", 1, "** (FunctionClauseError) no function clause matching in Shop.Errors.handle_error/1"),
    ("elixir, a frame without a file", "** (UndefinedFunctionError) function Shop.raise_error/1 is undefined\n    Shop.raise_error(:timeout)\n    run.exs:1: (file)\n", 1, "** (UndefinedFunctionError) function Shop.raise_error/1 is undefined"),
    ("elixir, a supervised process that is restarted", "10:00:00.123 [error] GenServer Shop.Worker terminating\n** (RuntimeError) boom\n    (shop 0.1.0) lib/shop/worker.ex:10: Shop.Worker.raise_error/1\nLast message: :tick\nState: %{}\n", 1, None),
    ("elixir, a task that prints no frames", "** (Mix) The task \"shop.seed\" could not be found\n", 1, None),
    ("lua", "lua5.3: ./a.lua:3: attempt to index a nil value (global 'cfg')\nstack traceback:\n\t./a.lua:3: in local 'load_error'\n\t[C]: in ?\n", 1, "lua5.3: ./a.lua:3: attempt to index a nil value (global 'cfg')"),
    ("plain words", "cannot open /data/in.csv\n", 1, None),
    ("nothing", "", 1, None),
    ("blank lines", "\n\n\n", 1, None),
]  # fmt: skip


@pytest.mark.parametrize(("message", "code", "line"), [e[1:] for e in ENDINGS], ids=[e[0] for e in ENDINGS])
def test_the_line_of_an_uncaught_exception(message: str, code: int | None, line: str | None) -> None:
    found = find_uncaught_exception(message, code)
    assert (found.line if found else None) == line


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("MPI_ABORT was invoked on rank 3\nwith errorcode 1.\n-----------------\n", "MPI_ABORT was invoked on rank 3"),
        ("Can't locate Foo/Bar.pm in @INC\nBEGIN failed--compilation aborted at x.pl line 3.\n", "Can't locate Foo/Bar.pm in @INC"),
        ("Unrecognized VM option 'UseFoo'\nError: Could not create the Java Virtual Machine.\nError: A fatal exception has occurred. Program will exit.\n", "Unrecognized VM option 'UseFoo'"),
        ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n 1: 0xb090e0 node::Abort() [node]\n", "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"),
        ("cannot open /in\nmake: *** [Makefile:3: run] Error 1\n", "cannot open /in"),
        ("\tstr\n(Use `node --trace-uncaught ...` to show where the exception was thrown)\n\nNode.js v20.20.2\n", "str"),
        ("Killed\n", "Killed"),
        ("Error: no such host\nUsage:\n  app [flags]\n\nFlags:\n      --fail-fast   stop if it fails\n", "Error: no such host"),
        ("usage: app [-h]\n  -h  help on errors\napp: error: unknown option: -x\n", "app: error: unknown option: -x"),
        ("ready\nUsage: 80% of the disk\n  failed to rotate the log\n", "failed to rotate the log"),
        ('{"L":"ERROR","M":"no lease","error":"leases \\"a\\" not found"}\n', 'no lease: leases "a" not found'),
        ("2026-11-20 10:00:06 UTC [1] FATAL:  no data\n2026-11-20 10:00:06 UTC [1] DETAIL:  It is empty.\n", "2026-11-20 10:00:06 UTC [1] FATAL: no data: It is empty."),
    ],
)  # fmt: skip
def test_the_quoted_line_names_the_cause_rather_than_the_exit(message: str, line: str) -> None:
    status = {"name": "main", "state": {"terminated": {"exitCode": 3, "reason": "Error", "message": message}}}
    verdict = CATEGORIZER.classify(
        {"metadata": {"uid": "u"}, "status": {"phase": "Failed", "containerStatuses": [status]}}
    )
    assert verdict is not None
    assert verdict.message == f'container "main" ended with exit code 3: {line}'


def test_one_search_rules_out_every_line() -> None:
    """What no line begins with is found in one search; a line that begins with it is never missed."""
    patterns = [value for value in vars(declared_traces).values() if isinstance(value, LinearRegex)]
    patterns += [
        regex for module in (go, rust, torchrun) for regex in vars(module).values() if type(regex) is LinearRegex
    ]
    assert len(patterns) >= 4
    ruled_out = 0
    for _, message, *_ in ENDINGS:
        lines = message.split("\n")
        for pattern in patterns:
            begins = any(pattern.starts(line) for line in lines)
            assert pattern.may_start_any(lines) or not begins, (pattern.pattern, message)
            ruled_out += not pattern.may_start_any(lines)
    assert ruled_out > len(ENDINGS)
