FROM reg.test/python@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS prepared
RUN --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL --mount=type=secret,id=TOKEN,env=TOKEN apt-get update && apt-get install -y --no-install-recommends git
RUN --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL --mount=type=secret,id=TOKEN,env=TOKEN echo 'as it is'
ENV A=b
RUN --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL --mount=type=secret,id=TOKEN,env=TOKEN <<'RUNWRIGHT_END'
set -e
cd /tmp
make
RUNWRIGHT_END
RUN --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL --mount=type=secret,id=TOKEN,env=TOKEN <<'RUNWRIGHT_END'
set -e
["odd"]
RUNWRIGHT_END
RUN --network=none true

FROM prepared AS packages
USER 0
COPY <<'RUNWRIGHT_END' /tmp/runwright-requirements.txt
torch==2.5
RUNWRIGHT_END
RUN --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL --mount=type=secret,id=TOKEN,env=TOKEN PIP_ROOT_USER_ACTION=ignore python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check --progress-bar off --target /srv/app/packages -r /tmp/runwright-requirements.txt && { python3 -m compileall -qq --invalidation-mode unchecked-hash /srv/app/packages || true; }

FROM prepared
COPY --from=packages /srv/app/packages /srv/app/packages
COPY . /srv/app/code/
ENV PATH=/srv/app/packages/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
ENV PYTHONPATH=/srv/app/code:/srv/app/packages${PYTHONPATH:+:$PYTHONPATH}
ENV B="c"
