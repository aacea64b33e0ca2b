"""BentoML: the function as an API of a service."""

import bentoml


@bentoml.service(workers=1)
class Double:
    """The service."""

    @bentoml.api
    def double(self, x: float) -> float:
        """Twice as much."""
        return 2 * x
