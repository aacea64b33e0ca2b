"""Secret values are nowhere but in the process that needs them."""

from __future__ import annotations

import base64
import os
import urllib.parse

from execute_lab import Lab

from runwright.execute.logs import LONGEST, Log, Redactor, Splitter

TOKEN = "s3cr3t/Tok+en=ÄÖ\"quoted'\\back"
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEA\n-----END KEY-----\n"


def everything(folder: str) -> bytes:
    content = b""
    for place, _, files in os.walk(folder):
        for name in files:
            with open(os.path.join(place, name), "rb") as file:
                content += name.encode() + file.read()
    return content


def forms(secret: str) -> list[bytes]:
    raw = secret.encode()
    found = [
        raw,
        base64.b64encode(raw),
        base64.urlsafe_b64encode(raw),
        urllib.parse.quote(secret, safe="").encode(),
        secret.encode("unicode_escape"),
    ]
    return [*found, base64.b64encode(b"user:" + raw)[8:-4], base64.b64encode(b"us:" + raw)[4:-4]]


def test_no_file_holds_a_secret(lab: Lab) -> None:
    code = """
        import base64, json, logging, os, sys, urllib.parse
        class Bad(Exception): pass
        def f(run):
            token, pem = os.environ["TOKEN"], os.environ["PEM"]
            print("it is", token, "and", repr(token), "and", json.dumps(token))
            print(pem)
            print(base64.b64encode(token.encode()).decode(), base64.urlsafe_b64encode(token.encode()).decode())
            print(base64.b64encode(b"user:" + token.encode()).decode(), base64.b64encode(b"us:" + token.encode()).decode())
            print(urllib.parse.quote(token, safe=""), urllib.parse.quote_plus(token), urllib.parse.quote(token))
            print("x" * 70_000 + token + "y" * 70_000)
            sys.stdout.write(token[:7]); sys.stdout.flush(); sys.stdout.write(token[7:] + "\\n")
            logging.warning("log %s", token)
            run.log_result("mine", {"deep": [token], token: 1})
            run.log_metric("loss", 1.0)
            if run.attempt == 2:
                return {"value": token, "list": [pem]}
            error = Bad("failed with " + token)
            error.token = token
            raise error
    """
    secrets = {"TOKEN": TOKEN, "PEM": PEM, "SHORT": "1", "EMPTY": ""}
    ended = lab.run(code, secrets=secrets, retries={"limit": 1, "delay": 0, "factor": 1, "max_delay": 0})
    assert ended.end["state"] == "COMPLETED", (ended.error["message"], ended.error["traceback"])
    assert ended.values["value"] == "***"
    assert not os.path.exists(f"{ended.folder}/secrets.json")
    content = everything(ended.folder)
    assert b"it is ***" in content
    for form in [*forms(TOKEN), *PEM.encode().strip().split(b"\n"), PEM.encode()]:
        assert form not in content, form
    assert ended.events("retry")[0]["error"]["message"] == "failed with ***"
    assert ended.events("retry")[0]["error"]["attributes"] == {"token": "***"}
    # A value of one character is no secret: it would mask every log.
    assert ended.end["attempts"] == 2


def test_secrets_are_gone_before_anything_else_happens(lab: Lab) -> None:
    ended = lab.run("import os\ndef f(): return os.path.exists('secrets.json')", secrets={"A": "some-secret"})
    assert ended.result is False


def test_secrets_of_a_run_that_is_refused(lab: Lab) -> None:
    ended = lab.run("def f(): pass", secrets={"A": "some-secret"}, protocol=2)
    assert b"some-secret" not in everything(ended.folder)
    assert not os.path.exists(f"{ended.folder}/secrets.json")


def test_a_damaged_file_is_not_shown(lab: Lab) -> None:
    run_id = lab.prepare("def f(): pass")
    with open(f"{lab.home}/runs/{run_id}/secrets.json", "w", encoding="utf-8") as file:
        file.write('{"A": "some-secret')
    ended = lab.ended(run_id, lab.start(run_id))
    assert ended.error["cause"] == "RunnerError"
    assert b"some-secret" not in everything(ended.folder)


def test_a_secret_that_lies_across_any_cut(tmp_path: object) -> None:
    secret = "the-secret-value-of-all"
    for before in range(LONGEST - 30, LONGEST + 30, 7):
        for chunk in (1000, LONGEST, LONGEST + 13):
            path = f"{tmp_path}/{before}-{chunk}"
            log = Log(path, Redactor([secret]))
            splitter = Splitter(log, "stdout")
            data = b"x" * before + secret.encode() + b"y" * LONGEST
            for start in range(0, len(data), chunk):
                splitter.feed(data[start : start + chunk])
            splitter.close()
            os.close(log.file.descriptor)
            with open(path, "rb") as file:
                content = file.read()
            assert b"secret-value" not in content
            assert content.count(b"x") == before
            os.unlink(path)


def test_a_secret_that_is_one_of_our_words(lab: Lab) -> None:
    code = """
        def f(run):
            run.log_result("r", {"path": "value", "id": "COMPLETED"})
            run.log_artifact("art", data=b"1", path="value")
            return {"path": "value", "outputs": b"1"}
    """
    ended = lab.run(code, secrets={name: name for name in ("value", "path", "COMPLETED", "outputs", "artifact", "dict", "type")})
    end = ended.end
    assert (end["state"], end["shape"], end["names"]) == ("COMPLETED", "dict", ["path", "outputs"])
    assert end["outputs"]["path"]["value"] == "***"
    assert end["outputs"]["outputs"]["path"].startswith("outputs/")
    assert [event["value"] for event in ended.events("result")] == [{"***": "***", "id": "***"}]
    assert ended.events("entity")[0]["entity"]["type"] == "artifact"
