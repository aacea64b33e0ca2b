import os
import sys
import time

try:
    import _signal as signal
except ImportError:
    import signal
job = sys.argv[1] == "job"
signal.signal(15, lambda *_: os._exit(143 * job))
env = os.environ.get
if job:
    print("runwright: begins", flush=True)


def begin():
    if sys.version_info < (3, 9):
        return "the image's python3 is Python %d.%d: too old" % sys.version_info[:2], "use an image with Python 3.9 or later"
    runner = env("RUNWRIGHT_POD_ROOT", "/runwright") + "/runner/runner.zip"
    end = time.monotonic() + float(env("RUNWRIGHT_POD_WAIT", "120"))
    while not os.path.exists(runner):
        if time.monotonic() > end:
            return "the runner did not arrive (ConfigMap runwright-runner-*)", "run it again"
        time.sleep(0.1)
    sys.path.insert(0, runner)
    try:
        import zlib  # noqa: F401

        from _runwright.execute.pod import main
    except ImportError as error:
        return "the image's python3 lacks a part of its library: %s" % error, "use an image with a whole Python"
    del sys.path[0]
    main(sys.argv[1:])


what, cure = begin()
while not job:
    time.sleep(60)
print("runwright: " + what)
import json

error = {"cause": "NotStarted", "message": what, "cure": cure}
end = {"state": "ERROR", "time": time.time(), "attempts": 0, "error": error, "shape": "none", "outputs": {}, "names": []}
with open(env("RUNWRIGHT_TERMINATION", "/dev/termination-log"), "w") as file:
    json.dump({"events": [], "end": end, "files": {}}, file)
sys.exit(1)
