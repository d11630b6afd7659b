# One image with all three commands: flusso, flusso-capture, flusso-worker.
#   docker build -t flusso-kafka --build-arg REVISION="$(git rev-parse HEAD)" .
#   docker run -v "$PWD/my-config:/config:ro" flusso-kafka run --config /config/flusso.toml
#   docker run --entrypoint flusso-worker ... flusso-kafka --config /config/flusso.toml
# It carries no configuration and no secrets.  `--target demo` carries the configuration of the example store.
# Both builders of Docker can build it: it uses no instruction that needs BuildKit.

ARG PYTHON=3.12

# --- build: everything that is only needed to install ---
FROM python:${PYTHON}-slim AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/flusso
# The dependencies first: they change less often than the code.
COPY constraints.txt pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && pip --python /opt/flusso/bin/python install --no-cache-dir --constraint constraints.txt --requirement requirements.txt
COPY deploy/docker/sbom-requirements.txt ./
RUN python -m venv /opt/sbom \
    && /opt/sbom/bin/pip install --no-cache-dir --requirement sbom-requirements.txt
COPY README.md CHANGELOG.md LICENSE hatch_build.py ./
COPY capture capture
COPY worker worker
COPY shared shared
COPY cli cli
COPY schemas schemas
ARG REVISION=unknown
RUN FLUSSO_REVISION="${REVISION}" pip --python /opt/flusso/bin/python install --no-cache-dir --no-deps . \
    && /opt/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
        --output-format JSON --output-file sbom.cdx.json /opt/flusso/bin/python

# --- runtime ---
FROM python:${PYTHON}-slim AS runtime
RUN groupadd --gid 65532 flusso \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /app --shell /usr/sbin/nologin flusso
COPY --from=build /opt/flusso /opt/flusso
COPY --from=build /src/sbom.cdx.json /app/sbom.cdx.json
COPY LICENSE /app/LICENSE
COPY deploy/docker/flusso-healthcheck /opt/flusso/bin/flusso-healthcheck
# All three commands listen where the container's port is, and write the compiled configuration to the one folder that
# they can write to.  Options win over these.
ENV PATH=/opt/flusso/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FLUSSO_PUBLIC_ADDRESS=0.0.0.0:9464 \
    FLUSSO_LOCK=/tmp/flusso.lock
WORKDIR /app
USER 65532:65532
EXPOSE 9464
STOPSIGNAL SIGTERM
# It is about this process only: an outage of a server makes no container unhealthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["flusso-healthcheck"]
ENTRYPOINT ["flusso"]
CMD ["run"]
# Last, because they change with every build.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="flusso-kafka" \
      org.opencontainers.image.description="Keep OpenSearch documents in step with Postgres." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# --- demo: with the configuration of the example store ---
FROM runtime AS demo
COPY dev/flusso.toml /config/flusso.toml
COPY dev/schemas /config/schemas
ENV FLUSSO_CONFIG=/config/flusso.toml

# --- what is built without --target ---
FROM runtime AS flusso
