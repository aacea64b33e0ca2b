FROM python:3.13-slim AS prepared
RUN --mount=type=secret,id=TOKEN,mode=0444 ["/bin/sh", "-c", "export TOKEN=\"$(cat /run/secrets/TOKEN)\"; set -e\ncd /tmp\nmake 'all'"]
RUN --mount=type=secret,id=TOKEN,mode=0444 export TOKEN="$(cat /run/secrets/TOKEN)"; true
RUN --mount=type=secret,id=TOKEN,mode=0444 export TOKEN="$(cat /run/secrets/TOKEN)"; echo 'as it is'

FROM prepared AS packages
USER 0
RUN printf '%s\n' 'numpy<3' torch==2.5 > /tmp/runwright-requirements.txt
RUN --mount=type=secret,id=TOKEN,mode=0444 export TOKEN="$(cat /run/secrets/TOKEN)"; PIP_ROOT_USER_ACTION=ignore python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check --progress-bar off --target /opt/runwright/packages -r /tmp/runwright-requirements.txt && { python3 -m compileall -qq --invalidation-mode unchecked-hash /opt/runwright/packages || true; }

FROM prepared
COPY --from=packages /opt/runwright/packages /opt/runwright/packages
ENV PATH=/opt/runwright/packages/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
ENV PYTHONPATH=/opt/runwright/packages${PYTHONPATH:+:$PYTHONPATH}
