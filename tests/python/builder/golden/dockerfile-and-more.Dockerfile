FROM python:3.13 AS one
RUN <<X
FROM nothing
X
FROM --platform=linux/amd64    python:3.13-slim AS runwright-given
USER 7

FROM runwright-given AS runwright-prepared
RUN apt-get install -y git

FROM runwright-prepared AS packages
USER 0
COPY <<'RUNWRIGHT_END' /tmp/runwright-requirements.txt
numpy
RUNWRIGHT_END
RUN PIP_ROOT_USER_ACTION=ignore python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check --progress-bar off --target /opt/runwright/packages -r /tmp/runwright-requirements.txt && { python3 -m compileall -qq --invalidation-mode unchecked-hash /opt/runwright/packages || true; }

FROM runwright-prepared
COPY --from=packages /opt/runwright/packages /opt/runwright/packages
COPY . /opt/runwright/code/
ENV PATH=/opt/runwright/packages/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
ENV PYTHONPATH=/opt/runwright/code:/opt/runwright/packages${PYTHONPATH:+:$PYTHONPATH}
ENV A="b"
