FROM python:3.13-slim AS prepared

FROM prepared
