"""The contract test that Runwright gives to authors of runtimes."""

from runwright_shell import Shell

from runwright.testing import check_runtime


def test_the_contract():
    plans = check_runtime(Shell, spec={"script": "echo $WHO"}, parameters={"WHO": "you"}, bad_specs=[{}, {"script": ""}])
    assert plans["job"]["task"]["process"] == {"command": ["sh", "-eu", "-c", "echo $WHO"]}
    assert plans["job"]["task"]["envs"] == {"WHO": "you"}
