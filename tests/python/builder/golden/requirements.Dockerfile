FROM python:3.13-slim AS prepared

FROM prepared AS packages
USER 0
COPY <<'RUNWRIGHT_END' /tmp/runwright-requirements.txt
numpy
scikit-learn>=1.5
RUNWRIGHT_END
RUN PIP_ROOT_USER_ACTION=ignore python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check --progress-bar off --target /opt/runwright/packages -r /tmp/runwright-requirements.txt && { python3 -m compileall -qq --invalidation-mode unchecked-hash /opt/runwright/packages || true; }

FROM prepared
COPY --from=packages /opt/runwright/packages /opt/runwright/packages
ENV PATH=/opt/runwright/packages/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
ENV PYTHONPATH=/opt/runwright/packages${PYTHONPATH:+:$PYTHONPATH}
