# One image with all three commands: flusso, flusso-capture, flusso-worker.
#   docker build -t flusso-kafka .
#   docker run -v "$PWD/my-config:/config:ro" flusso-kafka run --config /config/flusso.toml --lock /tmp/flusso.lock
#   docker run --entrypoint flusso-worker ... flusso-kafka --config /config/flusso.toml --lock /tmp/flusso.lock
# It carries no configuration and no secrets.

ARG PYTHON=3.12

# --- build: everything that is only needed to install ---
FROM python:${PYTHON}-slim AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/flusso
# The dependencies first: they change less often than the code.
COPY constraints.txt pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && pip --python /opt/flusso/bin/python install --no-cache-dir --constraint constraints.txt --requirement requirements.txt
COPY README.md LICENSE ./
COPY capture capture
COPY worker worker
COPY shared shared
COPY cli cli
COPY schemas schemas
RUN pip --python /opt/flusso/bin/python install --no-cache-dir --no-deps .

# --- runtime ---
FROM python:${PYTHON}-slim AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="flusso-kafka" \
      org.opencontainers.image.description="Keep OpenSearch documents in step with Postgres." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
RUN groupadd --gid 65532 flusso \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /app --shell /usr/sbin/nologin flusso
COPY --from=build /opt/flusso /opt/flusso
COPY LICENSE /app/LICENSE
ENV PATH=/opt/flusso/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 65532:65532
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["flusso"]
CMD ["run", "--public-address", "0.0.0.0:9464"]
