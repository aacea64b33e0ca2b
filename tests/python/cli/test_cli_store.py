"""The same commands on the stores of a team: PostgreSQL and S3."""


def test_commands_on_postgresql(program, postgres_url):
    program.env["RUNWRIGHT_STORE"] = postgres_url
    record = program.json("run", "functions.py:train")
    assert [run["id"] for run in program.json("runs")] == [record["id"]]
    assert "COMPLETED" in program("run", "show", record["id"][:13]).stdout
    store = next(check for check in program.json("doctor")["checks"] if check["name"] == "store")
    assert store["status"] == "ok"
    assert "PostgreSQL" in store["message"]


def test_commands_on_s3(program, s3):
    program.env |= {**s3.environment, "RUNWRIGHT_ARTIFACTS": f"{s3.url}/team"}
    made = program.json("run", "functions.py:make")
    [key] = made["outputs"].values()
    assert program.json("run", "functions.py:size", "--input", f"data={key}")["results"] == {"result": 3}
    assert program.json("artifacts", "show", key)["path"].startswith(f"{s3.url}/team/")
    artifacts = next(check for check in program.json("doctor")["checks"] if check["name"] == "artifacts")
    assert artifacts["status"] == "ok", artifacts
