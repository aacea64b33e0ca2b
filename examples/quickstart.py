"""A pipeline of tracked runs on scikit-learn's breast-cancer data: prepare, train with three depths, evaluate the best."""

import os
import shutil
import sys
from pathlib import Path

import runwright as rw


@rw.function(outputs=["train_set", "test_set"])
def prepare(test_share: float = 0.25):
    """The data as two tables."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    data = load_breast_cancer(as_frame=True).frame
    train_set, test_set = train_test_split(data, test_size=test_share, random_state=0, stratify=data["target"])
    print(f"{len(train_set)} rows to train with, {len(test_set)} to test with")
    return train_set, test_set


@rw.function(outputs=["model", "accuracy"])
def train(train_set, depth: int):
    """A forest of one depth, and how well it does in cross-validation."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score

    x, y = train_set.drop(columns="target"), train_set["target"]
    model = RandomForestClassifier(n_estimators=60, max_depth=depth, random_state=0)
    scores = cross_val_score(model, x, y, cv=3)
    for fold, score in enumerate(scores):
        rw.log_metric("fold_accuracy", score, step=fold)
    print(f"depth {depth}: {scores.mean():.4f}")
    return model.fit(x, y), float(scores.mean())


@rw.function(outputs=["report", "confusion"])
def evaluate(model, test_set):
    """The model on data that it has not seen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, f1_score

    x, y = test_set.drop(columns="target"), test_set["target"]
    guessed = model.predict(x)
    report = {"accuracy": accuracy_score(y, guessed), "f1": f1_score(y, guessed)}
    rw.log_metrics(report)
    figure, axes = pyplot.subplots()
    ConfusionMatrixDisplay.from_predictions(y, guessed, ax=axes)
    return report, figure


def main() -> None:
    """Run it, and show what is tracked."""
    rw.use(project="quickstart")
    prepared = prepare.run()
    # The three start by themselves when the data is there; nothing waits here.
    trained = train.map([{"depth": depth} for depth in (2, 4, 8)], train_set=prepared["train_set"])
    trained.wait()
    best = max(trained, key=lambda run: run.result("accuracy"))
    evaluated = evaluate.run(best["model"], prepared["test_set"]).wait()

    print(rw.runs(project="quickstart", limit=5))
    print()
    print(f"best depth: {best.parameters['depth']}   on unseen data: {evaluated.result('report')}")
    print(f"figure: {evaluated.output('confusion').path}")
    model = best.output("model")
    lineage = model.lineage()
    print(f"\nmodel {model.key}\n  made by {lineage['made_by']}\n  read by {', '.join(lineage['read_by'])}")
    print("\nSee it again:")
    # As it can be typed here: the virtual environment need not be active.
    program = "runwright" if shutil.which("runwright") else os.path.relpath(Path(sys.executable).parent / "runwright")
    for command in (
        "runs --project quickstart",
        f"run show {evaluated.id}",
        f"run logs {best.id}",
        f"diff {trained[0].id} {trained[2].id}",
        "artifacts --project quickstart",
    ):
        print(f"  {program} {command}")


if __name__ == "__main__":
    main()
