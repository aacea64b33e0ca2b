"""MLServer: the function as a runtime of its own, asked by the V2 inference protocol."""

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Double(MLModel):
    """The runtime."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Twice as much."""
        x = payload.inputs[0].data[0]
        return InferenceResponse(model_name=self.name, outputs=[ResponseOutput(name="y", shape=[1], datatype="FP64", data=[2 * x])])
