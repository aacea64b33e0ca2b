"""Metaflow: a flow of one step, run locally. Its step has a process of its own, as Metaflow always does."""

from metaflow import FlowSpec, step


class Bench(FlowSpec):
    """One step."""

    @step(start=True, end=True)
    def only(self):
        """Keeps one artifact."""
        self.x = 1


if __name__ == "__main__":
    Bench()
