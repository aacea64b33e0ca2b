"""MLflow: one run with one parameter and one metric, in a SQLite backend."""

import sys

import mlflow
from worker import serve

mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow.db")
mlflow.set_experiment("bench")


def once():
    """start, log, end: what is tracked."""
    mlflow.start_run()
    mlflow.log_param("x", 1)
    mlflow.log_metric("m", 1.0)
    mlflow.end_run()


serve(run=once)
