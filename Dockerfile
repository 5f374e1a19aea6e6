# Alert Engine. `docker build .` works with BuildKit and with the legacy builder.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
# Two environments: what ships has neither pip nor the tool that builds our wheel.
RUN python -m venv --without-pip /opt/alert-engine \
    && python -m venv /opt/builder \
    && /opt/builder/bin/pip install --quiet --require-hashes --only-binary :all: \
        -r requirements-build.lock \
    && /opt/builder/bin/pip --python /opt/alert-engine/bin/python install --quiet \
        --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY channels channels
COPY docs docs
COPY schemas schemas
COPY rules rules
COPY deploy deploy
ARG VERSION=0.1.0
# `pip check` fails where the lock file and pyproject.toml disagree.
RUN /opt/builder/bin/pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist . \
    && /opt/builder/bin/pip --python /opt/alert-engine/bin/python install --quiet \
        --no-index --no-deps dist/*.whl \
    && /opt/builder/bin/pip --python /opt/alert-engine/bin/python check \
    && test "$(/opt/alert-engine/bin/alert-engine --version)" = "alert-engine ${VERSION}" \
    && /opt/alert-engine/bin/python deploy/licenses.py > THIRD-PARTY-LICENSES.txt \
    && install -d -o 10001 -g 10001 -m 0750 /data \
    # A checkout may be its owner's only, which COPY would keep; the engine is another user.
    && install -D -m 0644 -t app/schemas schemas/* \
    && install -D -m 0644 -t app/config rules/alert_rules.yaml \
    && install -m 0644 -t app deploy/healthcheck.py LICENSE THIRD-PARTY-LICENSES.txt

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="Alert Engine" \
      org.opencontainers.image.description="Rules as code on real-time plate events: Kafka in, dependable alerts out" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/alert-engine/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RULES_CONFIG_PATH=/app/config \
    SCHEMAS_PATH=/app/schemas \
    STATE_URL=sqlite:////data/alerts.db \
    LAST_GOOD_PATH=/data/last-good/alerts.db \
    LOG_FORMAT=json
WORKDIR /app
COPY --from=build --chown=10001:10001 /data /data
COPY --from=build /opt/alert-engine /opt/alert-engine
COPY --from=build /build/app ./
# No name in /etc/passwd is needed; orchestrators that forbid root want a number.
USER 10001:10001
# Also without a volume of one's own the root file system may be read-only.
VOLUME ["/data"]
EXPOSE 8003
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-IS", "/app/healthcheck.py"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["alert-engine"]
CMD ["run"]
